"""rollproof.agenda: what comes up when."""

from hypothesis import given
from hypothesis import strategies as st

from rollproof.agenda import Agenda


class TestAgenda:
    def test_in_order_and_fair(self) -> None:
        agenda = Agenda()
        for name, at in (("c", 5), ("a", 7), ("b", 5)):
            agenda.enter(name, at)
        assert agenda.next == 5
        assert list(agenda.due(4)) == []
        assert list(agenda.due(9)) == ["c", "b", "a"]
        assert len(agenda) == 0

    def test_what_is_entered_meanwhile_waits_its_turn(self) -> None:
        """A set that is always due does not keep the others from theirs."""
        agenda = Agenda()
        for name in ("a", "b"):
            agenda.enter(name, 1)
        seen = []
        for name in agenda.due(1):
            seen.append(name)
            if len(seen) < 4:
                agenda.enter(name, 1)
        assert seen == ["a", "b", "a", "b", "a"]

    @given(
        st.lists(
            st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 50)), max_size=400
        )
    )
    def test_is_the_latest_entry_of_each(self, entries: list[tuple[str, int | None]]) -> None:
        agenda = Agenda()
        latest: dict[str, int] = {}
        for name, at in entries:
            agenda.enter(name, at)
            latest.pop(name, None)
            if at is not None:
                latest[name] = at
            assert agenda.next == min(latest.values(), default=None)
            assert len(agenda) == len(latest)
        assert sorted(agenda.due(50)) == sorted(latest)

    def test_entries_that_were_replaced_do_not_pile_up(self) -> None:
        agenda = Agenda()
        for round_ in range(10_000):
            agenda.enter("a", 10**9 - round_)
            assert agenda.next == 10**9 - round_
            agenda.enter("b", 10**10)
        assert len(agenda._heap) < 200
