"""Customers of a product that does not exist, and what really becomes of each.

A detector can only be shown to be right where the truth is known.  So these
customers have rhythms of their own (daily to fortnightly, regular or not, at
the office or in the evening), go on holiday, fade, decline, hesitate over the
cancel page and leave; and for each of them it is written down what happened
when.  Everything follows from the seed: the same seed gives the same events on
every machine and in every process.
"""

import math
from collections.abc import Iterator
from enum import Enum, auto
from random import Random
from zlib import crc32

import msgspec

from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UsageEvent

STARTS_AT_MS = 1_736_121_600_000
"""Monday, 2025-01-06 00:00 UTC: in the past, for a clock ahead of the broker's is refused."""

WARNING_NAME = "cancel_page_viewed"
ENDING_NAME = "subscription_cancelled"
SYNC_NAME = "background_sync"
"""What some apps send without their customer, even long after the customer left."""

LEAVES_FROM_DAY = 5
"""From here on customers leave evenly: a model that first saw weeks without a leaver would have
learned that nobody leaves."""
TURNS_FROM_DAY = 50
"""Nobody declines or hesitates before: there must be a habit to fall from."""

KINDS = (
    "project_opened",
    "document_edited",
    "task_completed",
    "comment_added",
    "message_sent",
    "search_performed",
    "dashboard_viewed",
    "file_uploaded",
    "item_shared",
    "report_exported",
    "template_used",
    "integration_run",
)
COUNTED = frozenset({"document_edited", "message_sent", "task_completed", "integration_run"})
"""Kinds whose events stand for several acts at once."""

GIVEN_NAMES = (
    *("ada", "amara", "anton", "bea", "chidi", "clara", "dario", "elif", "emil", "fatou", "finn"),
    *("grace", "hana", "ines", "ivan", "jonas", "kaya", "lea", "lin", "mara", "milo", "nadia"),
    *("noor", "olga", "pablo", "priya", "quentin", "rosa", "sami", "tomas", "yuki", "zoe"),
)


class Fate(Enum):
    """What becomes of a customer."""

    STAYS = auto()
    LEAVES = auto()
    DECLINES = auto()
    """Comes a third as often from some day on, and stays."""


