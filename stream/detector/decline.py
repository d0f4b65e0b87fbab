"""Decline: a customer who still comes, but less.

Poisson log-likelihood CUSUM for a fall of the visit rate from `rate` to
`ratio * rate` (Page 1954; Lorden 1971): every visit adds ln(ratio), every day
of silence rate * (1 - ratio), never below zero.  Between visits the level is a
straight line, so the moment it reaches the alarm is known in advance.

`rate` is a cautious estimate of the customer's own (the posterior mean less half a
standard deviation), and it is frozen once half the alarm is reached: otherwise
the yardstick would follow the decline it should show.

One long gap is silence, which is judged elsewhere, and no decline: a gap adds at
most a third of the alarm, so it takes several of them.
"""

from math import inf, log, sqrt

import msgspec

from stream.detector.cadence import PRIOR_SHARE
from stream.detector.policy import Decline

CAUTION = 0.5
"""Standard deviations taken off the rate; a whole one lets it follow most declines down."""


GAP_SHARE = 1 / 3
"""The most one gap may add, of the alarm."""


class Levels(msgspec.Struct, array_like=True, gc=False):
    """The two CUSUMs of one customer as of its last visit, in nats."""

    sharp: int | float = 0
    slow: int | float = 0
    frozen_rate: int | float = 0
    """Visits a day that the levels are measured against; 0 while it still learns."""
    raised: bool = False
    """The alarm has sounded and the level has not come down since."""


def own_rate(gaps: int, span_days: float, horizon_days: float) -> float:
    """Give a cautious estimate of the visits a day."""
    a = 1 + gaps
    return (a - CAUTION * sqrt(a)) / (span_days + horizon_days / PRIOR_SHARE)


def fold(levels: Levels, gap_days: float, learned_rate: float, policy: Decline) -> None:
    """Take one more gap, ended by a visit, into both levels.

    `learned_rate` is the own rate as it was known before this gap.
    """
    rate = levels.frozen_rate or learned_rate
    alarm = policy.alarm_nats
    levels.sharp = _step(levels.sharp, gap_days, rate, policy.sharp_ratio, alarm)
    levels.slow = _step(levels.slow, gap_days, rate, policy.slow_ratio, alarm)
    highest = max(levels.sharp, levels.slow)
    if highest > alarm / 2:
        levels.frozen_rate = rate
    else:
        levels.frozen_rate = 0
        levels.raised = False


def _step(level: float, gap_days: float, rate: float, ratio: float, alarm: float) -> float:
    """Give the level after a gap and the visit that ended it; twice the alarm is enough."""
    growth = min(rate * (1 - ratio) * gap_days, alarm * GAP_SHARE)
    return min(max(0, level + growth + log(ratio)), 2 * alarm)


def days_to_alarm(levels: Levels, learned_rate: float, policy: Decline) -> float:
    """Give the days of silence after which a level reaches the alarm; inf: this one cannot."""
    rate = levels.frozen_rate or learned_rate
    if rate <= 0 or levels.raised:
        return inf
    first = inf
    for level, ratio in ((levels.sharp, policy.sharp_ratio), (levels.slow, policy.slow_ratio)):
        missing = policy.alarm_nats - level
        if missing <= policy.alarm_nats * GAP_SHARE:
            first = min(first, max(0.0, missing) / (rate * (1 - ratio)))
    return first
