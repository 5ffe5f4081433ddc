"""Bodies of `init` and `apply`."""

from __future__ import annotations

from pathlib import Path

from rollproof.cli.output import answer
from rollproof.cli.program import Options
from rollproof.cli.summary import wrapped
from rollproof.errors import InvalidFields, Problem
from rollproof.installation import Installation

TEMPLATE = """\
# A scale set.  Every key, with its bounds: docs/scale-set.md.
# Declare it with `rollproof apply {file}`, and again after every edit.

name = "{name}"

[image_reference]
image = "web-os"     # published with `rollproof image publish web-os VERSION PATH`
version = "latest"   # or one version, such as "1.2.0"

# Where the word of the application comes from.  Without this table an instance is
# healthy when its process runs and its extensions have succeeded.
[health]
kind = "http"        # or "tcp", which has no path; or "extension": docs/scale-set.md
port = 8080
path = "/health"
interval = "PT1S"    # between two looks

[timeouts]
health = "PT5M"      # for an instance to become healthy on its new disk

[upgrade_policy.rolling_upgrade_policy]
max_batch_instance_percent = 20               # of the set; at least one instance
max_unhealthy_instance_percent = 20           # above this no batch begins
max_unhealthy_upgraded_instance_percent = 20  # of those the run touched
pause_time_between_batches = "PT0S"

# A script that is run on every new disk, and programs after it, in their order:
# custom_data = "first-boot.sh"  # stands at the top, beside `name`
#
# [[extensions]]
# name = "agent"
# command = ["./install-agent"]
#
# [[extensions]]
# name = "app"
# command = ["./install-app", "--quiet"]
# provision_after = ["agent"]
"""


def init(options: Options, file: Path, name: str) -> int:
    """Write the template; a file that is there is left as it is."""
    from rollproof.document import loads

    text = TEMPLATE.format(file=file, name=name)
    loads(text, path=f"--name {name}")  # the name may break a rule
    try:
        with file.open("x", encoding="utf-8") as fresh:
            fresh.write(text)
    except FileExistsError:
        problem = Problem(
            field=str(file),
            value="there is such a file already",
            bound="a file that is not there yet",
            fix="It was left as it is; name another.",
        )
        raise InvalidFields((problem,)) from None
    answer(
        options,
        {"written": str(file)},
        f"wrote {file}.  Edit it, then: rollproof apply {file}",
    )
    return 0


def apply(options: Options, file: Path, onto: str | None = None) -> int:
    """Declare what the file describes."""
    from rollproof.reading import write_table

    ignored: list[str] = []
    with Installation(options.place) as here:
        scale_set = here.apply(file, onto=onto, ignores=ignored.append)
    policy = scale_set.upgrade_policy.effective
    text = (
        f"applied {scale_set.name}: image {scale_set.image_reference.name}, batches of at "
        f"most {policy.max_batch_instance_percent} %"
    )
    lines = [text]
    if ignored:
        lines.append("ignored, for they change no upgrade:")
        lines += [line for each in ignored for line in wrapped(each)]
    value = {"applied": write_table(scale_set), "ignored": ignored}
    answer(options, value, "\n".join(lines))
    return 0
