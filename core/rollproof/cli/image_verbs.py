"""The verbs of `rollproof image`: their names, their options, and where their bodies are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rollproof.cli.program import Options, common

_FILE = click.Path(path_type=Path)


@click.group()
def image() -> None:
    """Publish and list images, and say where they come from."""


@image.command("publish")
@common
@click.argument("image")
@click.argument("version")
@click.argument("path", type=_FILE)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="R",
    help="A location it is replicated to; may be repeated.  [default: everywhere]",
)
@click.option(
    "--exclude-region",
    "excluded_regions",
    multiple=True,
    metavar="R",
    help="A location where it is not the latest; may be repeated.",
)
@click.option(
    "--exclude-from-latest",
    "excluded_from_latest",
    is_flag=True,
    help="It is the latest nowhere.",
)
@click.pass_obj
def publish(options: Options, /, image: str, version: str, path: Path, **listing: Any) -> int:
    """Publish PATH, a folder or tar archive, as VERSION of IMAGE."""
    from rollproof.cli import imaging

    return imaging.publish(options, image, version, path, **listing)


@image.command("list")
@common
@click.argument("image", required=False)
@click.option("--location", metavar="L", help="Only what is replicated there.")
@click.pass_obj
def list_(options: Options, image: str | None, location: str | None) -> int:
    """List the images and their versions."""
    from rollproof.cli import imaging

    return imaging.list_(options, image, location)


@image.command("latest")
@common
@click.argument("image")
@click.option("--location", metavar="L", help="The latest there; anywhere by default.")
@click.pass_obj
def latest(options: Options, image: str, location: str | None) -> int:
    """Show the latest version of IMAGE."""
    from rollproof.cli import imaging

    return imaging.latest(options, image, location)


@image.command("exclude")
@common
@click.argument("image")
@click.argument("version")
@click.option("--region", metavar="R", help="Only there; anywhere by default.")
@click.pass_obj
def exclude(options: Options, image: str, version: str, region: str | None) -> int:
    """Keep VERSION from being the latest of IMAGE."""
    from rollproof.cli import imaging

    return imaging.exclude(options, image, version, region)


@image.command("include")
@common
@click.argument("image")
@click.argument("version")
@click.option("--region", metavar="R", help="Undo what was excluded there.")
@click.pass_obj
def include(options: Options, image: str, version: str, region: str | None) -> int:
    """Undo `exclude` with the same --region, or without one."""
    from rollproof.cli import imaging

    return imaging.include(options, image, version, region)


@image.command("refresh")
@common
@click.pass_obj
def refresh(options: Options) -> int:
    """Ask all sources; list what is new since the last time."""
    from rollproof.cli import imaging

    return imaging.refresh(options)


@image.command("supported")
@common
@click.option("--add", type=_FILE, metavar="FILE", help="First add the rows of FILE.")
@click.pass_obj
def supported(options: Options, add: Path | None) -> int:
    """List the platform images that automatic upgrades support."""
    from rollproof.cli import imaging

    return imaging.supported(options, add)


@image.group("source")
def source() -> None:
    """Say where images come from, besides `publish`."""


@source.command("add")
@common
@click.argument("name")
@click.argument("place", metavar="URL|DIR")
@click.option("--ca-file", type=_FILE, metavar="FILE", help="Trust these certificates only.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 300, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for the index.",
)
@click.pass_obj
def source_add(
    options: Options, name: str, place: str, ca_file: Path | None, timeout: float
) -> int:
    """Take images from an index at URL, or from the image store DIR, too."""
    from rollproof.cli import imaging

    return imaging.source_add(options, name, place, ca_file, timeout)


@source.command("list")
@common
@click.pass_obj
def source_list(options: Options) -> int:
    """List the sources, each asked now."""
    from rollproof.cli import imaging

    return imaging.source_list(options)


@source.command("remove")
@common
@click.argument("name")
@click.pass_obj
def source_remove(options: Options, name: str) -> int:
    """Take images from NAME no more."""
    from rollproof.cli import imaging

    return imaging.source_remove(options, name)
