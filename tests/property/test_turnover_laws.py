"""What a partition counts of a period is what `slipaway retention` finds in the same log."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import msgspec
import pytest

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.batch import EventBatch
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.identity import alias_event
from stream.detector.periods import Every, boundaries
from stream.detector.policy import Policy, Retention
from stream.detector.progress import Progress
from stream.detector.roster import Roster
from stream.detector.segments import Condition, Segment
from stream.detector.stays import Close
from stream.detector.turnover import Counted
from stream.retention.figures import Period, retention
from stream.retention.spans import Recorder
from stream.wire.customers import CustomerCodec

BEGIN = 20_454 * DAY_MS
"""2026-01-01 00:00 UTC."""
EVER = 1 << 60
DAYS = 150
END = BEGIN + DAYS * DAY_MS
LATENESS = 2 * HOUR_MS
POLICY = Policy(
    horizon_ms=9 * DAY_MS,
    visit_gap_ms=30 * MINUTE_MS,
    allowed_lateness_ms=LATENESS,
    ending=("cancel",),
    unobserved=("stop",),
    paused=("pause",),
    resumed=("resume",),
    retention=Retention(every=Every.MONTH),
    segments=(
        Segment(name="trial", where=(Condition(trait="plan", one_of=("trial",)),)),
        Segment(name="team", where=(Condition(trait="plan", one_of=("team",)),)),
    ),
)
HORIZONS = msgspec.structs.replace(
    POLICY,
    segments=tuple(
        msgspec.structs.replace(segment, horizon_ms=days * DAY_MS)
        for segment, days in zip(POLICY.segments, (4, 20), strict=True)
    ),
)
"""Each segment lapses by a horizon of its own."""
CODEC = CustomerCodec()
Rows = dict[str, list[int]]
"""Segment -> at_start, lapsed, ended, new, back."""


def log(seed: int, customers: int = 25) -> list[UsageEvent]:
    """Give what some customers do: they come, leave, say so, pause, change plans, come back."""
    chance, events = Random(seed), []
    for number in range(customers):
        who, moment = f"c{number}", BEGIN + chance.randrange(60 * DAY_MS)
        while moment < BEGIN + DAYS * DAY_MS:
            name, traits = "use", None
            match chance.random():
                case drawn if drawn < 0.04:
                    name = "cancel"
                case drawn if drawn < 0.06:
                    name = "stop"
                case drawn if drawn < 0.09:
                    name = chance.choice(["pause", "resume"])
                case drawn if drawn < 0.14:
                    name, traits = "identify", {"plan": chance.choice(["trial", "team", None])}
            events.append(UsageEvent(who, name, moment, EVER, traits=traits))
            gap = chance.choice([5 * MINUTE_MS, DAY_MS, 4 * DAY_MS, 8 * DAY_MS, 15 * DAY_MS])
            moment += 1 + round(gap * chance.uniform(0.5, 1.5))
    return sorted(events, key=lambda event: (event.occurred_at, event.customer_id))


def found(events: list[UsageEvent], policy: Policy = POLICY) -> dict[str, Rows]:
    """Give what `slipaway retention` finds: by period and segment, of those with a rate."""
    recorder = Recorder(policy)
    recorder.take(EventBatch.of(events))
    figures = retention(recorder.spans(), policy.horizon_ms, policy.retention.every)
    known = {period.begin for period in figures.periods if period.retention is not None}
    told: dict[str, Rows] = {begin: {} for begin in known}
    for one in figures.segments:
        if one.begin in known and any(numbers(one)):
            told[one.begin][one.segment or ""] = numbers(one)
    return told


def numbers(one: Period) -> list[int]:
    """Give a period's figures in the order of `Counts`."""
    return [one.at_start, one.lapsed, one.ended, one.new, one.back]


def rows(period: Counted) -> Rows:
    """Give what a partition counted, but for segments of nobody."""
    counted = {name: list(msgspec.structs.astuple(c)) for name, c in period.segments.items()}
    return {name: row for name, row in counted.items() if any(row)}


def by_age(following: Detector) -> Rows:
    """Do so of those at the start, by age."""
    counted = following.turnover.told_by_age
    return {age: [c.at_start, c.lapsed, c.ended] for age, c in counted.items() if c.at_start}


def day(moment: int) -> str:
    """Write the day that begins at a moment (ms)."""
    return datetime.fromtimestamp(moment / 1000, UTC).date().isoformat()


def models() -> Timeline:
    """Give models as they are in the beginning: what is counted does not hang on them."""
    return Timeline(OnlineModel(cold(9.0, 1.0)))


def start(policy: Policy = POLICY, saved: Detector | None = None) -> Detector:
    """Give a detector, restored from what another one would have saved."""
    roster = Roster(CODEC)
    if saved is None:
        return Detector(policy, models(), customers=roster)
    saved.settle()
    for customer_id in saved.customers:
        roster.load(customer_id, CODEC.encode(saved.customers.look(customer_id)))
    progress = msgspec.msgpack.decode(msgspec.msgpack.encode(saved.progress), type=Progress)
    return Detector(policy, models(), customers=roster, progress=progress, erased=saved.erased)


