"""Bodies of the verbs of `rollproof image`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rollproof.adapters.clock import wall_clock
from rollproof.adapters.sources import ImageSource
from rollproof.catalog import Look
from rollproof.cli.output import answer, columns, instant
from rollproof.cli.program import Options
from rollproof.errors import NoVersionForLocation
from rollproof.images import ImageReference
from rollproof.installation import Installation
from rollproof.installation.reasons import span
from rollproof.published import Published
from rollproof.published import latest as latest_of

NONE = "no image is published yet: rollproof image publish IMAGE VERSION PATH"


def publish(
    options: Options,
    image: str,
    version: str,
    path: Path,
    *,
    regions: Sequence[str] = (),
    excluded_regions: Sequence[str] = (),
    excluded_from_latest: bool = False,
) -> int:
    """Publish a version."""
    with Installation(options.place) as here:
        published = here.publish_image(
            image,
            version,
            path,
            regions=regions or None,
            excluded_regions=excluded_regions,
            excluded_from_latest=excluded_from_latest,
        )
    value = {"published": {"image": image, "version": str(published)}}
    answer(options, value, f"published {image} {published}")
    return 0


def list_(options: Options, image: str | None, location: str | None) -> int:
    """List all images, or one."""
    with Installation(options.place) as here:
        catalog = here.catalog()
        names = catalog.images() if image is None else (image,)
        known = {name: catalog.versions(ImageReference.named(name), location) for name in names}
    value = {
        "images": [
            {
                "image": name,
                "versions": [str(each.version) for each in versions],
                "latest": _latest_or_none(name, versions, location),
                "published": [published_json(each) for each in versions],
            }
            for name, versions in known.items()
        ],
        "sources": sources_json(catalog.looks),
    }
    if image is None:
        lines = [
            f"{name}: {', '.join(str(each.version) for each in versions) or 'none there'}"
            for name, versions in known.items()
        ]
    else:
        lines = [line for versions in known.values() for line in map(told, versions)]
    answer(options, value, "\n".join([*(lines or [NONE]), *troubles(catalog.looks)]))
    return 0


def latest(options: Options, image: str, location: str | None) -> int:
    """The latest version."""
    with Installation(options.place) as here:
        catalog = here.catalog()
        found = catalog.latest(ImageReference.named(image), location)
    value = {
        "image": image,
        "location": location,
        "latest": published_json(found),
        "sources": sources_json(catalog.looks),
    }
    answer(options, value, "\n".join([str(found.version), *troubles(catalog.looks)]))
    return 0


def exclude(options: Options, image: str, version: str, region: str | None) -> int:
    """Keep a version from being the latest."""
    with Installation(options.place) as here:
        found = here.exclude_image(image, version, region=region)
    return _changed(options, image, found)


def include(options: Options, image: str, version: str, region: str | None) -> int:
    """Undo it."""
    with Installation(options.place) as here:
        found = here.include_image(image, version, region=region)
    return _changed(options, image, found)


def _changed(options: Options, image: str, found: Published) -> int:
    value = {"image": image, "changed": published_json(found)}
    answer(options, value, f"{image} {told(found)}")
    return 0


def refresh(options: Options) -> int:
    """What is new."""
    with Installation(options.place) as here:
        fresh = here.refresh_images()
    value = {
        "news": [
            {
                "image": each.image,
                "new": each.is_new,
                "first_seen": instant(each.first_seen),
                "published": published_json(each.published),
            }
            for each in fresh
        ]
    }
    lines = [
        f"{'new' if each.is_new else 'changed'}: {each.image} {told(each.published)}"
        for each in fresh
    ]
    answer(options, value, "\n".join(lines) or "nothing new")
    return 0


def supported(options: Options, add: Path | None) -> int:
    """The table of supported platform images."""
    with Installation(options.place) as here:
        table = list(here.supported_images(add))
    keys = ("publisher", "offer", "sku")
    rows = [tuple(str(getattr(each, key)) for key in keys) for each in table]
    value = {"supported": [dict(zip(keys, row, strict=True)) for row in rows]}
    answer(options, value, columns([keys, *rows]))
    return 0


def source_add(
    options: Options, name: str, place: str, ca_file: Path | None, timeout: float
) -> int:
    """Add a source."""
    source = ImageSource(
        name=name,
        place=place if "://" in place else str(Path(place).absolute()),
        ca_file=None if ca_file is None else str(ca_file.absolute()),
        timeout=timedelta(seconds=timeout),
    )
    with Installation(options.place) as here:
        here.add_image_source(source)
    answer(options, {"added": name, "place": source.place}, f"added {name}: {source.place}")
    return 0


def source_list(options: Options) -> int:
    """The sources."""
    with Installation(options.place) as here:
        sources = here.image_sources()
    value = {
        "sources": [
            {"name": each.name, "place": each.place, **_freshness(look)}
            for each, look in sources
        ]
    }
    lines = [f"{each.name}: {each.place}; {_in_words(look)}" for each, look in sources]
    none = "no other source: rollproof image source add NAME URL|DIR"
    answer(options, value, "\n".join(lines) or none)
    return 0


def source_remove(options: Options, name: str) -> int:
    """Remove a source."""
    with Installation(options.place) as here:
        here.remove_image_source(name)
    answer(options, {"removed": name}, f"removed {name}")
    return 0


# -- how versions and sources are told


def published_json(each: Published) -> dict[str, Any]:
    """A version as it is listed; the names are a promise (docs/command-line.md)."""
    return {
        "version": str(each.version),
        "regions": None if each.regions is None else list(each.regions),
        "excluded_regions": list(each.excluded_regions),
        "excluded_from_latest": each.excluded_from_latest,
        "published_at": instant(each.published_at),
        "source": each.source,
    }


def told(each: Published) -> str:
    """A version for people."""
    parts = [str(each.version)]
    if each.regions is not None:
        parts.append(f"in {', '.join(each.regions)}")
    if each.excluded_from_latest:
        parts.append("excluded from latest")
    elif each.excluded_regions:
        parts.append(f"excluded from latest in {', '.join(each.excluded_regions)}")
    return "; ".join(parts)


def sources_json(looks: Iterable[Look]) -> list[dict[str, Any]]:
    """How fresh the answer is."""
    return [{"name": look.source, **_freshness(look)} for look in looks]


def troubles(looks: Iterable[Look]) -> list[str]:
    """A line for each source that could not be asked."""
    return [f"source {look.source}: {_in_words(look)}" for look in looks if look.trouble]


def _freshness(look: Look) -> dict[str, Any]:
    return {
        "as_of": instant(look.as_of),
        "age_ms": None if look.as_of is None else _age(look.as_of),
        "trouble": look.trouble or None,
    }


def _in_words(look: Look) -> str:
    if not look.trouble:
        return "up to date"
    if look.as_of is None:
        return f"nothing new is known of it: {look.trouble}"
    return f"listed as it was {span(_age(look.as_of))} ago: {look.trouble}"


def _age(as_of: int) -> int:
    return max(0, wall_clock() - as_of)


def _latest_or_none(
    image: str, versions: Sequence[Published], location: str | None
) -> str | None:
    try:
        return str(latest_of(image, versions, location).version)
    except NoVersionForLocation:
        return None
