"""The verbs: their names, their options, and where their bodies are.

Nothing slow is imported here: `rollproof --help` must not wait for a web client.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rollproof.cli.image_verbs import image
from rollproof.cli.program import Options, Program, common, leave

STATUSES = ("RollingForward", "RollingBack", "Cancelled", "Completed", "Faulted")
CAUSES = (
    *("none", "user", "opted_out", "fleet_unhealthy", "upgraded_unhealthy"),
    *("credentials", "internal"),
)
_FILE = click.Path(path_type=Path)
_ROLLBACK = click.option(
    "--rollback/--no-rollback",
    default=None,
    help="Give an instance that fails its old disk back (R4.3); not done by default, for "
    "the run is started by hand (R4.8).",
)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 2 invalid input, 3 cancelled by the user, 4 stopped by a "
    "threshold or fault, 5 conflict, 6 environment, 128 + n ended by signal n; of `verify` "
    "and `audit`: 0 PROVED, 1 REFUTED, 3 UNDETERMINED.",
)
@common
@click.version_option(package_name="rollproof")
def cli() -> None:
    """Upgrade the OS image of a whole fleet, batch by batch, watching its health."""


# -- what is declared


@cli.command()
@common
@click.argument("file", type=_FILE, default="set.toml")
@click.option("--name", default="web", show_default=True, help="Name of the scale set.")
@click.pass_obj
def init(options: Options, file: Path, name: str) -> int:
    """Write a commented set.toml to begin with."""
    from rollproof.cli import declaring

    return declaring.init(options, file, name)


@cli.command()
@common
@click.argument("file", type=_FILE)
@click.option("--onto", metavar="SET", help="FILE is a part, which edits what SET declares.")
@click.pass_obj
def apply(options: Options, file: Path, onto: str | None) -> int:
    """Declare the scale set that FILE describes (TOML, JSON, or an ARM-style template)."""
    from rollproof.cli import declaring

    return declaring.apply(options, file, onto)


cli.add_command(image)


# -- runs


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def check(options: Options, scale_set: str) -> int:
    """Say whether SET may be upgraded without an operator, and what is in the way."""
    from rollproof.cli import checking

    return checking.check(options, scale_set)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.option("--to", metavar="VERSION", help="Target version; the latest by default.")
@_ROLLBACK
@click.pass_obj
def plan(options: Options, scale_set: str, to: str | None, rollback: bool | None) -> int:
    """Show what a run would do; nothing is touched."""
    from rollproof.cli import asking

    return asking.plan(options, scale_set, to, rollback)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.option("--to", metavar="VERSION", help="Target version; the latest by default.")
@_ROLLBACK
@click.pass_obj
def run(options: Options, scale_set: str, to: str | None, rollback: bool | None) -> int:
    """Upgrade SET, or go on with its run, and show how it goes."""
    from rollproof.cli import running

    return running.run(options, scale_set, to, rollback)


@cli.command()
@common
@click.argument("run_name", metavar="RUN")
@click.option("--dry-run", is_flag=True, help="Show what it would do; nothing is touched.")
@click.pass_obj
def rollback(options: Options, run_name: str, dry_run: bool) -> int:
    """Take a run that has ended back: its instances get their old disks."""
    from rollproof.cli import running

    return running.rollback(options, run_name, dry_run)


@cli.command()
@common
@click.argument("name", metavar="SET|RUN")
@click.pass_obj
def status(options: Options, name: str) -> int:
    """Show the latest run of a set, or the run of this id."""
    from rollproof.cli import asking

    return asking.status(options, name)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def watch(options: Options, scale_set: str) -> int:
    """Follow the run under way, without hosting it."""
    from rollproof.cli import running

    return running.watch(options, scale_set)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.option("--all", "everything", is_flag=True, help="Not only the last 5 of 2 months.")
@click.option(
    "--status", type=click.Choice(STATUSES, case_sensitive=False), multiple=True, help="Any of."
)
@click.option("--cause", type=click.Choice(CAUSES), multiple=True, help="Any of.")
@click.option("--target", metavar="VERSION", help="Runs to this version.")
@click.option("--since", metavar="TIME", help="Started then or later: a date, a time, or P7D.")
@click.option("--until", metavar="TIME", help="Started before then.")
@click.option(
    "--started-by", type=click.Choice(("User", "Platform"), case_sensitive=False), help="Who."
)
@click.option("--limit", type=int, metavar="N", help="The newest N.")
@click.pass_obj
def history(options: Options, /, scale_set: str, **asked: Any) -> int:
    """List the runs of SET, newest first."""
    from rollproof.cli import past

    return past.history(options, scale_set, **asked)


@cli.command()
@common
@click.argument("name", metavar="SET|RUN")
@click.argument("instance", required=False)
@click.pass_obj
def timeline(options: Options, name: str, instance: str | None) -> int:
    """Tell what became of the instances of a run, and when."""
    from rollproof.cli import past

    return past.timeline(options, name, instance)


@cli.command()
@common
@click.argument("name", metavar="SET|RUN")
@click.argument("instance", required=False)
@click.pass_obj
def explain(options: Options, name: str, instance: str | None) -> int:
    """Say which rule holds a run, or one instance, back; with the numbers."""
    from rollproof.cli import explaining

    return explaining.explain(options, name, instance)


@cli.command()
@common
@click.argument("scale_set", metavar="[SET]", required=False)
@click.option("--older-than", default="P90D", show_default=True, help="Since they ended.")
@click.option(
    "--keep", type=int, default=5, show_default=True, help="The newest of a set that stay."
)
@click.option("--dry-run", is_flag=True, help="Only say which.")
@click.pass_obj
def prune(
    options: Options, scale_set: str | None, older_than: str, keep: int, dry_run: bool
) -> int:
    """Remove the events of old runs; their lines in the history stay."""
    from rollproof.cli import past

    return past.prune(options, scale_set, older_than, keep, dry_run)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def pause(options: Options, scale_set: str) -> int:
    """Begin no further batch until `resume`."""
    from rollproof.cli import running

    return running.pause(options, scale_set)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def resume(options: Options, scale_set: str) -> int:
    """Lift the hold of `pause`."""
    from rollproof.cli import running

    return running.resume(options, scale_set)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.option("--force", is_flag=True, help="Do not wait for instances in flight.")
@click.pass_obj
def cancel(options: Options, scale_set: str, force: bool) -> int:
    """End the run; instances in flight are brought to an end first."""
    from rollproof.cli import running

    return running.cancel(options, scale_set, force)


@cli.command()
@common
@click.option("--once", is_flag=True, help="Tell what is waiting, and end.")
@click.pass_obj
def observe(options: Options, once: bool) -> int:
    """Tell the outlets of the home's observe.toml what happens; host nothing."""
    from rollproof.cli import observing

    return observing.observe(options, once)


