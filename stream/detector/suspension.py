"""Suspension: while everybody is silent at once, silence says nothing of anybody.

The guard finds out (`models.guard`), and models say it.  Time that was suspended
is no silence: nobody is alerted on in it, and afterwards what fell into it does
not count, so that alerts go on where they stood, and not all at once.

If the product was away, its customers come back where they left off; if only its
events were, those who used it meanwhile take a gap of their own until they are
seen again.  So whoever was silent at the resumption is given that gap, as far as
it fits the length of what happened: after an hour hardly anybody was missed.

A holiday that the policy knows of is no silence either.  Nothing is suspended for it, and
nobody is waited for after it: that nobody would come was known, and no event is lost.
"""

from models.protocol import Guarded, RiskModels
from stream.detector.calendar import local_time
from stream.detector.customer import Customer
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy

GRACE_SHARE = 3
"""Suspensions of this length that a customer is waited for after one, at most..."""
GRACE_HORIZON_SHARE = 0.25
"""... and no longer than this share of the horizon."""


class Suspension:
    """What of the time is suspended, by the models in force, and what of it is holidays."""

    def __init__(self, policy: Policy, models: RiskModels) -> None:
        """Follow these models, if the policy wants a guard, and the policy's calendar."""
        self._enabled = policy.guard.enabled
        self._models = models
        self.local = local_time(policy.calendar)
        self._has_holidays = bool(policy.calendar.holidays)

    def holds(self, since: int, at: int, usual_gap_days: float, horizon_ms: int) -> bool:
        """Tell whether a silence since `since` (ms) may not be alerted on at a moment (ms)."""
        found = self._models.at(at).guarded
        if not (self._enabled and found.changed_at):
            return False
        if found.suspended_since:
            return True
        most = horizon_ms * GRACE_HORIZON_SHARE
        grace = min(usual_gap_days * DAY_MS, found.lasted_ms * GRACE_SHARE, most)
        return since < found.changed_at and at - found.changed_at < grace

    def within(self, since: int, until: int) -> int:
        """Give how much (ms) of a silence does not count: what was suspended, and holidays."""
        now = self._models.at(until).guarded
        suspended = 0
        if self._enabled and (now.suspended_since or since < now.changed_at):
            before = self._suspended_ms(self._models.at(since).guarded, since)
            suspended = max(0, self._suspended_ms(now, until) - before)
        if self._has_holidays:
            suspended += self.local.holidays_ms(since, until)
        return min(suspended, until - since)

    def puts_off(self, customer: Customer, at: int) -> bool:
        """Put off what silence makes due, by the time that does not count; tell whether that is so.

        While a suspension lasts, what is put off comes up again and again.
        """
        paused = self.within(customer.last_at, at)
        longer = paused > customer.paused_ms
        customer.paused_ms = max(customer.paused_ms, paused)
        return longer

    def _suspended_ms(self, guarded: Guarded, moment: int) -> int:
        """Give how much of the time up to a moment (ms) was suspended, holidays not counted."""
        suspended = guarded.suspended_ms(moment)
        if self._has_holidays and guarded.suspended_since:
            suspended -= self.local.holidays_ms(guarded.suspended_since, moment)
        return suspended
