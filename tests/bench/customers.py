"""What an event costs while ten thousand customers are held, and while a million are.

The same visits of twenty events by the same mix of customers; only how many
live at a time differs, and with it how long a day's events take to come.  No
landmark falls due (the horizon is ten years): what they cost is another figure.
"""

from collections.abc import Iterator
from statistics import median
from typing import Any

from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from tests.bench import population
from tests.bench.child import YARDSTICK, call
from tests.bench.figure import Figure, Size, rounded
from tests.bench.folds import Saved, clones, detect_fold, feed

TARGET = "flat within 15 %"
COUNTS = {
    Size.TINY: (200, 400),
    Size.QUICK: (10_000, 100_000),
    Size.NORMAL: (10_000, 100_000, 1_000_000),
    Size.FULL: (10_000, 100_000, 1_000_000),
}
EVENTS = {Size.TINY: 500, Size.QUICK: 50_000, Size.NORMAL: 200_000, Size.FULL: 1_000_000}
ROUNDS = {Size.TINY: 1, Size.QUICK: 1, Size.NORMAL: 3, Size.FULL: 3}
PER_VISIT = 20
TEMPLATES = 200
PAST_DAYS = 40
NO_LANDMARKS = Policy(horizon_ms=3_600 * DAY_MS)


def measure(size: Size) -> Iterator[Figure]:
    """Give the cost of an event with few and with many customers, and how it grows."""
    rounds: list[dict[int, dict[str, Any]]] = []
    for number in range(ROUNDS[size]):
        counts = COUNTS[size]
        rounds.append(
            {n: call(cost, customers=n, events=EVENTS[size], seed=number) for n in counts}
        )
    least = COUNTS[size][0]
    for count in COUNTS[size]:
        yield Figure(
            name=f"event.{count}",
            value=median(took[count]["us"] for took in rounds),
            unit="us/event",
            detail={
                "clock": "CPU",
                "collect_us": rounded(median(took[count]["collect_us"] for took in rounds)),
                YARDSTICK: median(took[count][YARDSTICK] for took in rounds),
            },
        )
        if count != least:
            yield Figure(
                name=f"event.{count}.ratio",
                value=median(took[count]["us"] / took[least]["us"] for took in rounds),
                unit="ratio",
                target=TARGET,
                to=f"the cost of an event among {least} customers, in the same round",
            )


def cost(customers: int, events: int, seed: int) -> dict[str, Any]:
    """Hold so many customers, and time so many events."""
    past = population.visits(TEMPLATES, PAST_DAYS, seed=seed)
    saved = Saved()
    feed(detect_fold(NO_LANDMARKS), population.events(past, 2, seed), saved)
    names = (b"c%06d" % number for number in range(customers))
    values = (value for _, value in clones(saved.rows, customers))
    fold = detect_fold(NO_LANDMARKS, zip(names, values, strict=True), saved.progress)
    days = 1.1 * events / PER_VISIT / customers / population.VISITS_PER_DAY
    present = population.visits(customers, days, seed + 1, begin_ms=past.until_ms + DAY_MS)
    took = feed(fold, population.events(present, PER_VISIT, seed))
    return {
        "customers": customers,
        "events": took.events,
        "us": took.apply_s / took.events * 1e6,
        "collect_us": took.collect_s / took.events * 1e6,
    }
