"""A fleet of real server processes on one machine (Linux, loopback only).

From the bottom: `layout` (folders), `addresses`, `marks`, `process`, `disks`, `outputs`,
`provision`, `logs`, `reporting` (what a health extension is told), `memory` (of health),
`machine` (one instance), `roster` (which there are), `scale_set`, `fleet` (the provider).

An image is a folder with an executable `bin/start`. It is run with the OS disk as its
current folder, which it must not leave, for there its version is read (S9); it stays in
the foreground; it listens at ROLLPROOF_ADDRESS and ROLLPROOF_PORT and ends on SIGTERM.
It also finds ROLLPROOF_INSTANCE, ROLLPROOF_DATA_DIR, ROLLPROOF_IMAGE_VERSION and
ROLLPROOF_PYTHON, the interpreter rollproof itself runs in; with a health extension also
where to report (`reporting`).
"""

from rollproof.adapters.local.disks import Removed
from rollproof.adapters.local.fleet import LocalFleet
from rollproof.adapters.local.logs import DiskLog, StepLog
from rollproof.adapters.local.roster import Member
from rollproof.adapters.local.sample_image import set_schema, write_sample_image

__all__ = [
    "DiskLog",
    "LocalFleet",
    "Member",
    "Removed",
    "StepLog",
    "set_schema",
    "write_sample_image",
]
