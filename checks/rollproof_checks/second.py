"""The second opinion of another solver: every obligation, written out in SMT-LIB and asked
of cvc5.

``make check-slow`` installs cvc5 (group ``slow``); nothing else here needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

import z3

from rollproof.table import TABLE, Row
from rollproof_checks.obligations import Goal, Question, questions
from rollproof_checks.verdicts import Obligation, Report, Verdict
from rollproof_spec.properties import PROPERTIES, Property

LIMIT = 10_000
"""Milliseconds that cvc5 may take for one obligation."""


def smtlib(question: Question, goal: Goal) -> str:
    """The obligation as a script: ``unsat`` means that it holds."""
    solver = z3.Solver()
    solver.add(*question.given, question.guard, z3.Not(goal.claim))
    return "(set-logic QF_NIA)\n" + solver.to_smt2()


def decide(script: str) -> Verdict:
    """What cvc5 makes of a script."""
    import cvc5

    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", str(LIMIT))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "obligation")
    answer = ""
    while not (command := parser.nextCommand()).isNull():
        answer += str(command.invoke(solver, parser.getSymbolManager()))
    known = {"unsat": Verdict.PROVED, "sat": Verdict.REFUTED}
    return known.get(answer.strip(), Verdict.UNDETERMINED)


def disagreements(
    report: Report, rows: Sequence[Row] = TABLE, properties: Sequence[Property] = PROPERTIES
) -> tuple[list[Obligation], int]:
    """What cvc5 decides otherwise than ``report`` says of the same rows and properties,
    and how many it decides.  Where either solver gives up nothing is contradicted."""
    told = {(o.of, o.state, o.row): o for o in report.obligations}
    found, decided = [], 0
    for question in questions(rows, properties):
        for goal in question.goals:
            row = question.row.name if question.row else None
            obligation = told[goal.prop.name, question.state, row]
            verdict = decide(smtlib(question, goal))
            decided += verdict is not Verdict.UNDETERMINED
            if Verdict.UNDETERMINED not in (verdict, obligation.verdict):
                found += [obligation] if verdict is not obligation.verdict else []
    return found, decided
