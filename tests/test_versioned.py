"""rollproof.versioned: every version reads as the plain tuple it stands for."""

import gc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from rollproof.versioned import Versioned

Version = tuple[int, Versioned[int]]


class Branching(RuleBasedStateMachine):
    """Puts on any version, old or new, against a copy of every version's cells."""

    versions: Bundle[Version] = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.model: list[list[int]] = []
        self.real: list[Versioned[int]] = []

    def _note(self, cells: list[int], version: Versioned[int]) -> Version:
        self.model.append(cells)
        self.real.append(version)
        return len(self.model) - 1, version

    @rule(target=versions)
    def first(self) -> Version:
        """All later ones grow from one."""
        if self.real:
            return 0, self.real[0]
        return self._note([0, 0, 0], Versioned([0, 0, 0]))

    @rule(target=versions, version=versions, place=st.integers(0, 99), value=st.integers(0, 9))
    def put(self, version: Version, place: int, value: int) -> Version:
        number, old = version
        cells = list(self.model[number])
        cells[place % len(cells)] = value
        return self._note(cells, old.put(place % len(cells), value))

    @rule(
        target=versions,
        version=versions,
        start=st.integers(0, 99),
        values=st.lists(st.integers(0, 9), max_size=3),
    )
    def put_all(self, version: Version, start: int, values: list[int]) -> Version:
        """As many puts would."""
        number, old = version
        cells = list(self.model[number])
        start %= len(cells) - len(values) + 1
        cells[start : start + len(values)] = values
        return self._note(cells, old.put_all(start, values))

    @rule(version=versions, longer=st.integers(-1, 2))
    def stretch(self, version: Version, longer: int) -> None:
        """Every version gets the new cells, blank."""
        number, real = version
        length = len(self.model[number]) + longer
        real.stretch(length, -1)
        for cells in self.model:
            cells.extend([-1] * (length - len(cells)))

    @rule(version=versions)
    def read(self, version: Version) -> None:
        number, real = version
        assert list(real.cells()) == self.model[number]

    @invariant()
    def the_oldest_and_the_newest_read_right(self) -> None:
        for number in (0, -1) if self.real else ():
            assert list(self.real[number].cells()) == self.model[number]

    def teardown(self) -> None:
        for cells, version in zip(self.model, self.real, strict=True):
            assert list(version.cells()) == cells


TestBranching = Branching.TestCase
TestBranching.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class TestCost:
    """The newest costs O(1); the rest is paid by who goes back."""

    @pytest.mark.parametrize("kind", [list, bytearray])
    def test_the_newest_is_the_plain_array(self, kind: type) -> None:
        cells = kind([0, 0])
        newest = Versioned(cells).put(0, 1).put(1, 2)
        assert newest.cells() is cells
        assert type(newest.cells()) is kind

    def test_a_long_history_is_read_and_dropped_without_recursion(self) -> None:
        first = newest = Versioned([0])
        for value in range(1, 200_001):
            newest = newest.put(0, value)
        assert list(first.cells()) == [0]
        assert list(newest.cells()) == [200_000]
        del first
        gc.collect()
        assert list(newest.cells()) == [200_000]

    def test_an_old_version_keeps_what_was_put_into_it(self) -> None:
        old = Versioned([1, 2, 3])
        left, right = old.put(0, 9), old.put(0, 8)
        assert [list(v.cells()) for v in (left, old, right)] == [
            [9, 2, 3],
            [1, 2, 3],
            [8, 2, 3],
        ]

    def test_neighbours_are_written_at_the_price_of_one(self) -> None:
        """One difference, whatever their number."""
        first = Versioned([0] * 9)
        assert first.put_all(1, [1] * 7) is first._next
        assert list(first.cells()) == [0] * 9

    @pytest.mark.parametrize("start", [-1, 2, 3, 4])
    def test_cells_that_are_not_there_are_not_written(self, start: int) -> None:
        version = Versioned([1, 2, 3])
        with pytest.raises(IndexError, match=f"no cells {start} to {start + 2}"):
            version.put_all(start, [9, 9])
        assert list(version.cells()) == [1, 2, 3]
