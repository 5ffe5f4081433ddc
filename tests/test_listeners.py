"""rollproof.listeners: which methods hear of which row, and what shields them (R8)."""

import asyncio
import logging
from inspect import iscoroutinefunction
from typing import NoReturn

import pytest

from rollproof.listeners import METHODS, Method, methods_for, shielded, state_id
from rollproof.states import State
from rollproof.table import ROWS, TABLE

INJECTED = {"event": "start", "run": 1, "at": 2}


def only_method(listener: object) -> Method:
    """The shielded method of a listener that has one."""
    (method,) = shielded(listener).values()
    return method


class TestNames:
    """Methods are named after rows and states (R8)."""

    def test_states(self) -> None:
        """R8: the seven states, spelled as Python spells names."""
        assert [state_id(state) for state in State] == [
            "idle",
            "prechecking",
            "rolling_forward",
            "waiting_health",
            "rolling_back",
            "cancelled",
            "completed",
        ]

    def test_row_with_a_target(self) -> None:
        """A row that changes the state is heard as itself, as an exit and as an entry."""
        assert methods_for(ROWS["roll_back"]) == {
            "before_transition",
            "before_roll_back",
            "on_exit_state",
            "on_exit_waiting_health",
            "on_transition",
            "on_roll_back",
            "on_enter_state",
            "on_enter_rolling_back",
            "after_roll_back",
            "after_transition",
        }

    def test_row_without_target(self) -> None:
        """A row that stays where it is exits and enters nothing."""
        assert not {n for n in methods_for(ROWS["pause"]) if "exit" in n or "enter" in n}

    def test_no_two_meanings(self) -> None:
        """No row is named so that its methods would be mistaken for others."""
        states = {state_id(state) for state in State}
        for row in TABLE:
            assert row.name not in states | {"transition", "state"}
            assert not row.name.startswith(("enter_", "exit_", "invoke_"))

    def test_no_threads(self) -> None:
        """What the library would start threads for is not among them."""
        assert not {name for name in METHODS if "invoke" in name}


class TestShield:
    """A listener gets what it names, and what it raises goes no further."""

    def test_named_parameters(self) -> None:
        """A method names the parameters it wants."""
        heard = []

        class Bell:
            def on_start(self, at: int, event: str) -> None:
                heard.append((event, at))

        only_method(Bell())(**INJECTED)
        assert heard == [("start", 2)]

    def test_all_parameters(self) -> None:
        """Or takes all there are."""
        heard = []

        class Bell:
            def on_start(self, at: int, **rest: object) -> None:
                heard.append((at, rest))

        only_method(Bell())(**INJECTED)
        assert heard == [(2, {"event": "start", "run": 1})]

    def test_what_is_not_a_method_is_left_alone(self) -> None:
        """Attributes, and methods of other names, are never called."""

        class Bell:
            on_start = 1

            def on_enter_rollingforward(self) -> NoReturn:
                raise AssertionError

            def on_invoke_state(self) -> NoReturn:
                raise AssertionError

            def prepare_event(self) -> NoReturn:
                raise AssertionError

        assert not shielded(Bell())

    def test_raising(self, caplog: pytest.LogCaptureFixture) -> None:
        """R8: an error of a listener is logged, with the row, and is no error of the run."""

        class Bell:
            def on_start(self) -> NoReturn:
                raise OSError("no bell")

            def after_start(self, nobody_injects_this: int) -> None:
                raise AssertionError(nobody_injects_this)

        for method in shielded(Bell()).values():
            with caplog.at_level(logging.ERROR, "rollproof.listeners"):
                method(**INJECTED)
        said = sorted(str(record.exc_info[0]) for record in caplog.records if record.exc_info)
        assert said == ["<class 'OSError'>", "<class 'TypeError'>"]
        assert all("raised at row start" in record.message for record in caplog.records)

    def test_interrupts_pass(self) -> None:
        """What is not an `Exception` is no error of the listener."""

        class Bell:
            def on_start(self) -> NoReturn:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            only_method(Bell())(**INJECTED)

    def test_asynchronous(self, caplog: pytest.LogCaptureFixture) -> None:
        """Asynchronous methods stay such, with the same shield."""
        heard = []

        class Bell:
            async def on_start(self, at: int) -> None:
                await asyncio.sleep(0)
                heard.append(at)
                raise OSError("no bell")

        method = only_method(Bell())
        assert iscoroutinefunction(method)
        asyncio.run(method(**INJECTED))
        assert heard == [2]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