def found_by_age(events: list[UsageEvent], policy: Policy) -> dict[str, Rows]:
    """Give of each period with a rate, by age: at_start, lapsed, ended; one customer at a time."""
    recorder = Recorder(policy)
    recorder.take(EventBatch.of(events))
    spans = recorder.spans()
    stays: dict[int, list[tuple[int, int, int]]] = {}
    for customer, *stay in zip(spans.customer, spans.begin, spans.end, spans.close, strict=True):
        stays.setdefault(customer, []).append((int(stay[0]), int(stay[1]), int(stay[2])))
    moments = list(boundaries(spans.first, spans.until, policy.retention.every, spans.local))
    told: dict[str, Rows] = {}
    for place, (begin, end) in enumerate(pairwise(moments)):
        if begin - spans.first < policy.horizon_ms:
            continue
        rows = told[day(begin)] = Rows()
        for mine in stays.values():
            closed = [close for _, until, close in mine if begin < until <= end]
            here = any(since < begin < until for since, until, _ in mine)
            if not here or Close.UNOBSERVED in closed:
                continue
            age = place + 1 - bisect_right(moments, min(since for since, *_ in mine))
            row = rows.setdefault(AGES[min(age, 13)], [0, 0, 0])
            row[0] += 1
            if not any(since < end < until for since, until, _ in mine):
                row[2 if closed[-1] == Close.ENDED else 1] += 1
    return told


AGES = [*"0123", *["4-6"] * 3, *["7-12"] * 6, "13+"]
"""Names of ages in periods."""


def told(
    events: Sequence[UsageEvent],
    *,
    size: int = 50,
    restarts: bool = False,
    policy: Policy = POLICY,
    ages: bool = False,
) -> dict[str, Rows]:
    """Give what a partition says of each period, as of the last time that it says so."""
    following, said = start(policy), dict[str, Rows]()

    def note() -> None:
        over = following.turnover.told
        if over is not None:
            said[day(over.begin)] = by_age(following) if ages else rows(over)

    for begin in range(0, len(events), size):
        following.on_events(events[begin : begin + size])
        note()
        if restarts:
            following = start(msgspec.structs.replace(policy, version=f"v{begin}"), following)
    following.on_tick(END + LATENESS)
    note()
    return said


def by_arrival(events: list[UsageEvent], delay: Callable[[UsageEvent], int]) -> list[UsageEvent]:
    """Put events in the order in which they come."""
    return sorted(events, key=lambda event: (event.occurred_at + delay(event), event.customer_id))


SEEDS = pytest.mark.parametrize("seed", range(5))


@SEEDS
@pytest.mark.parametrize("size", [1, 7, 60])
@pytest.mark.parametrize("policy", [POLICY, HORIZONS], ids=["one horizon", "three"])
def test_what_is_counted_is_what_the_log_says(seed: int, size: int, policy: Policy) -> None:
    """Of every period, by segment, wherever batches are cut."""
    events = log(seed)
    expected = found(events, policy)
    assert len(expected) >= 3
    assert told(events, size=size, policy=policy) == expected


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("every", [Every.WEEK, Every.MONTH])
def test_cohorts_are_those_of_the_log(seed: int, every: Every) -> None:
    """By age, in whatever batches, restored or told of late: also those that are one by then."""
    policy = msgspec.structs.replace(POLICY, retention=Retention(every=every))
    events, chance = log(seed), Random(seed)
    expected = found_by_age(events, policy)
    assert {age for rows in expected.values() for age in rows} >= (
        {"1", "2", "3", "4-6", "7-12", "13+"} if every is Every.WEEK else {"1", "2", "3"}
    )
    assert told(events, size=1, policy=policy, ages=True) == expected
    restored = told(events, size=20, restarts=True, policy=policy, ages=True)
    shuffled = by_arrival(events, lambda _: chance.randrange(LATENESS))
    for found in (restored, told(shuffled, size=5, policy=policy, ages=True)):
        assert len(found) >= 3
        assert found.items() <= expected.items()


@pytest.mark.parametrize("seed", range(2))
def test_cohorts_of_a_state_that_has_none_are_counted_anew(seed: int) -> None:
    """An earlier release wrote it; what is known by segment stays known."""
    events = log(seed)
    half = next(n for n, event in enumerate(events) if event.occurred_at > BEGIN + 100 * DAY_MS)
    before = start()
    before.on_events(events[:half])
    before.settle()
    state = before.turnover.state
    kept = [state.running, state.over]
    expected = [rows(one) for one in kept if one is not None]
    for one in kept:
        assert one is not None
        one.cohorts = {}
    state.cohort_ends, state.counts_cohorts = {}, False
    following = start(saved=before)
    state = following.turnover.state
    assert [rows(one) for one in (state.running, state.over) if one is not None] == expected
    following.on_events(events[half:])
    following.on_tick(END + LATENESS)
    over = following.turnover.told
    assert over is not None
    assert by_age(following) == found_by_age(events, POLICY)[day(over.begin)]


