"""Falls on simulated products: who falls is known, by how much, and whether it lasts."""

from collections.abc import Callable, Sequence
from math import inf, sqrt
from random import Random
from typing import NamedTuple

import pytest

from models.falls import Falls
from models.online import OnlineModel
from models.protocol import Assessment, Facts, Tally
from models.snapshots import cold
from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.policy import Decline, Guard, Policy

START = 1_700_006_400_000
DAYS = 260
CUSTOMERS = 130
HORIZON = 20
DIAL = 0.1
SHARE = 0.2
POLICY = Policy(
    horizon_ms=HORIZON * DAY_MS,
    allowed_lateness_ms=0,
    false_alarms_per_customer_month=DIAL,
    decline=Decline(enabled=True, share=SHARE),
    guard=Guard(enabled=False),
)

Gap = Callable[[Random, float, bool], float]
"""Draws the next gap (days) of a customer at a day, who has fallen or not."""


class Learning(OnlineModel):
    """Knows of falls what has been learned so far, and says nothing of silences."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__(cold(HORIZON, 2.0))
        self.falls = Falls(HORIZON, SHARE * DIAL)

    def at(self, moment: int, horizon_ms: int = 0) -> "Learning":
        """Answer at any moment."""
        del moment, horizon_ms
        return self

    def assess(self, facts: Facts) -> Assessment:
        """Find no silence worth an alert."""
        del facts
        return Assessment(0.5, 0.5, 1.0, -inf, b"")

    def assess_many(self, facts: Sequence[Facts]) -> list[Assessment]:
        """Find none among many."""
        return [self.assess(one) for one in facts]

    def teaches(self, customer_hash: int) -> bool:
        """Learn nothing of silences."""
        del customer_hash
        return False

    def fall_level(self, fall: str) -> float | None:
        """Answer by the record so far."""
        return self.falls.found[fall].level if self.falls.found else None


class Outcome(NamedTuple):
    """What became of a product's customers."""

    told: list[tuple[str, float]]
    """Customer and day of each alert on decline."""
    falls_on: dict[str, float]
    levels: list[float | None]
    """In force, day by day."""


def followed(gap: Gap, fallers: float) -> Outcome:
    """Let customers come and, so many of them, fall; learn from it every midnight."""
    falls_on: dict[str, float] = {}
    days: list[list[UsageEvent]] = [[] for _ in range(DAYS)]
    for number in range(CUSTOMERS):
        customer, chance = f"c{number}", Random(f"decline/{number}")
        early = chance.random() < 0.6  # the record needs some to learn from
        falls = chance.uniform(25, 90) if early else chance.uniform(160, DAYS - 60)
        falls = falls if chance.random() < fallers else inf
        falls_on[customer] = falls
        day = chance.uniform(0, 3)
        while day < DAYS:
            at = START + round(day * DAY_MS)
            days[int(day)].append(UsageEvent(customer, "open", at, at))
            day += gap(chance, day, day > falls)
    learning = Learning()
    subject = Detector(POLICY, learning)
    said: list[Alert] = []
    levels: list[float | None] = []
    for number, events in enumerate(days):
        events.sort(key=lambda event: event.occurred_at)
        midnight = START + (number + 1) * DAY_MS
        for decisions in (subject.on_events(events), subject.on_tick(midnight)):
            said += decisions.alerts
            tallies = [lesson for lesson in decisions.lessons if isinstance(lesson, Tally)]
            if tallies:
                learning.falls.turn(tallies)
        levels.append(learning.fall_level("less"))
    told = [
        (alert.customer_id, (alert.time - START) / DAY_MS)
        for alert in said
        if alert.kind is Kind.OPENED and alert.trigger is Trigger.DECLINE
    ]
    return Outcome(told, falls_on, levels)


def falling(ratio: float) -> Gap:
    """Return customers who come by chance, four times in three days, and then so much less."""
    return lambda chance, _, fallen: chance.expovariate((ratio if fallen else 1.0) * 4 / 3)


@pytest.mark.parametrize("ratio", [0.3, 0.6])
def test_who_falls_is_told_of_and_who_stays_the_same_hardly_ever(ratio: float) -> None:
    """Once the record has shown that it lasts; in vain no more often than the share allows.

    That is a rate over everybody who is watched, and most of these have fallen by the end.  A fall
    to 0.3 is seen after some twenty usual gaps, one to 0.6 after sixty.
    """
    outcome = followed(falling(ratio), fallers=0.7)
    on = next(day for day, level in enumerate(outcome.levels) if level is not None)
    assert on < 175
    delays, in_vain = [], 0
    for customer, falls in outcome.falls_on.items():
        told = [day for who, day in outcome.told if who == customer]
        in_vain += sum(day < falls for day in told)
        if on < falls < DAYS - 59:
            delays.append(min([60.0, *(day - falls for day in told if day > falls)]))
    allowed = SHARE * DIAL * CUSTOMERS * (DAYS - on) / 30.4375
    assert in_vain <= allowed + 2 * sqrt(allowed)
    assert len(delays) >= 10
    assert sum(delays) / len(delays) < (20 if ratio < 0.5 else 50)


def test_where_falls_mean_nothing_nobody_is_told_of() -> None:
    """Customers who come in spells: often for ten days, and rarely for ten."""

    def in_spells(chance: Random, day: float, fallen: bool) -> float:  # noqa: FBT001 - a Gap
        del fallen
        return chance.expovariate(0.5 if day % 20 < 10 else 2.5)

    outcome = followed(in_spells, fallers=0.0)
    assert outcome.told == []
    assert set(outcome.levels) == {None}
