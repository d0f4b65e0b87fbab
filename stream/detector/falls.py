"""Falls: a customer who still comes, but less, or who does fewer things than it did.

Looked at when a visit ends, so that whoever is told of is one who still comes.
Two causes have a level each, in nats, by Poisson log-likelihood CUSUMs (Page
1954; Lorden 1971), never below zero:

* less: every day adds k * rate * (1 - ratio), a visit k * ln(ratio), for a sharp and a
  slow fall of the visit rate; the higher one counts.  k is how regularly the customer
  comes, as the shape of gamma-distributed gaps: 1 is chance, and of somebody who comes
  like clockwork few visits say what of somebody who comes in clumps many do not;
* narrower: every visit adds (1 - ratio) + breadth * ln(ratio), where its breadth is
  the kinds of event in it over the customer's usual number.

What is usual is frozen while a level is up: otherwise the yardstick would follow
the fall it should show.

What came of a fall is known a horizon later: it came true if the customer's use in
that time stayed under the middle between what is usual and a slow fall.  Whether
that says anything shows from moments of customers who had not fallen, held to
the same rule.
"""

from bisect import bisect_right
from collections.abc import Iterator
from math import log
from typing import NamedTuple

import msgspec

from models.protocol import CONTROL_RUNG, FALL_GRID
from stream.detector.events import DAY_MS
from stream.detector.policy import Decline

GAP_NATS = 3.0
"""The most one gap and the visit after it may add: one long gap is silence, and no fall.  Less
would take most of what gaps say of who fell to 0.3."""
SPREAD_BY_CHANCE = 1 / 3
"""Of consecutive gaps, mean of (2 g2/(g1+g2) - 1)^2, where visits come by chance."""
SPREAD_WEIGHT = 0.03
"""Least weight of a new pair of gaps in it: about the last sixty count."""
SPREAD_CREDIT = 8
"""Pairs that every customer is thought to have had, by chance."""
REGULAR_MOST = 4.0
"""Nobody counts as more regular than this, nor as less than its inverse."""
CALM_NATS = 1.0
"""A level that has come down so far is down; above it, what is usual is frozen."""
BREADTH_MOST = 1.5
"""A visit counts as at most so many usual ones."""
BREADTH_WEIGHT = 0.05
"""Of the newest visit in the customer's usual number of kinds."""
KINDS_MIN = 1.5
"""Usual kinds a visit below which nobody can do fewer things."""
EXPECTED_MIN = 5.0
"""Visits expected in a horizon below which fewer of them say nothing."""

LESS, NARROWER = 0, 1
CAUSES = (LESS, NARROWER)
CONTROL = 2
"""Stands for no cause: a moment to compare with."""


class Pending(msgspec.Struct, array_like=True, gc=False):
    """A moment of which it is not yet known what came of it."""

    cause: int
    """LESS, NARROWER or CONTROL."""
    low: int
    rung: int
    """Places in `FALL_GRID` that were first reached at once; CONTROL_RUNG for a control."""
    at: int
    """End of the visit it was noticed by (ms)."""
    visits: int
    """Of the customer, by then."""
    expected: float
    """Visits of a usual horizon."""
    kinds_usual: float
    breadths: float = 0.0
    """Of the visits since, added up."""


class Falling(msgspec.Struct, array_like=True, gc=False):
    """The levels of one customer as of its last visit, and what is pending."""

    kinds_usual: float
    """Running mean of the kinds of event in a visit."""
    sharp: int | float = 0
    slow: int | float = 0
    narrow: int | float = 0
    frozen_rate: int | float = 0
    """Visits a day that the levels are measured against; 0 while it still learns."""
    less_since: int = 0
    """When the level of coming less began to rise (ms)."""
    less_visits: int = 0
    """Visits since."""
    narrow_visits: int = 0
    """Visits since the level of doing fewer things began to rise, ..."""
    narrow_kinds: int = 0
    """... and the kinds of event in them, added up."""
    raised: int = 0
    """Causes told of whose level has not come down since, as a set of bits."""
    less_noted: int = 0
    """Places of `FALL_GRID` that coming less has reached since it was last down."""
    narrow_noted: int = 0
    pending: list[Pending] = msgspec.field(default_factory=list)
    """At most one for each cause and place of `FALL_GRID`, and one control."""
    spread: float = SPREAD_BY_CHANCE
    """Running mean over pairs of gaps: 0 for a clock, 1/3 for chance."""
    pairs: int = 0
    """That went into it, as far as it matters."""
    last_gap: float = 0.0
    """Days; 0: none yet."""
    withheld: int = 0
    """Causes that were due and not told of for a reason of the policy's, as a set of bits: they are
    told of when that has passed, if the level is still reached."""


class Seen(NamedTuple):
    """A visit that has just ended."""

    gap_days: float
    """Silence before it."""
    end: int
    """Its last event (ms)."""
    kinds: int
    """Of events in it."""
    rate: float
    """Visits a day that were usual before it."""


class Outcome(NamedTuple):
    """What came of a moment, for one cause."""

    cause: int
    rung: int
    """CONTROL_RUNG for a control."""
    came_true: bool


def level(falling: Falling, cause: int) -> float:
    """Give a cause's level, in nats."""
    return max(falling.sharp, falling.slow) if cause == LESS else falling.narrow


