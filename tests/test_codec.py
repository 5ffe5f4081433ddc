"""rollproof.journal.codec: what is written is what is read."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.charter import Charter, Deferral, StartedBy
from rollproof.commands import Command, Verb
from rollproof.counts import EMPTY, Counts, Limits
from rollproof.events import (
    Approve,
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Reopen,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Shut,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.health import PowerState
from rollproof.journal import codec
from rollproof.states import Cause

TIMES = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.integers(0, 2**53)
# Any text, half surrogate pairs too: it comes from providers.
TEXTS = st.text(st.characters(codec=None), max_size=12)

INSTANCES = st.builds(
    Instance,
    id=TEXTS,
    zone=TEXTS,
    fault_domain=TEXTS,
    update_domain=TEXTS,
    power_state=st.sampled_from(PowerState),
    version=st.none() | TEXTS,
    health=st.sampled_from(Health),
    os_disk=TEXTS,
    data_disks=st.lists(TEXTS, max_size=3).map(tuple),
    protected=st.booleans(),
)
REPORTS = {"at": TIMES, "instance": TEXTS, "attempt": NUMBERS}
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Start, TIMES),
    st.builds(
        Surveyed,
        TIMES,
        NUMBERS,
        st.lists(INSTANCES, max_size=3).map(tuple),
        st.lists(TEXTS, max_size=3).map(tuple),
    ),
    st.builds(Replaced, **REPORTS),
    st.builds(ReplaceFailed, why=TEXTS, **REPORTS),
    st.builds(Observed, TIMES, INSTANCES, st.none() | NUMBERS),
    st.builds(Vanished, TIMES, TEXTS, st.none() | NUMBERS, st.sampled_from(Verb)),
    st.builds(Restored, **REPORTS),
    st.builds(RestoreFailed, why=TEXTS, **REPORTS),
    st.builds(Overdue, TIMES, st.sampled_from(Verb), TEXTS, NUMBERS),
    st.builds(Cancel, TIMES, st.sampled_from(Cause), st.booleans()),
    st.builds(Pause, TIMES),
    st.builds(Resume, TIMES),
    st.builds(Shut, TIMES),
    st.builds(Reopen, TIMES),
    st.builds(Approve, TIMES, st.lists(TEXTS, max_size=3).map(tuple)),
    st.builds(Fault, TIMES, TEXTS, st.sampled_from(Cause)),
)
COMMANDS = st.builds(Command, st.sampled_from(Verb), TEXTS, NUMBERS, TIMES, st.none() | TEXTS)
LIMITS = st.builds(Limits[int], *[NUMBERS] * len(Limits._fields))
COUNTS = st.builds(Counts[int], *[NUMBERS] * len(Counts._fields))
CHARTERS = st.builds(
    Charter,
    run=TEXTS,
    scale_set=TEXTS,
    target=TEXTS,
    limits=LIMITS,
    image=TEXTS,
    cross_zone=st.booleans(),
    one_domain=st.booleans(),
    unhealthy_first=st.booleans(),
    started_by=st.sampled_from(StartedBy),
    pause=NUMBERS,
    replace_wait=NUMBERS,
    health_wait=NUMBERS,
    restore_wait=NUMBERS,
    survey_wait=NUMBERS,
    look=NUMBERS,
    deferral=st.sampled_from(Deferral),
    approval_wait=NUMBERS,
    lapse_approves=st.booleans(),
)


class TestRoundTrip:
    """Every value comes back equal, and its text can be written to any file."""

    @given(EVENTS)
    def test_event(self, event: Event) -> None:
        text = codec.event_text(event)
        assert codec.event_of(text) == event
        assert text.isascii()
        assert "\n" not in text

    @given(COMMANDS)
    def test_command(self, command: Command) -> None:
        text = codec.command_text(command)
        again = codec.command_of(text)
        assert again == command
        assert type(again.verb) is Verb
        assert text.isascii()

    @given(CHARTERS)
    def test_charter(self, charter: Charter) -> None:
        text = codec.charter_text(charter)
        assert codec.charter_of(text) == charter
        assert codec.charter_text(codec.charter_of(text)) == text
        assert text.isascii()

    @given(COUNTS)
    def test_counts(self, counts: Counts[int]) -> None:
        assert codec.counts_of(codec.counts_text(counts)) == counts

    def test_every_event_is_drawn(self) -> None:
        drawn = {"Start", "Surveyed", "Replaced", "ReplaceFailed", "Observed", "Vanished"}
        drawn |= {"Restored", "RestoreFailed", "Overdue", "Cancel", "Pause", "Resume", "Fault"}
        drawn |= {"Shut", "Reopen", "Approve"}
        assert {one.__name__ for one in Event.__args__} == drawn


def test_the_form_is_pinned() -> None:
    """A journal outlives the version that wrote it: another form needs a migration."""
    instance = Instance(id="vm-1", zone="2", version="1.0.0", health=Health.HEALTHY)
    assert codec.event_text(Surveyed(5, 1, (instance,), ("vm-0",))) == (
        '{"at":5,"attempt":1,"present":[{"id":"vm-1","zone":"2","version":"1.0.0",'
        '"health":"healthy"}],"gone":["vm-0"],"event":"Surveyed"}'
    )
    assert codec.event_text(Cancel(5, Cause.OPTED_OUT, force=True)) == (
        '{"at":5,"cause":2,"force":true,"event":"Cancel"}'
    )
    assert codec.event_text(Vanished(5, "vm-1")) == (
        '{"at":5,"instance":"vm-1","event":"Vanished"}'
    )
    assert codec.event_text(Vanished(5, "vm-1", 1)) == (
        '{"at":5,"instance":"vm-1","attempt":1,"event":"Vanished"}'
    )
    assert codec.event_text(Observed(5, Instance(id="vm-1"), 2)) == (
        '{"at":5,"instance":{"id":"vm-1"},"attempt":2,"event":"Observed"}'
    )
    assert codec.command_text(Command(Verb.REPLACE, "vm-1", 1, 9, "1.1.0")) == (
        '{"verb":"replace","instance":"vm-1","attempt":1,"deadline":9,"version":"1.1.0"}'
    )


class TestNotOurs:
    """What was not written by the codec is refused with ValueError, and nothing else."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            "[]",
            "{}",
            '{"event":"Start"}',
            '{"event":"Eaten","at":1}',
            '{"event":"Overdue","at":1,"verb":"eat","instance":"","attempt":1}',
            '{"event":"Observed","at":1,"instance":{"id":"a","health":"splendid"}}',
            "[" * 100_000,
        ],
        ids=lambda text: text[:12] or "empty",
    )
    def test_refused(self, text: str) -> None:
        for reader in (codec.event_of, codec.command_of, codec.charter_of, codec.counts_of):
            with pytest.raises(ValueError, match="not a"):
                reader(text)

    @given(st.text(max_size=40), st.data())
    def test_any_text(self, text: str, data: st.DataObject) -> None:
        reader = data.draw(
            st.sampled_from(
                [codec.event_of, codec.command_of, codec.charter_of, codec.counts_of]
            )
        )
        with pytest.raises(ValueError, match="not a"):
            reader(text)

    @given(EVENTS, st.data())
    def test_a_field_left_out_is_refused_or_at_its_default(
        self, event: Event, data: st.DataObject
    ) -> None:
        fields = json.loads(codec.event_text(event))
        gone = data.draw(st.sampled_from(sorted(fields)))
        del fields[gone]
        try:
            read = codec.event_of(json.dumps(fields))
        except ValueError:
            return
        assert getattr(attrs.fields(type(event)), gone).default is not attrs.NOTHING
        assert type(read) is type(event)


def test_what_was_added_later_is_left_out_at_its_default() -> None:
    """Digests begin with the charter as it is spelled: those of before must not change."""
    terms = Charter(
        run="r", scale_set="s", target="1.0.0", limits=Limits(20, 20, 20, 0, 0, 0, deferral=0)
    )
    assert '"deferral"' not in codec.charter_text(terms)
    deferring = attrs.evolve(terms, limits=terms.limits._replace(deferral=1))
    assert '"deferral":1' in codec.charter_text(deferring)
    assert '"shut"' not in codec.counts_text(EMPTY)
    assert '"shut":1' in codec.counts_text(EMPTY._replace(shut=1))