class Truth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What really happened to one customer; times as in `UsageEvent`."""

    customer_id: str
    fate: Fate
    rhythm: str
    visits_at: tuple[int, ...]
    """The first event of every visit."""
    left_at: int | None = None
    """A leaver's last event; from here on there is silence, but for the app's own noise."""
    fades_at: int | None = None
    """A leaver's use narrows and thins from here on; None: it stops without a sign."""
    declines_at: int | None = None
    warned_at: int | None = None
    """Saw the cancel page."""
    ended_at: int | None = None
    """Cancelled."""
    away_from: int | None = None
    """Went on holiday."""
    away_until: int | None = None


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, in event-time order, and the truth behind it."""

    starts_at: int
    ends_at: int
    events: tuple[UsageEvent, ...]
    truths: tuple[Truth, ...]

    def __iter__(self) -> Iterator[UsageEvent]:
        """Give the events, oldest first."""
        return iter(self.events)


class _Rhythm(msgspec.Struct, frozen=True, kw_only=True):
    """How often a group of customers comes, and how evenly."""

    name: str
    share: float
    gap_days: float
    shapes: tuple[int, ...]
    """Erlang shapes of the gaps, one drawn per customer: 1 is random, 16 like clockwork."""


_RHYTHMS = (
    _Rhythm(name="daily", share=0.12, gap_days=1.2, shapes=(1, 2, 3)),
    _Rhythm(name="few a week", share=0.34, gap_days=2.4, shapes=(1, 2, 3)),
    _Rhythm(name="weekly", share=0.38, gap_days=5.8, shapes=(2, 3, 6)),
    _Rhythm(name="fortnightly", share=0.16, gap_days=10.5, shapes=(6, 16)),
)
_FREQUENT_GAP_DAYS = 4.0
"""Up to this gap a fall to a third still leaves a customer who comes."""


class _Day(msgspec.Struct, frozen=True, kw_only=True):
    """When in the week and in the day a group of customers has time."""

    share: float
    weekdays: tuple[float, ...]
    """Chance to come on that day if due, Monday first."""
    hours: tuple[int, ...]
    """Weight of each hour of the day."""


_DAYS = (
    _Day(
        share=0.55,
        weekdays=(1, 1, 1, 0.95, 0.8, 0.12, 0.1),
        hours=(0, 0, 0, 0, 0, 0, 1, 4, 9, 12, 12, 10, 6, 9, 12, 11, 9, 6, 3, 1, 1, 1, 0, 0),
    ),
    _Day(
        share=0.30,
        weekdays=(0.6, 0.6, 0.6, 0.6, 0.8, 1, 1),
        hours=(1, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 2, 2, 2, 4, 7, 10, 12, 10, 6, 3),
    ),
    _Day(share=0.15, weekdays=(1,) * 7, hours=(1,) * 6 + (2,) * 18),
)

_NEWCOMERS = 0.3
_LEAVERS = 0.25
_DECLINERS = 0.08
_FADING_LEAVERS = 0.75
_WARNING_LEAVERS = 0.35
_CANCELLING_WARNED = 0.5
_HESITATING_STAYERS = 0.02
_HOLIDAYS = 0.12
_SYNCING = 0.04
_DECLINED_RATE = 0.3
"""Drawn; with waiting for a day that suits it comes to about a third."""
_GAP_LONGEST_MS = 20 * MINUTE_MS
"""Within a visit: shorter than any sensible visit gap."""
_VISIT_SIZE_MAX = 40
_DAYS_MIN = TURNS_FROM_DAY + 10


class _Habit(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's own way of using the product, drawn once."""

    rhythm: _Rhythm
    gap_ms: float
    shape: int
    day: _Day
    kinds: tuple[str, ...]
    """Favourite first."""
    size: float
    """Scale of the events in a visit."""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What fate has in store for one customer, drawn before it happens."""

    fate: Fate
    starts_at: int
    stops_at: int
    fades_at: int | None = None
    declines_at: int | None = None
    away: tuple[int, int] | None = None
    warns: bool = False
    cancels: bool = False
    syncs: bool = False

    def faded(self, now: int) -> float:
        """Say how far the customer has faded: 0 not at all, 1 about to leave."""
        if self.fades_at is None or now <= self.fades_at:
            return 0.0
        return (now - self.fades_at) / (self.stops_at - self.fades_at)


def simulate(customers: int = 2_000, days: int = 120, seed: int = 1) -> Simulation:
    """Simulate that many customers for that many days (sixty or more).

    A customer's life depends on the seed and its own number alone, so a larger
    simulation holds the smaller one.
    """
    if days < _DAYS_MIN:
        raise ValueError(f"in {days} days nobody has time to turn: simulate {_DAYS_MIN} or more")
    ends_at = STARTS_AT_MS + days * DAY_MS
    events: list[UsageEvent] = []
    truths: list[Truth] = []
    for number in range(customers):
        life = _Life(number, Random(f"{seed}/{number}"), ends_at)  # noqa: S311 - play, not secrets
        truths.append(life.live())
        events += life.events
    events.sort(key=lambda event: (event.occurred_at, event.customer_id))
    return Simulation(
        starts_at=STARTS_AT_MS, ends_at=ends_at, events=tuple(events), truths=tuple(truths)
    )


def _habit(chance: Random) -> _Habit:
    """Draw a customer's way of using the product."""
    rhythm = chance.choices(_RHYTHMS, [r.share for r in _RHYTHMS])[0]
    return _Habit(
        rhythm=rhythm,
        gap_ms=rhythm.gap_days * DAY_MS * math.exp(chance.gauss(0, 0.15)),
        shape=chance.choice(rhythm.shapes),
        day=chance.choices(_DAYS, [d.share for d in _DAYS])[0],
        kinds=tuple(chance.sample(KINDS, chance.randint(3, 8))),
        size=chance.uniform(1.3, 3.9),
    )