def rung_of(nats: float) -> int:
    """Give the highest rung of `FALL_GRID` that a level reaches; below 0: none."""
    return bisect_right(FALL_GRID, nats) - 1


def fold(falling: Falling, seen: Seen, policy: Decline) -> None:
    """Take one more visit, and the gap before it, into the levels."""
    highest = max(FALL_GRID[-1], policy.alarm_nats or 0.0)
    calm = calm_level(policy)
    rate = falling.frozen_rate or seen.rate
    regular = regularity(falling.spread)
    for name, ratio in (("sharp", policy.sharp_ratio), ("slow", policy.slow_ratio)):
        growth = regular * (rate * (1 - ratio) * seen.gap_days + log(ratio))
        setattr(falling, name, _risen(getattr(falling, name), min(growth, GAP_NATS), highest))
    breadth = min(seen.kinds / falling.kinds_usual, BREADTH_MOST)
    growth = 1 - policy.slow_ratio + breadth * log(policy.slow_ratio)
    able = falling.kinds_usual >= KINDS_MIN or falling.narrow
    falling.narrow = _risen(falling.narrow, growth, highest) if able else 0
    _compare_gaps(falling, seen.gap_days)
    less = level(falling, LESS)
    falling.frozen_rate = rate if less > calm else 0
    if not less:
        falling.less_since = falling.less_visits = 0
    else:
        falling.less_since = falling.less_since or seen.end - round(seen.gap_days * DAY_MS)
        falling.less_visits += 1
    if falling.narrow:
        falling.narrow_visits += 1
        falling.narrow_kinds += seen.kinds
    else:
        falling.narrow_visits = falling.narrow_kinds = 0
    if falling.narrow <= calm:
        falling.kinds_usual += BREADTH_WEIGHT * (seen.kinds - falling.kinds_usual)
    for cause in CAUSES:
        if level(falling, cause) <= calm:
            falling.raised &= ~(1 << cause)
            falling.withheld &= ~(1 << cause)
            _set_noted(falling, cause, 0)


def _risen(nats: float, growth: float, highest: float) -> float:
    return min(max(0, nats + growth), highest)


def regularity(spread: float) -> float:
    """Give the shape of gamma-distributed gaps whose pairs have this spread: 1 is chance."""
    least = 1 / (2 * REGULAR_MOST + 1)
    shape = (1 - max(spread, least)) / (2 * max(spread, least))
    return max(shape, 1 / REGULAR_MOST)


def _compare_gaps(falling: Falling, gap_days: float) -> None:
    """Take one more gap, beside the one before it, into how regularly the customer comes."""
    both = falling.last_gap + gap_days
    if falling.last_gap and both:
        weight = max(SPREAD_WEIGHT, 1 / (falling.pairs + 1 + SPREAD_CREDIT))
        uneven = (2 * gap_days / both - 1) ** 2
        falling.spread += weight * (uneven - falling.spread)
        falling.pairs = min(falling.pairs + 1, round(1 / SPREAD_WEIGHT))
    falling.last_gap = gap_days


def calm_level(policy: Decline) -> float:
    """Give the level, in nats, that counts as down."""
    return CALM_NATS if policy.alarm_nats is None else min(CALM_NATS, policy.alarm_nats / 2)


def note(falling: Falling, visits: int, at: int, expected: float, *, control: bool) -> None:
    """Begin to wait for what comes of a fall, and of a control if one is wanted.

    Every place of `FALL_GRID` has a time of its own: that of an alert, were it told from there on.
    """
    for cause in CAUSES:
        rung = rung_of(level(falling, cause))
        low = falling.less_noted if cause == LESS else falling.narrow_noted
        _set_noted(falling, cause, max(low, rung + 1))
        low = max([low, *(p.rung + 1 for p in falling.pending if p.cause == cause)])
        if low <= rung:
            begun = Pending(cause, low, rung, at, visits, expected, falling.kinds_usual)
            falling.pending.append(begun)
    if control and all(p.cause != CONTROL for p in falling.pending):
        rung = CONTROL_RUNG
        begun = Pending(CONTROL, rung, rung, at, visits, expected, falling.kinds_usual)
        falling.pending.append(begun)


def outcomes(pending: Pending, visits: float, usual_share: float) -> Iterator[Outcome]:
    """Say what came of a moment, by the visits in the horizon after it.

    `usual_share` of what is usual is the most that a fall comes to.
    """
    limit = usual_share * pending.expected
    narrower = pending.cause == CONTROL and pending.kinds_usual >= KINDS_MIN
    for rung in range(pending.low, pending.rung + 1):
        if pending.cause in (LESS, CONTROL):
            yield Outcome(LESS, rung, visits <= limit)
        if pending.cause == NARROWER or narrower:
            yield Outcome(NARROWER, rung, pending.breadths <= limit)


def accumulate(falling: Falling, kinds: int) -> None:
    """Take a visit's kinds of event into all that is pending."""
    for pending in falling.pending:
        pending.breadths += min(kinds / pending.kinds_usual, BREADTH_MOST)


def _set_noted(falling: Falling, cause: int, noted: int) -> None:
    if cause == LESS:
        falling.less_noted = noted
    else:
        falling.narrow_noted = noted
