"""Decline on simulated products: who falls is known, by how much, and whether it lasts."""

import io
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import pytest

from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.policy import Decline, Guard, Policy
from stream.replay.run import Replay
from stream.wire.alerts import decode_alert

START = 1_700_006_400_000
DAYS = 240
CUSTOMERS = 160
HORIZON = 20
DIAL = 0.1
SHARE = 0.2

Gap = Callable[[Random, float, float | None], float]
"""Draws the next gap (days) of a customer at a day, who falls on another one or never."""


class Outcome(NamedTuple):
    """What a product's replay came to."""

    opened: list[Alert]
    falls_at: dict[str, float | None]
    levels: list[float | None]
    """Of coming less, day by day."""


def falling(ratio: float) -> Gap:
    """Return customers who come every day by chance, and from their day on at `ratio` of that."""

    def gap(chance: Random, day: float, falls_at: float | None) -> float:
        fallen = falls_at is not None and day > falls_at
        return chance.expovariate(ratio if fallen else 1.0)

    return gap


def reverting(chance: Random, day: float, falls_at: float | None) -> float:
    """Draw gaps that are long for a while and short again, without meaning anything."""
    del falls_at
    calm = (day + 97 * chance.getstate()[1][0]) % 24 < 12  # each customer in its own time
    return chance.expovariate(0.35 if calm else 1.6)


def replayed(gap: Gap, policy: Policy, fallers: float) -> Outcome:
    """Simulate a product and replay it; some customers leave, so silence has something to learn."""
    falls_at: dict[str, float | None] = {}
    events = []
    for number in range(CUSTOMERS):
        chance = Random(f"decline/{number}")
        leaves_at = chance.uniform(20, 2 * DAYS) if chance.random() < 0.4 else DAYS
        day = chance.uniform(0, 3)
        falls = chance.uniform(25, 0.9 * DAYS) if chance.random() < fallers else None
        customer = f"c{number}"
        falls_at[customer] = falls if falls is not None and falls < leaves_at else None
        while day < min(leaves_at, DAYS):
            at = START + round(day * DAY_MS)
            events.append(UsageEvent(customer, "open", at, at))
            day += gap(chance, day, falls)
    events.sort(key=lambda event: event.occurred_at)
    file = io.BytesIO()
    replay = Replay(policy, alerts=file)
    replay.take(EventBatch.of(events))
    replay.finish(events[-1].occurred_at)
    said = [decode_alert(line) for line in file.getvalue().splitlines()]
    levels = [s.falls["less"].level for s in replay.snapshots if s.falls]
    return Outcome([a for a in said if a.kind is Kind.OPENED], falls_at, levels)


def policy(*, decline: bool) -> Policy:
    """Return the product's policy."""
    return Policy(
        horizon_ms=HORIZON * DAY_MS,
        false_alarms_per_customer_month=DIAL,
        decline=Decline(enabled=decline, share=SHARE),
        guard=Guard(enabled=False),
    )


def day_of(alert: Alert) -> float:
    """Return the day of an alert."""
    return (alert.time - START) / DAY_MS


def noticed(outcome: Outcome, since: float) -> float:
    """Return how long after its fall a customer is first told of, on average; at most 40 days.

    Of those who fell from a day on, early enough to be followed for so long.
    """
    delays = []
    for customer, falls_at in outcome.falls_at.items():
        if falls_at is None or not since < falls_at < DAYS - 40:
            continue
        after = [day_of(a) - falls_at for a in outcome.opened if a.customer_id == customer]
        delays.append(min([40.0, *(days for days in after if days > 0)]))
    assert len(delays) >= 10
    return sum(delays) / len(delays)


@pytest.mark.parametrize("ratio", [0.3, 0.6])
def test_who_falls_is_told_of_sooner_than_by_silence(ratio: float) -> None:
    """With one dial for both; of silence alone the whole of it."""
    with_decline = replayed(falling(ratio), policy(decline=True), fallers=0.6)
    on = next((day for day, level in enumerate(with_decline.levels) if level is not None), DAYS)
    assert on < 0.6 * DAYS
    silence = replayed(falling(ratio), policy(decline=False), fallers=0.6)
    print(ratio, on, noticed(with_decline, on), noticed(silence, on))
    assert noticed(with_decline, on) < noticed(silence, on)


def test_who_stays_the_same_is_told_of_within_the_share() -> None:
    """A tenth of the customers does not change while the others fall."""
    outcome = replayed(falling(0.3), policy(decline=True), fallers=0.6)
    told = [
        alert
        for alert in outcome.opened
        if alert.trigger is Trigger.DECLINE
        and (outcome.falls_at[alert.customer_id] or DAYS) > day_of(alert)
    ]
    months = CUSTOMERS * DAYS / 30.4375 * 0.5
    print(len(told), months)
    assert len(told) / months <= 1.5 * SHARE * DIAL


def test_where_falls_mean_nothing_nobody_is_told_of() -> None:
    """Customers who come in spells: they come less, and more again."""
    outcome = replayed(reverting, policy(decline=True), fallers=0.0)
    assert set(outcome.levels) == {None}
