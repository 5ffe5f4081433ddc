"""rollproof.maintenance: windows and freezes as users write them down (N10)."""

from datetime import timedelta

import pytest

from rollproof.document import dumps, loads
from rollproof.errors import InvalidDocument, InvalidFields
from rollproof.maintenance import AtEnd, Freeze, MaintenanceWindow, Weekday

DOCUMENT = """\
name = "web"
[image_reference]
image = "web-os"
[[upgrade_policy.automatic_os_upgrade_policy.maintenance_windows]]
days = ["Saturday", "Sunday"]
begins = "22:00"
duration = "PT6H"
zone = "Europe/Berlin"
at_end = "StopAtOnce"
[[upgrade_policy.automatic_os_upgrade_policy.freezes]]
begins = "2026-12-18T18:00"
ends = "2027-01-04T06:00"
zone = "Europe/Berlin"
"""


def window(**fields: object) -> MaintenanceWindow:
    """A window whose fields the type checker does not know."""
    given = {"begins": "22:00", "duration": timedelta(hours=1), **fields}
    return MaintenanceWindow(**given)  # type: ignore[arg-type]  # wrong on purpose


def freeze(**fields: object) -> Freeze:
    """A freeze of one day, or what is said."""
    given = {"begins": "2026-12-18T18:00", "ends": "2026-12-19T18:00", **fields}
    return Freeze(**given)  # type: ignore[arg-type]  # wrong on purpose


class TestDocument:
    def test_round_trip(self) -> None:
        read = loads(DOCUMENT)
        automatic = read.upgrade_policy.automatic_os_upgrade_policy
        (found,) = automatic.maintenance_windows
        assert found.days == (Weekday.SATURDAY, Weekday.SUNDAY)
        assert found.at_end is AtEnd.STOP_AT_ONCE
        assert automatic.freezes[0].ends == "2027-01-04T06:00"
        assert loads(dumps(read)) == read

    def test_every_problem_at_once(self) -> None:
        wrong = DOCUMENT.replace("Sunday", "Sonntag").replace("Europe/Berlin", "Berlin")
        with pytest.raises(InvalidDocument) as caught:
            loads(wrong)
        place = "upgrade_policy.automatic_os_upgrade_policy."
        assert [problem.field for problem in caught.value.problems] == [
            f"{place}maintenance_windows[0].days",
            f"{place}maintenance_windows[0].zone",
            f"{place}freezes[0].zone",
        ]


class TestWindow:
    def test_defaults(self) -> None:
        made = window()
        assert (made.days, made.zone, made.at_end) == ((), "UTC", AtEnd.FINISH_BATCH)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *[("begins", bad) for bad in ("24:00", "7:00", "22:60", "22:00:00", 22, None)],
            *[("duration", bad) for bad in (timedelta(0), timedelta(days=8), "PT1H")],
            *[("zone", bad) for bad in ("Berlin", "Europe", "", 1, None)],
            *[("days", bad) for bad in (("Monday",), [Weekday.MONDAY], None)],
            ("at_end", "FinishBatch"),
        ],
    )
    def test_outside_its_bounds(self, field: str, value: object) -> None:
        with pytest.raises(InvalidFields) as caught:
            window(**{field: value})
        assert [problem.field for problem in caught.value.problems] == [field]


class TestFreeze:
    @pytest.mark.parametrize(
        "value",
        ["2026-12-18", "2026-02-30T00:00", "18.12.2026", "1999-12-31T23:59", 2026, None],
    )
    def test_outside_its_bounds(self, value: object) -> None:
        with pytest.raises(InvalidFields, match="local date and time"):
            freeze(ends=value)

    def test_in_order(self) -> None:
        with pytest.raises(InvalidFields, match='later than "2026-12-18T18:00"'):
            freeze(ends="2026-12-18T18:00")