# -- the schedule


@cli.command()
@common
@click.option(
    "--forever/--once",
    default=True,
    show_default=True,
    help="Until a signal comes; or look once, and host what moves.",
)
@click.option(
    "--every",
    default="PT1M",
    show_default=True,
    metavar="DUR",
    help="Time between two looks at the images.",
)
@click.pass_obj
def serve(options: Options, forever: bool, every: str) -> int:
    """Begin what is due, and host every run."""
    from rollproof.cli import scheduling

    return scheduling.serve(options, forever, every)


@cli.command()
@common
@click.argument("scale_set", metavar="[SET]", required=False)
@click.pass_obj
def due(options: Options, scale_set: str | None) -> int:
    """Show what the schedule would do now, and why not more."""
    from rollproof.cli import scheduling

    return scheduling.due(options, scale_set)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def enable(options: Options, scale_set: str) -> int:
    """Switch automatic upgrades of SET on."""
    from rollproof.cli import scheduling

    return scheduling.switch(options, scale_set, on=True)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def disable(options: Options, scale_set: str) -> int:
    """Switch them off; a run of the platform ends as if cancelled."""
    from rollproof.cli import scheduling

    return scheduling.switch(options, scale_set, on=False)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.option(
    "--instance", "instances", multiple=True, metavar="ID", help="This one only; repeatable."
)
@click.pass_obj
def approve(options: Options, scale_set: str, instances: tuple[str, ...]) -> int:
    """Let the run under way upgrade what it withholds."""
    from rollproof.cli import scheduling

    return scheduling.approve(options, scale_set, instances)


