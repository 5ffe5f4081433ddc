"""`rollproof.states`: seven states, and what a cause means outside."""

from rollproof.states import ACTIVE, TERMINAL, Cause, State, View


def test_exactly_seven_states() -> None:
    """R8."""
    assert len(State) == 7
    assert frozenset(State) == ACTIVE | TERMINAL | {State.IDLE}
    assert not ACTIVE & TERMINAL


def test_a_cause_other_than_the_users_is_a_fault() -> None:
    """R8: outside, it reads Faulted."""
    assert [cause for cause in Cause if not cause.is_fault] == [Cause.NONE, Cause.USER]


def test_numbers_are_stable() -> None:
    """Journals hold them."""
    assert [int(cause) for cause in Cause] == list(range(7))
    assert [int(view) for view in View] == [0, 1, 2, 3]
