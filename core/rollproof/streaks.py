"""What is remembered of an instance's health from one look to the next.

Two laws need a memory, and both begin anew with every boot.

Threshold (R5.2)
    Bad answers in a row, fewer than the threshold, leave the verdict as it was; before
    the first verdict that is INITIALIZING. A good one clears them. Looks nearer than half
    an interval are one probe, in whichever order they are told: who looks more often, or
    beside another, must not judge faster.
Minimum healthy time
    An instance counts as healthy only when it was healthy at every look for that long;
    until then it is INITIALIZING.

Times are milliseconds since the Unix epoch, and come from outside. When the clock was
set back, failures are counted on, and the time of being healthy anew.
"""

from datetime import timedelta

from attrs import evolve, frozen

from rollproof.health import Health, HealthSource
from rollproof.moments import MILLISECOND


@frozen
class Streak:
    """The memory of one boot of one instance."""

    boot: str = ""
    """Tells one boot from the next."""
    verdict: Health = Health.INITIALIZING
    """What the application's answers come to."""
    failures: int = 0
    """Bad answers in a row."""
    failed_at: int = 0
    """When the last of them was counted."""
    healthy_since: int | None = None
    """First of the looks in a row at which the whole instance was healthy."""

    def of(self, boot: str) -> "Streak":
        """This one when it is of that boot, else a new one."""
        return self if self.boot == boot else Streak(boot)

    def heard(self, answer: Health, source: HealthSource, now: int) -> "Streak":
        """After one answer of the application; UNKNOWN counts as unhealthy (R5.3)."""
        if answer in (Health.HEALTHY, Health.INITIALIZING):
            return evolve(self, verdict=answer, failures=0, failed_at=0)
        if self.failures >= source.unhealthy_threshold:
            return evolve(self, verdict=answer)
        interval = source.interval // MILLISECOND
        if self.failures and 2 * abs(now - self.failed_at) < interval:
            return self
        failures = self.failures + 1
        verdict = answer if failures >= source.unhealthy_threshold else self.verdict
        return evolve(self, verdict=verdict, failures=failures, failed_at=now)

    def settled(self, health: Health, least: timedelta, now: int) -> tuple["Streak", Health]:
        """After one judgement of the whole instance, and what it counts as."""
        if health is not Health.HEALTHY:
            return evolve(self, healthy_since=None), health
        since = self.healthy_since
        if since is None or since > now:
            since = now
        long_enough = now - since >= least // MILLISECOND
        counts_as = Health.HEALTHY if long_enough else Health.INITIALIZING
        return evolve(self, healthy_since=since), counts_as
