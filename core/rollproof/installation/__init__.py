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

Nothing here prints.  From the bottom: `images` (which versions there are, and where they
come from), `terms` (which version, what a run is called), `sets` (what was applied),
`fleets` (made and seen), `runs` (opened and found again), `following` (a run as its
journal tells it), `reasons` (of failures), `timeline` (of an instance), `explaining` (what
holds it back), `observing` (telling others, if they are to be told), `hosting` (keeping a
run alive), `lookout` (what the schedule goes by), `keeper` (who carries it out), `serving`
(both on a host), `scheduling` (its verbs), `installation` (the whole).
"""

from rollproof.adapters.sources import ImageSource
from rollproof.history import Filter
from rollproof.installation.explaining import Explanation
from rollproof.installation.fleets import LocalSetView, Shape
from rollproof.installation.following import Audience, Audiences, Follower, Happening, Quiet
from rollproof.installation.hosting import Ended
from rollproof.installation.installation import Installation
from rollproof.installation.reasons import Failure, Reasons
from rollproof.installation.runs import Pruned
from rollproof.installation.serving import Notice
from rollproof.installation.timeline import Timeline

__all__ = [
    "Audience",
    "Audiences",
    "Ended",
    "Explanation",
    "Failure",
    "Filter",
    "Follower",
    "Happening",
    "ImageSource",
    "Installation",
    "LocalSetView",
    "Notice",
    "Pruned",
    "Quiet",
    "Reasons",
    "Shape",
    "Timeline",
]
