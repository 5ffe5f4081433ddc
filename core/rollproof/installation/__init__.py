"""An installation: everything that the command line can do, from Python.

    from pathlib import Path
    from rollproof.installation import Installation

    with Installation(Path("state")) as here:
        here.apply(Path("set.toml"))
        here.publish_image("web-os", "1.0.0", Path("image"))
        here.create_local("web", version="1.0.0")
        here.publish_image("web-os", "1.1.0", Path("newer-image"))
        ended = here.run("web", to="1.1.0")
        print(ended.status.running_status)

Nothing here prints.  From the bottom: `terms` (which version, what a run is called),
`sets` (what was applied), `fleets` (made and seen), `runs` (opened and found again),
`following` (a run as its journal tells it), `reasons` (of failures), `hosting` (keeping a
run alive), `lookout` (what the schedule goes by), `keeper` (who carries it out),
`serving` (both on a host), `scheduling` (its verbs), `installation` (the whole).
"""

from rollproof.installation.fleets import LocalSetView, Shape
from rollproof.installation.following import Audience, Follower, Happening, Quiet
from rollproof.installation.hosting import Ended
from rollproof.installation.installation import Installation
from rollproof.installation.reasons import Failure, Reasons
from rollproof.installation.serving import Notice

__all__ = [
    "Audience",
    "Ended",
    "Failure",
    "Follower",
    "Happening",
    "Installation",
    "LocalSetView",
    "Notice",
    "Quiet",
    "Reasons",
    "Shape",
]
