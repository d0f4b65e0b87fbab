"""A month of a product, compressed: what an event costs with all that silence makes due.

The same events are folded twice: under the default policy, and under one whose
first landmark lies beyond the log.  The difference is what landmarks cost, with
the release of their labels; the trainer's share is measured on its own fold.
"""

from collections.abc import Iterator
from typing import Any

from stream.detector.policy import Policy
from tests.bench import population
from tests.bench.child import YARDSTICK, call
from tests.bench.customers import NO_LANDMARKS
from tests.bench.figure import Figure, Size
from tests.bench.folds import Lessons, detect_fold, feed, learn

CUSTOMERS = {Size.TINY: 20, Size.QUICK: 500, Size.NORMAL: 10_000, Size.FULL: 1_000_000}
DAYS = 30.0
PER_VISIT = 20


def measure(size: Size) -> Iterator[Figure]:
    """Give the cost of an event of the mix, and what it is made of."""
    customers = CUSTOMERS[size]
    with_ = call(month, customers=customers, judging=True)
    without = call(month, customers=customers, judging=False)
    landmarks, events = with_["landmarks"], with_["events"]
    whole, bare = with_["us"], without["us"]
    detail = {"customers": customers, "events": events, "days": DAYS, "clock": "CPU"}
    for name, took in (("mix.event", with_), ("mix.event.bare", without)):
        beside = {**detail, YARDSTICK: took[YARDSTICK]}
        yield Figure(name=name, value=took["us"], unit="us/event", detail=beside)
    yield Figure(name="mix.landmarks", value=landmarks / events, unit="landmarks/event")
    yield Figure(
        name="mix.landmark",
        value=(whole - bare) * events / landmarks,
        unit="us/landmark",
        detail={"holds": "its judgement, its timers and the release of its labels"},
    )
    yield Figure(
        name="mix.landmarks.share",
        value=(whole - bare) / whole,
        unit="ratio",
        to="the cost of an event of the mix",
    )
    yield Figure(
        name="mix.trainer",
        value=with_["trainer_us"],
        unit="us/event",
        detail={"lessons": with_["lessons"], "in": "another fold, of one worker"},
    )


def month(customers: int, *, judging: bool) -> dict[str, Any]:
    """Fold a month; give what it took."""
    policy = Policy() if judging else NO_LANDMARKS
    drawn = population.visits(customers, DAYS, seed=1)
    lessons = Lessons()
    fed = feed(detect_fold(policy), population.events(drawn, PER_VISIT, seed=1), lessons)
    return {
        "events": fed.events,
        "us": fed.apply_s / fed.events * 1e6,
        "landmarks": population.judged(drawn, policy, PER_VISIT),
        "lessons": len(lessons),
        "trainer_us": learn(policy, lessons) / fed.events * 1e6 if judging else 0.0,
    }
