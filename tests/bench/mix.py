"""A month of a product, compressed: what an event costs with all that silence makes due.

The same events are folded twice, in turns: under the default policy, and under
one whose first landmark lies beyond the log.  The difference is what landmarks
cost, with the release of their labels; the trainer's share is measured on its
own fold.
"""

from collections.abc import Iterator
from itertools import islice
from statistics import fmean
from typing import NamedTuple

from stream.detector.policy import Policy
from tests.bench import population
from tests.bench.child import YARDSTICK
from tests.bench.customers import NO_LANDMARKS, TURN_EVENTS
from tests.bench.figure import Figure, Size
from tests.bench.folds import Lessons, detect_fold, feed, learn
from tests.bench.turns import apart

CUSTOMERS = {Size.TINY: 20, Size.QUICK: 500, Size.NORMAL: 10_000, Size.FULL: 1_000_000}
DAYS = 30.0
PER_VISIT = 20


class Turn(NamedTuple):
    """What one turn took."""

    events: int
    cpu_s: float
    yardstick_us: float


class Month:
    """A month's events, and the fold that takes them."""

    def __init__(self, customers: int, judging: bool) -> None:  # noqa: FBT001 - crosses processes
        """Draw the month; judge landmarks, or have none."""
        self._policy = Policy() if judging else NO_LANDMARKS
        self._fold = detect_fold(self._policy)
        self._visits = population.visits(customers, DAYS, seed=1)
        self._events = population.events(self._visits, PER_VISIT, seed=1)
        self._lessons = Lessons()

    def turn(self) -> Turn:
        """Fold the next events; there are none after the month's last."""
        fed = feed(self._fold, islice(self._events, TURN_EVENTS), self._lessons)
        return Turn(fed.events, fed.apply_s, fed.yardstick_us)

    def landmarks(self) -> int:
        """Count the landmarks of the whole month."""
        return population.judged(self._visits, self._policy, PER_VISIT)

    def lessons(self) -> tuple[int, float]:
        """Teach the lessons so far; give their number, and the CPU seconds it took."""
        return len(self._lessons), learn(self._policy, self._lessons)


def measure(size: Size) -> Iterator[Figure]:
    """Give the cost of an event of the mix, and what it is made of."""
    customers = CUSTOMERS[size]
    took: list[tuple[Turn, Turn]] = []
    with apart(Month, customers, True) as whole, apart(Month, customers, False) as bare:  # noqa: FBT003
        while (turn := whole.turn()).events:
            took.append((turn, bare.turn()))
        landmarks = whole.landmarks()
        lessons, trainer_s = whole.lessons()
    events = sum(turn.events for turn, _ in took)
    us = [sum(pair[index].cpu_s for pair in took) / events * 1e6 for index in range(2)]
    detail = {"customers": customers, "events": events, "days": DAYS, "clock": "CPU"}
    for index, name in enumerate(("mix.event", "mix.event.bare")):
        yardstick = round(fmean(pair[index].yardstick_us for pair in took), 3)
        beside = {**detail, YARDSTICK: yardstick}
        yield Figure(name=name, value=us[index], unit="us/event", detail=beside)
    yield Figure(name="mix.landmarks", value=landmarks / events, unit="landmarks/event")
    yield Figure(
        name="mix.landmark",
        value=(us[0] - us[1]) * events / landmarks,
        unit="us/landmark",
        detail={"holds": "its judgement, its timers and the release of its labels"},
    )
    yield Figure(
        name="mix.landmarks.share",
        value=1 - us[1] / us[0],
        unit="ratio",
        to="the cost of an event of the mix",
    )
    yield Figure(
        name="mix.trainer",
        value=trainer_s / events * 1e6,
        unit="us/event",
        detail={"lessons": lessons, "in": "another fold, of one worker"},
    )
