"""Organisations, simulated: offices whose members come on weekdays, and take their holidays."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS
from stream.detector.members import MemberNews, Tidings

BEGIN_DAY = 20_454
"""2026-01-01."""
BEGIN = BEGIN_DAY * DAY_MS
SATURDAY = 2
"""Days since 1970 modulo seven."""


@dataclass
class Member:
    """Somebody who uses the product at work."""

    name: str
    keenness: float
    """Chance to come on a weekday."""
    since: int = 0
    until: int = 10_000
    """Days since the beginning: from when to when."""
    away: set[int] = field(default_factory=set)
    """Days of holidays."""


def office(name: str, members: int, days: int, *, seed: int, keen: float = 0.0) -> list[Member]:
    """Give the members of an organisation; the first comes as `keen` says, if it says anything.

    Each is away for two weeks twice a year.
    """
    chance = Random(f"{seed} {name}")
    people = []
    for number in range(members):
        away: set[int] = set()
        for half_year in range(0, days, 182):
            first = half_year + chance.randrange(182)
            away.update(range(first, first + 14))
        keenness = keen if keen and not number else chance.uniform(0.15, 0.9)
        people.append(Member(f"{name}-{number}", keenness, away=away))
    return people


def visits(account: str, people: list[Member], days: int, *, seed: int) -> Iterator[MemberNews]:
    """Yield what such an organisation's account is told, in order of time."""
    chance = Random(f"{seed} {account} visits")
    for day in range(days):
        weekend = (BEGIN_DAY + day) % 7 in (SATURDAY, SATURDAY + 1)
        told = []
        for member in people:
            comes = chance.random() < member.keenness * (0.05 if weekend else 1.0)
            times = 1 + int(chance.random() < 0.4)
            moments = [chance.randrange(8 * HOUR_MS, 18 * HOUR_MS, MINUTE_MS) for _ in range(times)]
            if comes and member.since <= day < member.until and day not in member.away:
                told += [
                    MemberNews(BEGIN + day * DAY_MS + at, account, member.name, Tidings.VISIT)
                    for at in sorted(set(moments))
                ]
        yield from sorted(told)