@cli.command("stop-all")
@common
@click.option("--off", is_flag=True, help="Let upgrades go on.")
@click.pass_obj
def stop_all(options: Options, off: bool) -> int:
    """Let no run begin, and none under way begin a batch."""
    from rollproof.cli import scheduling

    return scheduling.stop_all(options, off)


@cli.command()
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def retry(options: Options, scale_set: str) -> int:
    """Let the schedule go again to a version that a threshold denied."""
    from rollproof.cli import scheduling

    return scheduling.retry(options, scale_set)


# -- evidence


@cli.command()
@common
@click.option("--policy", type=_FILE, metavar="FILE", help="Answer for this policy instead.")
@click.option("--instances", type=int, metavar="N", help="Size of its fleet.")
@click.option("--zones", type=int, default=1, show_default=True, help="Zones of its fleet.")
@click.option("--unhealthy", type=int, default=0, help="Unhealthy before the run.")
@click.option("--protected", type=int, default=0, help="Not to be upgraded.")
@click.option("--tolerate", type=int, default=0, help="Refuse what tolerates fewer failures.")
@click.option(
    "--rollback/--no-rollback",
    default=None,
    help="As for `run`; by default on where automatic upgrades are.",
)
@click.option("--no-cache", is_flag=True, help="Prove what was proved before, too.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write a report in JUnit's XML, too.")
@click.pass_obj
def verify(options: Options, /, **asked: Any) -> int:
    """Prove the rules, and say what a policy means for a fleet."""
    from rollproof.cli import verifying

    return verifying.verify(options, **asked)


@cli.command()
@common
@click.argument("journal", type=_FILE, required=False)
@click.option("--run", "only", metavar="RUN", help="This run only.")
@click.pass_obj
def audit(options: Options, journal: Path | None, only: str | None) -> int:
    """Replay recorded runs against the rules; by default those of the home."""
    from rollproof.cli import auditing

    return auditing.audit(options, journal, only)


# -- local fleets


@cli.group()
def local() -> None:
    """Fleets of real processes on this machine."""


@local.command("create")
@common
@click.argument("scale_set", metavar="SET")
@click.option("--instances", type=click.IntRange(1, 10_000), default=12, show_default=True)
@click.option("--zones", type=click.IntRange(0, 100), default=3, show_default=True)
@click.option("--update-domains", type=click.IntRange(0, 100), default=5, show_default=True)
@click.option("--version", help="Version to start on; the latest by default.")
@click.pass_obj
def local_create(options: Options, /, scale_set: str, version: str | None, **shape: int) -> int:
    """Start the instances of SET, or those of them that do not run."""
    from rollproof.cli import local as body
    from rollproof.installation import Shape

    return body.create(options, scale_set, Shape(**shape), version)


@local.command("list")
@common
@click.pass_obj
def local_list(options: Options) -> int:
    """List the local fleets and their instances."""
    from rollproof.cli import local as body

    return body.list_(options)


@local.command("logs")
@common
@click.argument("scale_set", metavar="SET")
@click.argument("instance")
@click.argument("step", required=False)
@click.pass_obj
def local_logs(options: Options, scale_set: str, instance: str, step: str | None) -> int:
    """Show what custom data and extensions wrote on the disks of INSTANCE."""
    from rollproof.cli import disks

    return disks.logs(options, scale_set, instance, step)


@local.command("gc")
@common
@click.argument("scale_set", metavar="[SET]", required=False)
@click.pass_obj
def local_gc(options: Options, scale_set: str | None) -> int:
    """Remove previous disks that were kept as long as their set declares."""
    from rollproof.cli import disks

    return disks.gc(options, scale_set)


@local.command("destroy")
@common
@click.argument("scale_set", metavar="SET")
@click.pass_obj
def local_destroy(options: Options, scale_set: str) -> int:
    """End every process of SET and remove its disks, data disks too."""
    from rollproof.cli import local as body

    return body.destroy(options, scale_set)


def main() -> None:
    """The console script."""
    leave(cli.main(standalone_mode=False))