def _plan(chance: Random, habit: _Habit, ends_at: int) -> _Plan:
    """Draw a customer's fate."""

    def day(first: float, last_at: int = ends_at) -> int:
        return int(chance.uniform(STARTS_AT_MS + first * DAY_MS, last_at))

    new = chance.random() < _NEWCOMERS
    starts_at = day(0, ends_at - 15 * DAY_MS) if new else day(0, int(STARTS_AT_MS + habit.gap_ms))
    settled_day = (starts_at - STARTS_AT_MS + 4 * habit.gap_ms) / DAY_MS
    drawn, syncs = chance.random(), chance.random() < _SYNCING

    if drawn < _LEAVERS and settled_day < (ends_at - STARTS_AT_MS) / DAY_MS - 1:
        stops_at = day(max(LEAVES_FROM_DAY, settled_day), ends_at - DAY_MS)
        length = int(min(35 * DAY_MS, max(10 * DAY_MS, 6 * habit.gap_ms)))
        warns = chance.random() < _WARNING_LEAVERS
        return _Plan(
            fate=Fate.LEAVES,
            starts_at=starts_at,
            stops_at=stops_at,
            fades_at=stops_at - length if chance.random() < _FADING_LEAVERS else None,
            warns=warns,
            cancels=warns and chance.random() < _CANCELLING_WARNED,
            syncs=syncs,
        )
    # Two thirds of the decliners' days are left to be noticed in.
    frequent = habit.rhythm.gap_days < _FREQUENT_GAP_DAYS
    if drawn > 1 - _DECLINERS / _frequent_share() and frequent and not new:
        return _Plan(
            fate=Fate.DECLINES,
            starts_at=starts_at,
            stops_at=ends_at,
            declines_at=day(TURNS_FROM_DAY, ends_at - (ends_at - STARTS_AT_MS) // 5),
            syncs=syncs,
        )
    away = None
    if frequent and chance.random() < _HOLIDAYS:
        away_from = day(settled_day + 10, max(ends_at, starts_at + 60 * DAY_MS))
        away = (away_from, away_from + chance.randint(6, 13) * DAY_MS)
    return _Plan(
        fate=Fate.STAYS,
        starts_at=starts_at,
        stops_at=ends_at,
        away=away,
        warns=chance.random() < _HESITATING_STAYERS,
        syncs=syncs,
    )


def _frequent_share() -> float:
    """Return the share of customers who come often enough to decline."""
    often = sum(r.share for r in _RHYTHMS if r.gap_days < _FREQUENT_GAP_DAYS)
    return often * (1 - _NEWCOMERS)


def traits(event: UsageEvent) -> dict[str, str | int]:
    """Say what the customer of an event is on, and what it pays a month."""
    if event.account_id:
        return {"plan": "team", "mrr": 30 * (1 + crc32(event.account_id.encode()) % 5)}
    return {"plan": "solo", "mrr": 9}


def first_message_id(customer_id: str) -> str:
    """Give the message id of a customer's first event."""
    return _message_id(customer_id, 0)


def _message_id(customer_id: str, number: int) -> str:
    return f"{customer_id}/{number}"


class _Life:
    """One customer from the first visit to the last."""

    def __init__(self, number: int, chance: Random, ends_at: int) -> None:
        """Draw the habit and the plan; `live` lives it."""
        self.customer_id = f"{GIVEN_NAMES[number % len(GIVEN_NAMES)]}-{number:04}"
        self.account_id = f"account-{number // 4:03}" if number % 8 < 4 else ""  # noqa: PLR2004 - half of them
        self.events: list[UsageEvent] = []
        self._chance = chance
        self._ends_at = ends_at
        self._habit = _habit(chance)
        self._plan = _plan(chance, self._habit, ends_at)

    def live(self) -> Truth:
        """Fill `events` in order, but for the app's own noise at their end, and tell the truth."""
        plan, chance = self._plan, self._chance
        visits_at: list[int] = []
        warned_at = None
        last_day = self._ends_at - DAY_MS
        hesitates_at = chance.uniform(STARTS_AT_MS + TURNS_FROM_DAY * DAY_MS, last_day)
        now = self._due(plan.starts_at, plan.starts_at)
        while now < plan.stops_at or not visits_at:
            visits_at.append(now)
            now = self._visit(now)
            hesitates = plan.fate is Fate.STAYS and plan.warns and warned_at is None
            if hesitates and hesitates_at <= now < last_day:
                now = warned_at = self._act(WARNING_NAME, now + self._minutes())
            now = self._due(now + self._gap(now), now)
        ended_at = None
        if plan.fate is Fate.LEAVES and plan.warns:
            warned_at = self._act(WARNING_NAME, self.events[-1].occurred_at + self._minutes())
            if plan.cancels:
                ended_at = self._act(ENDING_NAME, warned_at + self._minutes())
        while self.events[-1].occurred_at >= self._ends_at:  # what the end cuts off
            self.events.pop()
        left_at = self.events[-1].occurred_at if plan.fate is Fate.LEAVES else None
        self._sync(visits_at[0])
        return Truth(
            customer_id=self.customer_id,
            fate=plan.fate,
            rhythm=self._habit.rhythm.name,
            visits_at=tuple(visits_at),
            left_at=left_at,
            fades_at=plan.fades_at,
            declines_at=plan.declines_at,
            warned_at=warned_at,
            ended_at=ended_at,
            away_from=plan.away[0] if plan.away else None,
            away_until=plan.away[1] if plan.away else None,
        )

    def _act(self, name: str, now: int, volume: float = 1.0) -> int:
        """Do one thing, and return when."""
        self.events.append(
            UsageEvent(
                customer_id=self.customer_id,
                name=name,
                occurred_at=now,
                received_at=now,
                message_id=_message_id(self.customer_id, len(self.events)),
                volume=volume,
                account_id=self.account_id,
            )
        )
        return now

    def _visit(self, now: int) -> int:
        """Come for a burst of things to do, and return when the last was done."""
        chance, habit = self._chance, self._habit
        faded = self._plan.faded(now)
        size_mean = habit.size * (1 - 0.7 * faded)
        kinds = habit.kinds[: max(1, round(len(habit.kinds) * (1 - 0.7 * faded)))]
        weights = [1 / (place + 1) for place in range(len(kinds))]
        size = 1 + int(chance.expovariate(1 / size_mean))
        for place in range(min(size, _VISIT_SIZE_MAX)):
            if place:
                pause = int(chance.expovariate(1 / (80 * SECOND_MS)))
                now += min(SECOND_MS + pause, _GAP_LONGEST_MS)
            name = chance.choices(kinds, weights)[0]
            acts = 1 + int(chance.expovariate(1 / (5 * (1 - 0.6 * faded))))
            self._act(name, now, float(acts) if name in COUNTED else 1.0)
        return now

    def _gap(self, now: int) -> int:
        """Draw how long until the customer would come again."""
        plan, habit = self._plan, self._habit
        mean = habit.gap_ms * (1 + 0.8 * plan.faded(now))
        if plan.declines_at is not None and now >= plan.declines_at:
            mean /= _DECLINED_RATE
        return int(self._chance.gammavariate(habit.shape, mean / habit.shape))

    def _due(self, wanted: int, after: int) -> int:
        """Return when in week and day it suits the customer, at or after the day `wanted`."""
        away, day = self._plan.away, self._habit.day
        midnight = wanted - wanted % DAY_MS
        while True:
            if away is not None and away[0] - DAY_MS < midnight < away[1]:
                midnight = away[1] + (-away[1]) % DAY_MS
            weekday = (midnight - STARTS_AT_MS) // DAY_MS % 7
            hour = self._chance.choices(range(24), day.hours)[0]
            now = midnight + hour * HOUR_MS + int(self._chance.random() * HOUR_MS)
            if now > after + HOUR_MS and self._chance.random() < day.weekdays[weekday]:
                return now
            midnight += DAY_MS

    def _minutes(self) -> int:
        """Draw a short while."""
        return int(self._chance.uniform(1, 6) * MINUTE_MS)

    def _sync(self, first_at: int) -> None:
        """Let the app report by itself, whether or not anybody uses it."""
        if not self._plan.syncs:
            return
        now = first_at
        while (now := now + int(self._chance.uniform(1, 3) * DAY_MS)) < self._ends_at:
            self._act(SYNC_NAME, now)
