"""rollproof.diagram, and docs/state-machine.md, which it writes (R8)."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from rollproof import diagram
from rollproof.states import ACTIVE, TERMINAL, State
from rollproof.table import ROWS, TABLE, Actor

ROOT = Path(__file__).parent.parent


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the module as its command line does."""
    monkeypatch.setattr(sys, "argv", ["diagram", *arguments])
    runpy.run_path(str(diagram.__file__), run_name="__main__")


class TestMermaid:
    """The drawing shows the seven states and every change of state (R8)."""

    def test_grammar(self) -> None:
        """R8: only lines that Mermaid's grammar of state diagrams knows."""
        first, *lines = diagram.mermaid().splitlines()
        assert first == "stateDiagram-v2"
        for line in lines:
            assert re.fullmatch(r"    (\[\*\]|\w+) --> (\[\*\]|\w+)(: [\w, ]+)?", line), line

    def test_states(self) -> None:
        """R8: exactly the seven; it begins in Idle and ends in the two dead ends."""
        drawn = diagram.mermaid()
        words = set(re.findall(r"\b[A-Z]\w+", re.sub(r":.*", "", drawn)))
        assert words == set(State)
        assert re.findall(r"\[\*\] --> (\w+)", drawn) == [State.IDLE]
        assert set(re.findall(r"(\w+) --> \[\*\]", drawn)) == TERMINAL

    def test_arrows(self) -> None:
        """R8: one arrow for each pair of states, with all rows that go there."""
        arrows = re.findall(r"(\w+) --> (\w+): (.+)", diagram.mermaid())
        drawn = [
            (source, target, name)
            for source, target, names in arrows
            for name in names.split(", ")
        ]
        assert len({(source, target) for source, target, _ in arrows}) == len(arrows)
        assert sorted(drawn) == sorted(
            (source, row.target, row.name)
            for row in TABLE
            if row.target is not None
            for source in row.sources
        )


class TestPage:
    """docs/state-machine.md."""

    def test_no_drift(self) -> None:
        """R8: the page in the repository is the one that the table gives."""
        written = (ROOT / diagram.PAGE).read_text(encoding="utf-8")
        assert written == diagram.page(), "run: python -m rollproof.diagram"

    def test_every_row_once_under_its_actor(self) -> None:
        """R8: nothing is left out."""
        _, *sections = diagram.page().split("\n## ")
        listed = {
            section.partition("\n")[0].lower(): re.findall(
                r"^\| `(\w+)` ", section, re.MULTILINE
            )
            for section in sections
        }
        assert listed == {
            actor.value: [row.name for row in TABLE if row.actor is actor] for actor in Actor
        }

    @pytest.mark.parametrize(
        ("name", "cells"),
        [
            ("start", "Idle | Prechecking | sets deferred"),
            ("pause", "*active* |  | sets held"),
            ("claim_unhealthy", "RollingForward |  | pending_unhealthy → replacing; sets room"),
            ("succeed", "RollingForward, WaitingHealth |  | awaiting → upgraded_healthy"),
            ("appear_skipped_healthy", "*active* |  | new → skipped_healthy"),
            ("vanish_awaiting", "*active* |  | awaiting → gone"),
        ],
    )
    def test_line(self, name: str, cells: str) -> None:
        """R8: sources, target, moves and reason of a row."""
        line = f"| `{name}` | {cells} | {ROWS[name].why} |"
        assert line in diagram.page().splitlines()

    def test_active_is_explained(self) -> None:
        """R8: the word that stands for four states is said to."""
        stands_for = diagram.page().partition("*Active* stands for\n")[2].partition(".")[0]
        assert set(stands_for.split(", ")) == ACTIVE

    def test_tables_are_well_formed(self) -> None:
        """Every line of a table has five cells, for GitHub drops the rest."""
        lines = [line for line in diagram.page().splitlines() if line.startswith("|")]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {6}


class TestCommand:
    """python -m rollproof.diagram."""

    def test_writes_what_it_accepts(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A page just written passes the check, and is the page."""
        page = tmp_path / "page.md"
        run(monkeypatch, str(page))
        run(monkeypatch, "--check", str(page))
        assert page.read_text(encoding="utf-8") == diagram.page()

    @pytest.mark.parametrize("content", [None, "stale"])
    def test_check_fails_and_writes_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
    ) -> None:
        """A page that is missing or stale is reported with the way out, and left alone."""
        page = tmp_path / "page.md"
        if content is not None:
            page.write_text(content, encoding="utf-8")
        with pytest.raises(SystemExit) as caught:
            run(monkeypatch, "--check", str(page))
        assert str(caught.value.code).endswith("write it again: python -m rollproof.diagram")
        assert (page.read_text(encoding="utf-8") if page.is_file() else None) == content

    def test_default_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a name it is docs/state-machine.md of the repository."""
        monkeypatch.chdir(ROOT)
        run(monkeypatch, "--check")
