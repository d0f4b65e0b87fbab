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
from typing import NamedTuple

import msgspec

from models.account import Account
from models.protocol import DIAL_GRID, Share, Tally

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
HELD_SHARE = 6
"""For horizon/6 after somebody else has begun to answer, a rate opens nothing: see `Dial`."""
LEAST_MONTHS = 20.0
LEAST_CROSSINGS = 50
"""Before this much record no silence alert is opened at all."""


class Record(NamedTuple):
    """Expected false alarms of silences, by how high they rose."""

    above: list[float]
    """One for each threshold of the grid, faded."""
    months: float
    """Eligible customer-months, faded."""
    months_total: float
    crossings_total: int

    @property
    def suffices(self) -> bool:
        """Whether it says enough to open any alert by."""
        enough = self.months_total >= LEAST_MONTHS and self.crossings_total >= LEAST_CROSSINGS
        return enough and self.months > 0


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
    """The record of one product, and the threshold that follows from it.

    The record is of values as they were given.  On the day on which weights answer for the first
    time, in the prior's place, everybody's value jumps, and a threshold that stands is passed by
    many at once: it says nothing of the new values.  So there is none, for as long as the account
    takes to be half made of new answers.
    """

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
    held_days: float = 0.0
    """For how long there is no threshold yet."""

    def turn(self, tallies: Iterable[Tally], days: float = 1.0) -> None:
        """Take the tallies of one event day in, and set the threshold anew."""
        tallies = list(tallies)
        self.observe(tallies, days)
        self.take(tallies, days)
        self.choose(self.record)

    def observe(self, tallies: Iterable[Tally], days: float) -> None:
        """Learn where observation ends."""
        self.observation.turn(tallies, 0.5 ** (days / (SLOW_HORIZONS * self.horizon_days)))

    def take(self, tallies: Iterable[Tally | Share], days: float) -> None:
        """Take what some time came to into the record and the account."""
        fade = 0.5 ** (days * FADE_SHARE / self.horizon_days)
        self.expected = [value * fade for value in self.expected]
        self.months *= fade
        self.held_days = max(0.0, self.held_days - days)
        tallies = list(tallies)
        allowed = (
            self.target * self.part * sum(tally.customer_days for tally in tallies) / MONTH_DAYS
        )
        self.account.turn(tallies, allowed, days / self.horizon_days)
        for tally in tallies:
            months = tally.customer_days / MONTH_DAYS
            self.months += months
            self.months_total += months
            self.crossings_total += tally.crossed
            for cell, change in tally.crossings.items():
                self.expected[cell] += change

    def hold(self) -> None:
        """Open nothing for a while: somebody else has begun to answer."""
        self.held_days = self.horizon_days / HELD_SHARE

    def set_as(self, other: "Dial") -> "Dial":
        """Be set as another dial is from now on."""
        self.target = other.target
        self.notice_days_per_false_alarm = other.notice_days_per_false_alarm
        return self

    def absorb(self, other: "Dial") -> None:
        """Take over what another dial has seen, and owes."""
        self.expected = [a + b for a, b in zip(self.expected, other.expected, strict=True)]
        self.months += other.months
        self.months_total += other.months_total
        self.crossings_total += other.crossings_total
        self.account.absorb(other.account)

    @property
    def measured(self) -> float | None:
        """Give what own alerts came to, per customer-month: those open by their chance.

        Faded with a half-life of the horizon, like the account; None while nobody was eligible.
        """
        if self.account.allowed <= 0:
            return None
        return self.target * self.part * max(self.account.spent, 0.0) / self.account.allowed

    @property
    def record(self) -> Record:
        """Give what has been seen."""
        above = list(accumulate(reversed(self.expected)))[-2::-1]
        return Record(above, self.months, self.months_total, self.crossings_total)

    def choose(self, record: Record) -> None:
        """Take the lowest threshold whose rate, by a record, stays within what is left."""
        self.threshold = self.rate = None
        by_rate = self.notice_days_per_false_alarm is None
        if not record.suffices or (by_rate and self.held_days):
            return
        goal = self.target * self.part * self.account.ease(self.observation.factor)
        if self.notice_days_per_false_alarm is not None:
            self.threshold = log(self.notice_days_per_false_alarm)
            cell = min(bisect_left(DIAL_GRID, self.threshold), len(DIAL_GRID) - 1)
            self.rate = self._rate(record.above[cell], record.months)
            return
        least = log(self.horizon_days * LEAST_NOTICE_SHARE)
        for threshold, false_alarms in zip(DIAL_GRID, record.above, strict=True):
            if threshold < least:
                continue
            rate = self._rate(false_alarms, record.months)
            if rate <= goal:
                self.threshold, self.rate = threshold, rate
                return

    def _rate(self, false_alarms: float, months: float) -> float:
        """Give false alarms per customer-month, at the upper end while the record is thin."""
        rate = max(false_alarms, 0.0) / months * self.account.bias * self.observation.factor
        return rate + CAUTION * sqrt(max(rate, 1 / months) / months)
