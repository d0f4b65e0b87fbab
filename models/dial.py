"""The dial: a person sets false alarms per customer-month; the threshold follows from the record.

Or a person who knows what a false alarm costs sets the threshold itself, in days
of earlier notice; the record then only says what that will come to.

A threshold on a probability means something else for every product.  So the
record keeps, for every threshold on a grid, the false alarms the model expects
of silences that rise past it, and the lowest threshold that stays within the
dial is taken, once a day of event time.

Two things keep it honest.  While the record is thin, the rate is taken at its
upper end.  And its own account (account.py) closes the loop.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from math import log, sqrt

import msgspec

from models.account import Account
from models.protocol import DIAL_GRID, Tally

MONTH_DAYS = 30.4375
FADE_SHARE = 4
"""Half-life of the record: horizon/4."""
CAUTION = 0.7
"""Standard errors added to the rate."""
SLOW_HORIZONS = 12
"""Half-life of what is known of observations that end."""
SLOW_CREDIT = 10.0
"""False alarms, and months, that it is thought to have had."""
LEAST_NOTICE_SHARE = 0.1
"""A false alarm has to buy at least this share of the horizon in earlier notice.

Else the dial is left unspent: while little has been learned it would be met with alerts
that are nearly all false."""
LEAST_MONTHS = 20.0
LEAST_CROSSINGS = 50
"""Before this much record no silence alert is opened at all."""


class Observation(msgspec.Struct):
    """How much more often alerts are false where that is known at all.

    Where the observation of customers ends one by one (courses, fixed terms), nobody
    knows of an alert in the last horizon before whether it was false: the rate is one
    over what lies before that.  But the record cannot wait for it, and it takes in
    customer time whose returns nobody will see.  The ratio of the two rates is a trait
    of the product, learned slowly; it is 1 where observation does not end.
    """

    months: float = 0.0
    withdrawn_months: float = 0.0
    false_alarms: float = 0.0
    withdrawn_false_alarms: float = 0.0

    def turn(self, tallies: Iterable[Tally], fade: float) -> None:
        """Take the tallies of some time in, and let what was before count `fade` as much."""
        self.months *= fade
        self.withdrawn_months *= fade
        self.false_alarms *= fade
        self.withdrawn_false_alarms *= fade
        for tally in tallies:
            self.months += tally.customer_days / MONTH_DAYS
            self.withdrawn_months += tally.withdrawn_days / MONTH_DAYS
            self.false_alarms += tally.false_alarms
            self.withdrawn_false_alarms += tally.withdrawn_false_alarms

    @property
    def factor(self) -> float:
        """Give the rate where it is known, over the rate of the record."""
        false_alarms = max(self.false_alarms - self.withdrawn_false_alarms, 0.0)
        months = max(self.months - self.withdrawn_months, 0.0)
        more = (false_alarms + SLOW_CREDIT) / (self.false_alarms + SLOW_CREDIT)
        return more * (self.months + SLOW_CREDIT) / (months + SLOW_CREDIT)


class Dial(msgspec.Struct):
    """The record of one product, and the threshold that follows from it."""

    target: float
    """False alarms per customer-month, as set."""
    horizon_days: float
    notice_days_per_false_alarm: float | None = None
    """What one false alarm is worth, in days of earlier notice; None: the target decides."""
    part: float = 1.0
    """Of the target: what is left of it where other alerts have a share."""
    expected: list[float] = msgspec.field(default_factory=lambda: [0.0] * (len(DIAL_GRID) + 1))
    """Difference array over the grid's cells, faded."""
    months: float = 0.0
    """Eligible customer-months, faded."""
    months_total: float = 0.0
    crossings_total: int = 0
    account: Account = msgspec.field(default_factory=Account)
    observation: Observation = msgspec.field(default_factory=Observation)
    threshold: float | None = None
    """On `Assessment.value`; None: open nothing."""
    rate: float | None = None
    """Expected at the threshold, per customer-month, caution included."""

    def turn(self, tallies: Iterable[Tally], days: float = 1.0) -> None:
        """Take the tallies of one event day in, and set the threshold anew."""
        fade = 0.5 ** (days * FADE_SHARE / self.horizon_days)
        self.expected = [value * fade for value in self.expected]
        self.months *= fade
        tallies = list(tallies)
        allowed = (
            self.target * self.part * sum(tally.customer_days for tally in tallies) / MONTH_DAYS
        )
        self.account.turn(tallies, allowed, days / self.horizon_days)
        self.observation.turn(tallies, 0.5 ** (days / (SLOW_HORIZONS * self.horizon_days)))
        for tally in tallies:
            months = tally.customer_days / MONTH_DAYS
            self.months += months
            self.months_total += months
            self.crossings_total += tally.crossed
            for cell, change in tally.crossings.items():
                self.expected[cell] += change
        self._choose()

    @property
    def measured(self) -> float | None:
        """Give what own alerts came to, per customer-month: those open by their chance.

        Faded with a half-life of the horizon, like the account; None while nobody was eligible.
        """
        if self.account.allowed <= 0:
            return None
        return self.target * self.part * max(self.account.spent, 0.0) / self.account.allowed

    def _choose(self) -> None:
        """Take the lowest threshold whose rate stays within what is left of the dial."""
        self.threshold = self.rate = None
        thin = self.months_total < LEAST_MONTHS or self.crossings_total < LEAST_CROSSINGS
        if thin or self.months <= 0:
            return
        goal = self.target * self.part * self.account.ease(self.observation.factor)
        above = list(accumulate(reversed(self.expected)))[-2::-1]
        if self.notice_days_per_false_alarm is not None:
            self.threshold = log(self.notice_days_per_false_alarm)
            cell = min(bisect_left(DIAL_GRID, self.threshold), len(DIAL_GRID) - 1)
            self.rate = self._rate(above[cell])
            return
        least = log(self.horizon_days * LEAST_NOTICE_SHARE)
        for threshold, false_alarms in zip(DIAL_GRID, above, strict=True):
            if threshold < least:
                continue
            rate = self._rate(false_alarms)
            if rate <= goal:
                self.threshold, self.rate = threshold, rate
                return

    def _rate(self, false_alarms: float) -> float:
        """Give false alarms per customer-month, at the upper end while the record is thin."""
        rate = max(false_alarms, 0.0) / self.months * self.account.bias * self.observation.factor
        return rate + CAUTION * sqrt(max(rate, 1 / self.months) / self.months)
