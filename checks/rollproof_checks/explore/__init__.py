"""Every reachable state of small and not so small models, visited."""

from rollproof_checks.extra import brought

with brought():
    from rollproof_checks.explore.exploration import Exploration, Stop, Trace
    from rollproof_checks.explore.exploring import Progress, explore
    from rollproof_checks.explore.model import Bound, By, Model, Waiver

__all__ = [
    "Bound",
    "By",
    "Exploration",
    "Model",
    "Progress",
    "Stop",
    "Trace",
    "Waiver",
    "explore",
]
