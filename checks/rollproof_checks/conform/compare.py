"""The graph of the table beside the graph of concrete runs.

Compared, for one setting, with the same bound on disturbances on both sides:

* *Where a run can stand.*  The states of the table that its rows reach, taken in turns,
  are those in which concrete runs stand; each after as few disturbances on either side.
* *Turns.*  From each of them, the pairs (rows told, state after) are the same.
* *Nobody is unable.*  Whatever the table lets people and the world say in a state can be
  said to *every* concrete run that stands there, at once or after reports that change no
  count (an instance on its way back must first be seen on its old version before it can be
  said to be back and ill).

A turn is what an event means (a row of a person or of the world; see `Table.heads`),
then every row that the run takes by itself.  What the run picks is narrowed on the side of
the table as `Table.settled` says.  News within a survey are turns of their own there.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from rollproof.counts import EMPTY, PHASE_COUNT
from rollproof.states import State
from rollproof_checks.conform.events import just_started
from rollproof_checks.conform.search import Head, Search
from rollproof_checks.conform.seats import Form
from rollproof_checks.conform.settings import Setting
from rollproof_checks.conform.table import Departure, Node, Table

Turns = set[tuple[Head, Node]]


def compare(search: Search) -> int:
    """The number of turns that agree.  Raises `Departure` at the first that does not."""
    costs, turns = _graph(search.table, search.setting)
    concrete: dict[Node, int] = {}
    for form, node in search.images.items():
        concrete[node] = min(search.costs[form], concrete.get(node, 1 << 30))
    _agree("stand", concrete.items(), costs.items())
    for node, theirs in turns.items():
        ours = {(head, end) for head, end in search.edges[node] if _is_turn(head)}
        _agree(f"go from {node}", ours, theirs)
    _all_able(search)
    return sum(map(len, turns.values()))


def _agree(what: str, ours: object, theirs: object) -> None:
    one, two = set(ours), set(theirs)  # type: ignore[call-overload]  # of any kind
    if one != two:
        here, there = list(one - two)[:2], list(two - one)[:2]
        raise Departure(
            f"concrete runs {what} {len(one - two)} ways that the table does not, as {here};"
            f" the table {what} {len(two - one)} ways that no run does, as {there}"
        )


def _is_turn(head: Head) -> bool:
    return len(head) == 1 or head in (("cancel", "force"), ("opt_out", "force"))


def _graph(table: Table, setting: Setting) -> tuple[dict[Node, int], dict[Node, Turns]]:
    """The least disturbances to each state of the table, and the turns from it."""
    start = Node(State.IDLE, EMPTY)
    costs = {start: 0}
    turns: dict[Node, Turns] = defaultdict(set)
    queues: dict[int, deque[Node]] = defaultdict(deque)
    queues[0].append(start)
    cost = 0
    while queues:
        if not (queue := queues.get(cost)):
            queues.pop(cost, None)
            cost += 1
            continue
        node = queue.popleft()
        if costs[node] < cost:
            continue
        for head, end, price in _turns(table, setting, node):
            if head:
                turns[node].add((head, end))
            total = cost + price
            if setting.disturbances is not None and total > setting.disturbances:
                continue
            if total < costs.get(end, 1 << 30):
                costs[end] = total
                queues[total].append(end)
    return costs, turns


def _turns(table: Table, setting: Setting, node: Node) -> Iterator[tuple[Head, Node, int]]:
    p = setting.limits
    full = sum(node.counts[:PHASE_COUNT]) >= setting.names
    for head in table.heads(node, setting):
        row = table.rows[head[0]]
        if full and row.leaves is None and row.enters is not None:
            continue  # one more instance than the bound lets be seen
        for end in table.settled(table.fold(node, p, head), setting):
            yield head, end, table.cost(head)
    if node == Node(State.PRECHECKING, just_started(p)):
        phase = "skipped" if p.deferral else "pending"
        names = (f"appear_{phase}_healthy",) * len(setting.places)
        for end in table.settled(table.fold(node, p, (*names, "surveyed")), setting):
            yield (), end, 0


def _all_able(search: Search) -> None:
    able: dict[Form, set[Head]] = {form: set(heads) for form, heads in search.heads.items()}
    waiting = True
    while waiting:  # what may be said after reports that change no count
        waiting = False
        for form, others in search.stutters.items():
            mine = able.setdefault(form, set())
            size = len(mine)
            mine.update(*(able.get(other, ()) for other in others))
            waiting = waiting or len(mine) > size
    sayable: dict[Node, set[Head]] = {}
    for form, node in search.images.items():
        if node not in sayable:
            sayable[node] = set(search.table.heads(node, search.setting))
        missing = sayable[node] - able.get(form, set())
        if missing:
            raise Departure(f"nothing can say {sorted(missing)} to the run {form}")
