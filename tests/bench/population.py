"""A product's customers: from daily to monthly, twenty events a visit, some of them leaving.

The peers' workload is one long burst, in which no visit ends and no silence
begins.  Here most customers are between visits, as most customers of a product
are, so landmarks fall due and labels age.  Everything is drawn by a seed.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream.detector.events import DAY_MS, MINUTE_MS
from stream.detector.landmarks import Ladder
from stream.detector.policy import Policy
from tests.bench.tracks import START_MS, Track, Tracks

RHYTHM_DAYS = (1.0, 30.0)
REGULARITY = 2.0  # shape of the gamma distribution of gaps: 1 is chance, more is a clock
STAY_DAYS = 150.0  # mean; then a customer is gone for good
EVENT_SECONDS = 20.0  # mean, between two events of a visit
GAP_MS_MIN = 60 * MINUTE_MS  # so that two visits never merge
VISITS_PER_DAY = 0.284
"""Of one customer who stays, on average: the mean of 1/rhythm."""

AT_ONCE = 200_000  # events drawn at a time; more: memory, and no more speed

Numbers = npt.NDArray[np.int64]


class Visits(NamedTuple):
    """Visits of a population, in no order."""

    customer: Numbers
    begin_ms: Numbers
    customers: int
    until_ms: int


def visits(customers: int, days: float, seed: int, begin_ms: int = START_MS) -> Visits:
    """Draw the visits of `customers` within `days`; everybody is there from the beginning."""
    draw = np.random.default_rng(seed)
    until = begin_ms + round(days * DAY_MS)
    low, high = np.log(RHYTHM_DAYS)
    rhythm = np.exp(draw.uniform(low, high, customers)) * DAY_MS
    leaves = begin_ms + draw.exponential(STAY_DAYS * DAY_MS, customers)
    who = np.arange(customers)
    at = begin_ms + draw.random(customers) * rhythm
    found: list[tuple[Numbers, Numbers]] = []
    while who.size:
        here = at < np.minimum(leaves[who], until)
        who, at = who[here], at[here]
        found.append((who, at.astype(np.int64)))
        gaps = draw.gamma(REGULARITY, rhythm[who] / REGULARITY)
        at = at + np.maximum(gaps, GAP_MS_MIN)
    customer, begin = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Visits(customer, begin, customers, until)


def events(of: Visits, per_visit: int, seed: int, writer: type[Tracks] = Tracks) -> Iterator[Track]:
    """Yield the events of visits in the order of their times."""
    draw = np.random.default_rng(seed)
    tracks = writer(seed)
    order = np.argsort(of.begin_ms, kind="stable")
    customer, begin = of.customer[order], of.begin_ms[order]
    step = max(1, AT_ONCE // per_visit)
    late_who, late_at = np.empty(0, np.int64), np.empty(0, np.int64)
    for start in range(0, len(begin), step):
        piece = slice(start, start + step)
        steps = draw.exponential(EVENT_SECONDS * 1000, (len(begin[piece]), per_visit))
        steps[:, 0] = 0
        at = (begin[piece, None] + np.cumsum(steps, axis=1)).astype(np.int64).ravel()
        who = np.repeat(customer[piece], per_visit)
        who, at = np.concatenate([late_who, who]), np.concatenate([late_at, at])
        # What comes after the next piece's first event waits for it.
        following = begin[start + step] if start + step < len(begin) else np.inf
        ready = at < following
        late_who, late_at = who[~ready], at[~ready]
        who, at = who[ready], at[ready]
        by_time = np.argsort(at, kind="stable")
        for number, moment in zip(who[by_time].tolist(), at[by_time].tolist(), strict=True):
            yield tracks.write(number, moment)


def judged(of: Visits, policy: Policy, per_visit: int) -> int:
    """Count the landmarks that fall due between these visits, and after the last ones."""
    ladder = Ladder(policy)
    rungs = [at for rung in range(100) if (at := ladder.at(0, rung)) is not None]
    order = np.lexsort((of.begin_ms, of.customer))
    customer, begin = of.customer[order], of.begin_ms[order]
    # Landmarks are counted from a visit's last event.
    last = begin + round((per_visit - 1) * EVENT_SECONDS * 1000)
    follows = np.append(begin[1:], of.until_ms)
    follows[np.append(customer[1:] != customer[:-1], True)] = of.until_ms
    return int(np.searchsorted(rungs, follows - last).sum())
