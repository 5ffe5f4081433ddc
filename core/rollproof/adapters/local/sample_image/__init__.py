"""A sample OS image: a small web server that says which version it is.

It is healthy unless it was made broken, or the data disk holds a `schema` that this
version of it cannot read: the usual way in which one instance of many fails an upgrade.
Where its scale set has a health extension it reports the same from inside.
"""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from rollproof.images import ImageVersion

_START = """\
#!/bin/sh
# -I -S: what else is installed on this machine is none of the image's business.
set -- "${ROLLPROOF_PYTHON:-python3}" -I -S
if [ -n "$ROLLPROOF_REPORT_INTERVAL" ]; then
  "$@" reporter.py -- "$@" server.py check &
fi
exec "$@" server.py
"""


def write_sample_image(
    folder: Path,
    version: ImageVersion,
    *,
    schemas: Iterable[int] = (1, 2, 3),
    broken: bool = False,
) -> Path:
    """Write the image into a new folder and return the folder.

    `schemas` are those it can read on a data disk; a broken one is never healthy.
    Publish it with `ImageStore.publish`.
    """
    start = folder / "bin" / "start"
    start.parent.mkdir(parents=True)
    start.write_text(_START)
    start.chmod(0o755)
    for package, name in ((__name__, "server.py"), ("rollproof.guest", "reporter.py")):
        (folder / name).write_text(files(package).joinpath(name).read_text())
    image = {"version": str(version), "schemas": list(schemas), "broken": broken}
    (folder / "image.json").write_text(json.dumps(image, indent=1) + "\n")
    return folder


def set_schema(data: Path, schema: int) -> None:
    """Mark a data disk as written in this schema."""
    (data / "schema").write_text(f"{schema}\n")