@SEEDS
def test_a_restart_loses_nothing_also_by_a_policy_that_was_changed(seed: int) -> None:
    """Counted anew of the rows, it is the same."""
    events = log(seed)
    assert told(events, restarts=True) == found(events)
    assert told(events, restarts=True, policy=HORIZONS) == found(events, HORIZONS)


@SEEDS
def test_the_order_within_the_lateness_counts_for_nothing(seed: int) -> None:
    """As it counts for no alert."""
    events = log(seed)
    chance = Random(seed)
    shuffled = by_arrival(events, lambda _: chance.randrange(LATENESS))
    assert told(shuffled) == found(events)


@SEEDS
def test_who_is_told_of_late_corrects_the_period_that_is_over(seed: int) -> None:
    """A telephone that was off line for days: it was here, whatever was said meanwhile."""
    chance = Random(seed)
    late = {f"c{number}": chance.randrange(6 * DAY_MS) for number in range(0, 25, 2)}
    events = [event for event in log(seed) if event.name == "use" or event.customer_id not in late]
    arriving = by_arrival(events, lambda event: late.get(event.customer_id, 0))
    assert told(arriving) == found(events)


@SEEDS
def test_partitions_add_up(seed: int) -> None:
    """Sums over partitions are the whole, of periods that all of them know."""
    events = log(seed, customers=40)
    whole, parts = told(events), []
    for number in range(3):
        mine = [event for event in events if int(event.customer_id[1:]) % 3 == number]
        parts.append(told(mine))
    for begin in set.intersection(*(set(part) for part in parts)):
        added: Rows = {}
        for part in parts:
            for segment, row in part[begin].items():
                added[segment] = [
                    a + b for a, b in zip(added.get(segment, [0] * 5), row, strict=True)
                ]
        assert added == whole[begin]


@SEEDS
def test_who_is_erased_is_in_no_count(seed: int) -> None:
    """As if it had never been there, in the running period and the one before it."""
    events = log(seed)
    following = start()
    following.on_events(events)
    following.on_tick(END + LATENESS)
    for number in range(0, 25, 3):
        following.erase(f"c{number}")
    others = [event for event in events if int(event.customer_id[1:]) % 3]
    over = following.turnover.told
    assert over is not None
    assert rows(over) == found(others)[day(over.begin)]


@SEEDS
def test_a_state_of_an_earlier_release_is_counted_from_the_next_period_on(seed: int) -> None:
    """Nobody knows when a customer came back before; that it is one now, its row says."""
    events = [event for event in log(seed) if event.name == "use"]
    half = next(n for n, event in enumerate(events) if event.occurred_at > BEGIN + 70 * DAY_MS)
    following = start()
    following.on_events(events[:half])
    following.settle()
    for customer_id in following.customers:
        following.customers[customer_id].tenure = None
    following.progress.turnover = None
    following = start(saved=following)
    following.on_events(events[half:])
    assert following.turnover.told is not None or following.turnover.state.over is not None
    following.on_tick(END + LATENESS)
    over = following.turnover.told
    assert over is not None
    mine, expected = rows(over), found(events)[day(over.begin)]
    # Who came first is not known to have been away: new and back are not told apart of these.
    assert mine[""][:3] == expected[""][:3]


def test_two_ids_of_one_customer_are_one_customer() -> None:
    """Kept through the alias, whichever of them came when."""
    visits = [("anon", day) for day in range(0, 40, 3)] + [("u", day) for day in range(30, 150, 3)]
    events = [UsageEvent(who, "use", BEGIN + day * DAY_MS, EVER) for who, day in visits]
    events.append(alias_event("anon", "u", BEGIN + 45 * DAY_MS, EVER))
    events.sort(key=lambda event: event.occurred_at)
    said = told(events, size=1)
    assert said["2026-02-01"] == {"": [1, 0, 0, 0, 0]}
    assert said["2026-03-01"] == {"": [1, 0, 0, 0, 0]}
    assert said["2026-04-01"] == {"": [1, 0, 0, 0, 0]}


def test_a_visit_across_a_boundary_is_of_somebody_who_is_here() -> None:
    """However long it lasts: nobody who is here is due to leave."""
    policy = msgspec.structs.replace(POLICY, visit_gap_ms=5 * DAY_MS, horizon_ms=6 * DAY_MS)
    events = [UsageEvent("a", "use", BEGIN + 4 * day * DAY_MS, EVER) for day in range(37)]
    said = told(events, size=1, policy=policy)
    assert said["2026-02-01"] == said["2026-04-01"] == {"": [1, 0, 0, 0, 0]}
