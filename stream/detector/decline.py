"""Decline, as evidence: two levels that say how much less a customer comes than it did.

Poisson log-likelihood CUSUM for a fall of the visit rate from `rate` to
`ratio * rate` (Page 1954; Lorden 1971): every visit adds ln(ratio), every day
of silence rate * (1 - ratio), never below zero.

`rate` is a cautious estimate of the customer's own (the posterior mean less half a
standard deviation), and it is frozen once a level is half way up: otherwise
the yardstick would follow the decline it should show.

These levels are inputs of the model of silence.  What raises an alert on somebody
who still comes, and what is known of such alerts, is in `falls`.
"""

from math import log, sqrt

import msgspec

from stream.detector.cadence import PRIOR_SHARE
from stream.detector.policy import Decline

CAUTION = 0.5
"""Standard deviations taken off the rate; a whole one lets it follow most declines down."""
SCALE_NATS = 4.0
"""A level that says a lot: twice as much is the most, and half of it freezes the rate."""
GAP_SHARE = 1 / 3
"""The most one gap may add, of the scale: one long gap is silence, and no decline."""


class Levels(msgspec.Struct, array_like=True, gc=False):
    """The two CUSUMs of one customer as of its last visit, in nats."""

    sharp: int | float = 0
    slow: int | float = 0
    frozen_rate: int | float = 0
    """Visits a day that the levels are measured against; 0 while it still learns."""


def own_rate(gaps: int, span_days: float, horizon_days: float) -> float:
    """Give a cautious estimate of the visits a day."""
    a = 1 + gaps
    return (a - CAUTION * sqrt(a)) / (span_days + horizon_days / PRIOR_SHARE)


def fold(levels: Levels, gap_days: float, learned_rate: float, policy: Decline) -> None:
    """Take one more gap, ended by a visit, into both levels.

    `learned_rate` is the own rate as it was known before this gap.
    """
    rate = levels.frozen_rate or learned_rate
    levels.sharp = _step(levels.sharp, gap_days, rate, policy.sharp_ratio)
    levels.slow = _step(levels.slow, gap_days, rate, policy.slow_ratio)
    levels.frozen_rate = rate if max(levels.sharp, levels.slow) > SCALE_NATS / 2 else 0


def _step(level: float, gap_days: float, rate: float, ratio: float) -> float:
    """Give the level after a gap and the visit that ended it."""
    growth = min(rate * (1 - ratio) * gap_days, SCALE_NATS * GAP_SHARE)
    return min(max(0, level + growth + log(ratio)), 2 * SCALE_NATS)
