"""What an instance is told about the reporter it should run (R5.2).

ROLLPROOF_REPORT_FILE or ROLLPROOF_REPORT_LISTEN says where to publish,
ROLLPROOF_REPORT_PATH the path to answer, ROLLPROOF_REPORT_INTERVAL how often, in seconds:
`rollproof.guest.reporter` reads all of them. Where there is no health extension none is
set. `bin/start` of an image starts it, so that it lives as long as the server.
"""

from pathlib import Path

from rollproof.health import HealthExtension, HealthSource


def told(source: HealthSource | None, disk: Path, address: str) -> dict[str, str]:
    """The variables for an instance on this disk."""
    if not isinstance(source, HealthExtension):
        return {}
    interval = {"ROLLPROOF_REPORT_INTERVAL": f"{source.interval.total_seconds():g}"}
    if source.file is not None:
        return {**interval, "ROLLPROOF_REPORT_FILE": str(disk / source.file)}
    return {
        **interval,
        "ROLLPROOF_REPORT_LISTEN": f"{address}:{source.port}",
        "ROLLPROOF_REPORT_PATH": source.path,
    }


def clear(source: HealthSource | None, disk: Path) -> None:
    """Remove the report of the boot before; a new boot has said nothing yet."""
    if isinstance(source, HealthExtension) and source.file is not None:
        (disk / source.file).unlink(missing_ok=True)
