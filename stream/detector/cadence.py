"""Cadence: a customer's own rhythm, and how far silence has outrun it.

A weekly user silent for six days is fine; a daily user is not.  So recency
never speaks alone: it is read against the customer's own gaps, shrunk towards
a sixth of the horizon while there are few of them.

The visit rate is Gamma distributed a posteriori, with `a` = 1 + gaps seen and
`b` = horizon/6 + days seen; then P(silence > s) = (b / (b + s))^a, whose
inverse is closed (Fader, Hardie & Lee 2005, for the mixture).
"""

from math import log, pow  # noqa: A004 - the float one

import msgspec

from stream.detector.events import DAY_MS

PRIOR_SHARE = 6.0
"""A customer of whom nothing is known is thought to come every horizon/6."""
SHORTEST_GAP_DAYS = 0.5 / 24
"""ln(gap) is taken of at least half an hour: below it lies noise of the visit gap."""
MEMORY_FLOOR = 0.13
"""Least weight of a new gap in the running moments of ln(gap): about the last eight count."""


class Rhythm(msgspec.Struct, array_like=True, gc=False):
    """Running moments of a customer's gaps between visits, in days; constant in size."""

    gaps: int = 0
    last_gap: float = 0.0
    longest_gap: float = 0.0
    log_mean: float = 0.0
    log_variance: float = 1.0
    spread: float = 0.5
    """Of consecutive gaps, mean of (2 g2/(g1+g2) - 1)^2: 0 for a clock, 1/3 for chance."""
    trend: float = 0.0
    """Mean surprise of ln(gap), recent gaps first: above 0 the gaps grow."""
    survived: int = 0
    """Silences of more than half the horizon the customer came back from."""


def fresh(horizon_days: float) -> Rhythm:
    """Give the rhythm of a customer never seen before."""
    return Rhythm(log_mean=log(horizon_days / PRIOR_SHARE))


def fold(rhythm: Rhythm, gap_days: float, horizon_days: float) -> None:
    """Take one more gap into the rhythm."""
    log_gap = log(max(gap_days, SHORTEST_GAP_DAYS))
    weight = max(MEMORY_FLOOR, 1 / (rhythm.gaps + 2))
    surprise = log_gap - rhythm.log_mean
    rhythm.trend = 0.75 * rhythm.trend + 0.25 * surprise
    rhythm.log_mean += weight * surprise
    rhythm.log_variance += weight * (surprise * surprise - rhythm.log_variance)
    rhythm.longest_gap = max(rhythm.longest_gap, gap_days)
    rhythm.survived += gap_days > horizon_days / 2
    both = gap_days + rhythm.last_gap
    if rhythm.gaps and both > 0:
        rhythm.spread += 0.15 * ((2 * gap_days / both - 1) ** 2 - rhythm.spread)
    rhythm.last_gap = gap_days
    rhythm.gaps += 1


def expected_gap(gaps: int, span_days: float, horizon_days: float) -> float:
    """Give the mean gap in days, shrunk towards horizon/6 (`span_days` holds the gaps)."""
    return (span_days + horizon_days / PRIOR_SHARE) / (gaps + 1)


def deadline(gaps: float, span_days: float, horizon_days: float, chance: float) -> float:
    """Give the silence in days that only this share of silences would outlast."""
    a = 1 + gaps
    b = span_days + horizon_days / PRIOR_SHARE
    return b * (pow(chance, -1 / a) - 1)


def tail(gaps: float, span_days: float, horizon_days: float, silence_days: float) -> float:
    """Give the share of silences that would outlast this one: the inverse of `deadline`."""
    b = span_days + horizon_days / PRIOR_SHARE
    return pow(b / (b + silence_days), 1 + gaps)


def days(milliseconds: int) -> float:
    """Turn a duration of clocks into one of statistics."""
    return milliseconds / DAY_MS
