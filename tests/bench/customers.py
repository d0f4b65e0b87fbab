"""What an event costs while ten thousand customers are held, and while a million are.

The same visits of twenty events by the same mix of customers; only how many
live at a time differs, and with it how long a day's events take to come.  No
landmark falls due (the horizon is ten years): what they cost is another figure.

Each number lives in a process of its own, and they take turns.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from statistics import median
from typing import NamedTuple

from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from tests.bench import population
from tests.bench.child import YARDSTICK
from tests.bench.figure import Figure, Size, rounded
from tests.bench.folds import SAVE_EVERY, SLICE, Saved, clones, detect_fold, feed
from tests.bench.turns import apart

TARGET = "flat within 15 %"
COUNTS = {
    Size.TINY: (200, 400),
    Size.QUICK: (10_000, 100_000),
    Size.NORMAL: (10_000, 100_000, 1_000_000),
    Size.FULL: (10_000, 100_000, 1_000_000),
}
TURNS = {Size.TINY: 1, Size.QUICK: 6, Size.NORMAL: 40, Size.FULL: 100}
TURN_EVENTS = SLICE * SAVE_EVERY
PER_VISIT = 20
TEMPLATES = 200
PAST_DAYS = 40
NO_LANDMARKS = Policy(horizon_ms=3_600 * DAY_MS)


class Turn(NamedTuple):
    """What one turn took, in microseconds of CPU an event."""

    us: float
    collect_us: float
    yardstick_us: float


class Held:
    """So many customers, and the events that they go on to send."""

    def __init__(self, customers: int, turns: int, seed: int = 1) -> None:
        """Restore the customers: the visits of a few, under many names."""
        past = population.visits(TEMPLATES, PAST_DAYS, seed)
        saved = Saved()
        feed(detect_fold(NO_LANDMARKS), population.events(past, 2, seed), saved)
        names = (b"c%06d" % number for number in range(customers))
        values = (value for _, value in clones(saved.rows, customers))
        self._fold = detect_fold(NO_LANDMARKS, zip(names, values, strict=True), saved.progress)
        visits = 1.5 * TURN_EVENTS * turns / PER_VISIT
        days = visits / customers / population.VISITS_PER_DAY
        present = population.visits(customers, days, seed + 1, begin_ms=past.until_ms + DAY_MS)
        self._events = population.events(present, PER_VISIT, seed)

    def turn(self) -> Turn:
        """Fold the next events."""
        fed = feed(self._fold, islice(self._events, TURN_EVENTS))
        each = 1e6 / fed.events
        return Turn(fed.apply_s * each, fed.collect_s * each, fed.yardstick_us)


def measure(size: Size) -> Iterator[Figure]:
    """Give the cost of an event with few and with many customers, and how it grows."""
    counts, turns = COUNTS[size], TURNS[size]
    with ExitStack() as stack:
        held = {count: stack.enter_context(apart(Held, count, turns)) for count in counts}
        took = [{count: held[count].turn() for count in counts} for _ in range(turns)]
    least = counts[0]
    for count in counts:
        mine = [turn[count] for turn in took]
        yield Figure(
            name=f"event.{count}",
            value=median(one.us for one in mine),
            unit="us/event",
            detail={
                "clock": "CPU",
                "collect_us": rounded(median(one.collect_us for one in mine)),
                YARDSTICK: median(one.yardstick_us for one in mine),
                "turns": turns,
            },
        )
        if count != least:
            yield Figure(
                name=f"event.{count}.ratio",
                value=sum(turn[count].us for turn in took) / sum(turn[least].us for turn in took),
                unit="ratio",
                target=TARGET,
                to=f"the cost of an event among {least} customers, in turns",
                detail={"median": rounded(median(t[count].us / t[least].us for t in took))},
            )
