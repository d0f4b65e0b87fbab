"""Simulated organisations: what is lost is found, how soon, and how often in vain."""

from collections import Counter
from collections.abc import Callable
from statistics import median

import pytest
from organisations import BEGIN, Member, office, visits

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.accounts.roll_up import RollUp
from stream.detector.alerts import Kind
from stream.detector.events import DAY_MS
from stream.detector.policy import Accounts, Policy
from stream.detector.stages import AccountTrigger

POLICY = Policy(accounts=Accounts(enabled=True))
DAYS = 330
GONE = 200
"""The day on which something happens."""


def alerts_on(name: str, people: list[Member], seed: int) -> list[AccountAlert]:
    """Return what is said of an organisation."""
    roll_up = RollUp(POLICY)
    roll_up.take(visits(name, people, DAYS, seed=seed))
    return roll_up.pass_time(BEGIN + DAYS * DAY_MS)


def day_of(alert: AccountAlert) -> int:
    """Return the day of an alert."""
    return (alert.time - BEGIN) // DAY_MS


def halved(people: list[Member]) -> None:
    """Let two thirds of the members leave."""
    for member in people[len(people) // 3 :]:
        member.until = GONE


def led(people: list[Member]) -> None:
    """Let everything hang on one member, who leaves."""
    for member in people[1:]:
        member.keenness = 0.6 / len(people)
    people[0].until = GONE


def deserted(people: list[Member]) -> None:
    """Let everybody leave."""
    for member in people:
        member.until = GONE


def narrowed(people: list[Member]) -> None:
    """Let all but one of five come only every fourth week: no seat is lost."""
    del people[5:]
    people[0].away.clear()
    for number, member in enumerate(people[1:]):
        member.keenness = 0.97
        member.away = {day for day in range(GONE, DAYS) if (day + number) % 29}


@pytest.mark.parametrize(
    ("change", "triggers", "share", "days"),
    [
        (halved, {AccountTrigger.SEATS, AccountTrigger.BREADTH}, 0.9, 31),
        (led, {AccountTrigger.CHAMPION}, 0.8, 21),
        (deserted, {AccountTrigger.SILENCE}, 1.0, 12),
        (narrowed, {AccountTrigger.BREADTH, AccountTrigger.SEATS}, 0.9, 50),
    ],
    ids=["seats lost", "champion gone", "nobody left", "one carries it"],
)
def test_what_is_lost_is_found(
    change: Callable[[list[Member]], None],
    triggers: set[AccountTrigger],
    share: float,
    days: int,
) -> None:
    """In this share of the organisations, by such a trigger, and so soon in the median."""
    delays, found = [], 0
    for number in range(40):
        name = f"org{number}"
        people = office(name, 5 + number % 12, DAYS, seed=11, keen=0.95)
        change(people)
        opened = [
            alert
            for alert in alerts_on(name, people, seed=11)
            if alert.kind is Kind.OPENED and day_of(alert) >= GONE
        ]
        if opened and opened[0].trigger in triggers:
            found += 1
            delays.append(day_of(opened[0]) - GONE)
    assert found >= share * 40
    assert median(delays) <= days


def test_false_alarms_on_healthy_accounts_are_rare() -> None:
    """At most one in a hundred account-months, in offices of 3 to 22, holidays and all."""
    kinds: Counter[tuple[str, str]] = Counter()
    accounts = 200
    for number in range(accounts):
        name = f"healthy{number}"
        people = office(name, 3 + number % 20, DAYS, seed=12)
        for alert in alerts_on(name, people, seed=12):
            kinds[alert.kind.value, alert.trigger.value] += 1
    opened = sum(count for (kind, _), count in kinds.items() if kind == "opened")
    assert 0 < opened <= 0.01 * accounts * DAYS / 30, kinds
    assert not any(kind == "lapsed" for kind, _ in kinds)
