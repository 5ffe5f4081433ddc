"""A sample OS image: a small web server that says which version it is.

It is healthy unless it was made broken, or the data disk holds a `schema` that this
version of it cannot read: the usual way in which one instance of many fails an upgrade.
"""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from rollproof.images import ImageVersion

_START = """\
#!/bin/sh
# -I -S: what else is installed on this machine is none of the image's business.
exec "${ROLLPROOF_PYTHON:-python3}" -I -S server.py
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
    server = files(__name__).joinpath("server.py").read_text()
    (folder / "server.py").write_text(server)
    image = {"version": str(version), "schemas": list(schemas), "broken": broken}
    (folder / "image.json").write_text(json.dumps(image, indent=1) + "\n")
    return folder


def set_schema(data: Path, schema: int) -> None:
    """Mark a data disk as written in this schema."""
    (data / "schema").write_text(f"{schema}\n")
