"""What one landmark costs: judged, then released as lessons, then learned from.

Customers come a few times within a day and then never again.  Each passes every
rung of the silence ladder exactly once, so the count is known and nothing in
the detector has to be instrumented.  Time passes by heartbeats: no event is
folded while the clock runs.
"""

from collections.abc import Iterator
from itertools import count, takewhile
from typing import Any

from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.landmarks import Ladder
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.engine.flow import Fold
from tests.bench.child import YARDSTICK, call
from tests.bench.figure import Figure, Size
from tests.bench.folds import Lessons, detect_fold, feed, learn, pass_time
from tests.bench.machine import Yardstick
from tests.bench.tracks import START_MS, Track, Tracks

CUSTOMERS = {Size.TINY: 50, Size.QUICK: 2_000, Size.NORMAL: 10_000, Size.FULL: 100_000}
VISITS = 4
VISIT_EVERY_MS = 8 * HOUR_MS  # less than the first landmark's silence
LAST_LABELS_MS = 31 * DAY_MS  # by then the labels of the last landmark within the horizon are out
STEP_MS = HOUR_MS


def measure(size: Size) -> Iterator[Figure]:
    """Give the cost of a landmark, and of its lessons."""
    took = call(cost, customers=CUSTOMERS[size])
    customers = {"customers": took["customers"], "clock": "CPU", YARDSTICK: took[YARDSTICK]}
    yield Figure(name="landmark", value=took["judged_us"], unit="us", detail=customers)
    yield Figure(
        name="landmark.released",
        value=took["released_us"],
        unit="us",
        detail={**customers, "of": "a landmark whose labels are released as lessons"},
    )
    yield Figure(
        name="landmark.learned",
        value=took["learned_us"],
        unit="us",
        detail={**customers, "lessons": took["lessons"], "of": "a landmark, in the trainer"},
    )


def cost(customers: int) -> dict[str, Any]:
    """Let the customers fall silent, and time what falls due."""
    policy = Policy()
    fold = detect_fold(policy)
    feed(fold, _short_stay(customers))
    last = START_MS + (VISITS - 1) * VISIT_EVERY_MS + customers
    # Until the first labels are due, a silence has landmarks and nothing else.
    early = last + back_age_ms(policy) - STEP_MS
    end = last + policy.horizon_ms + LAST_LABELS_MS
    yardstick = Yardstick()
    judged_s, _ = _pass(fold, last, early, yardstick)
    rest_s, lessons = _pass(fold, early, end, yardstick)
    judged_us = judged_s / (_rungs(policy, last, early) * customers) * 1e6
    # Of the rest, those judged are taken out; what remains is the labels' release.
    late = _rungs(policy, last, end) - _rungs(policy, last, early)
    released = _rungs(policy, last, end - policy.horizon_ms) * customers
    return {
        "customers": customers,
        "judged_us": judged_us,
        "released_us": (rest_s * 1e6 - late * customers * judged_us) / released,
        "learned_us": learn(policy, lessons) * 1e6 / released,
        "lessons": len(lessons),
        YARDSTICK: yardstick.us,
    }


def _short_stay(customers: int) -> Iterator[Track]:
    """Yield a few visits of everybody, too close together for a landmark between them."""
    tracks = Tracks(seed=1)
    for visit in range(VISITS):
        for customer in range(customers):
            yield tracks.write(customer, START_MS + visit * VISIT_EVERY_MS + customer)


def _rungs(policy: Policy, last_at: int, until: int) -> int:
    """Count the landmarks of one silence that lie before `until`."""
    ladder = Ladder(policy)
    rungs = (ladder.at(last_at, rung) for rung in count())
    return sum(1 for at in takewhile(lambda at: at is not None, rungs) if at and at < until)


def _pass(fold: Fold, begin_ms: int, end_ms: int, yardstick: Yardstick) -> tuple[float, Lessons]:
    """Pass time hour by hour, as it passes in a log; give CPU seconds, and the lessons."""
    seconds = 0.0
    lessons = Lessons()
    yardstick.measure()
    for moment in range(begin_ms, end_ms + STEP_MS, STEP_MS):
        seconds += pass_time(fold, min(moment, end_ms))
        lessons(fold.collect())
        if (moment - begin_ms) % DAY_MS == 0:
            yardstick.measure()
    return seconds, lessons
