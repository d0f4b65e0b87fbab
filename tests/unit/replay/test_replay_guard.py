"""The guard in a replay: outages of a simulated product, and what becomes of its alerts."""

import io
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import msgspec
import pytest

from models.online import OnlineModel
from models.snapshots import Snapshot, cold
from models.timeline import Timeline
from stream.demo.simulate import STARTS_AT_MS, simulate
from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.batch import EventBatch
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS, UsageEvent
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Guard, Policy
from stream.replay.run import Replay
from stream.wire.alerts import decode_alert, encode_alert

POLICY = Policy(horizon_ms=20 * DAY_MS, own_gaps_min=1.0, ignore=("background_sync",))
BEGIN = STARTS_AT_MS + 57 * DAY_MS + 9 * HOUR_MS
"""A Tuesday morning, when a rhythm is known and the dial is warm."""


class Result(NamedTuple):
    """What a replay came to."""

    lines: list[bytes]
    snapshots: list[Snapshot]

    @property
    def alerts(self) -> list[Alert]:
        """Give what was said."""
        return [decode_alert(line) for line in self.lines]

    @property
    def notices(self) -> list[Alert]:
        """Give what was said of everybody."""
        return [alert for alert in self.alerts if alert.trigger is Trigger.POPULATION]

    def opened(self, begin: int, end: int) -> int:
        """Count the silences that were alerted on from `begin` to before `end` (ms)."""
        return sum(
            alert.kind is Kind.OPENED
            and alert.trigger is Trigger.SILENCE
            and begin <= alert.time < end
            for alert in self.alerts
        )


@pytest.fixture(scope="module")
def events() -> list[UsageEvent]:
    """Give seventy-two days of a product."""
    end = STARTS_AT_MS + 72 * DAY_MS
    return [event for event in simulate(450, 90, seed=3) if event.occurred_at < end]


def replayed(events: Sequence[UsageEvent], policy: Policy = POLICY, size: int = 5_000) -> Result:
    """Replay events in batches of a size."""
    said = io.BytesIO()
    run = Replay(policy, pinned=None, alerts=said)
    for begin in range(0, len(events), size):
        run.take(EventBatch.of(events[begin : begin + size]))
    run.run_until(events[-1].occurred_at)
    return Result(said.getvalue().splitlines(), run.snapshots)


def without(events: Sequence[UsageEvent], begin: int, hours: int) -> list[UsageEvent]:
    """Lose the events of some hours."""
    end = begin + hours * HOUR_MS
    return [event for event in events if not begin <= event.occurred_at < end]


@pytest.fixture(scope="module")
def plain(events: list[UsageEvent]) -> Result:
    """Give what is said without an outage."""
    return replayed(events)


@pytest.fixture(scope="module")
def two_days(events: list[UsageEvent]) -> Result:
    """Give what is said where two days of events are lost."""
    return replayed(without(events, BEGIN, 48))


def test_without_an_outage_the_guard_is_not_noticed(
    events: list[UsageEvent], plain: Result
) -> None:
    """Not an alert is another one for its watching."""
    off = replayed(events, msgspec.structs.replace(POLICY, guard=Guard(enabled=False)))
    assert plain.lines == off.lines
    assert plain.snapshots == off.snapshots


def test_an_outage_of_two_days_opens_nothing_and_ends_without_a_flood(
    events: list[UsageEvent], plain: Result, two_days: Result
) -> None:
    """Noticed within hours; afterwards no more alerts than without it."""
    down, up = two_days.notices
    assert (down.kind, up.kind) == (Kind.SUSPENDED, Kind.RESUMED)
    assert down.time - BEGIN <= 5 * HOUR_MS
    assert 0 <= up.time - (BEGIN + 2 * DAY_MS) <= 8 * HOUR_MS
    assert two_days.opened(down.time, up.time) == 0
    off = replayed(
        without(events, BEGIN, 48),
        msgspec.structs.replace(POLICY, guard=Guard(enabled=False)),
    )
    assert off.opened(down.time, up.time) > 2 * plain.opened(down.time, up.time) > 0
    soon, later = up.time + 3 * DAY_MS, up.time + 10 * DAY_MS
    assert two_days.opened(up.time, soon) <= 1.5 * plain.opened(up.time, soon)
    ratio = two_days.opened(down.time, later) / plain.opened(down.time, later)
    assert 2 / 3 <= ratio <= 1.5, "what was put off is said, and no more than that"


def test_an_outage_of_six_hours_is_noticed_and_over_the_same_day(
    events: list[UsageEvent], plain: Result
) -> None:
    """It changes little, for silences are longer."""
    short = replayed(without(events, BEGIN, 6))
    down, up = short.notices
    assert down.time - BEGIN <= 5 * HOUR_MS
    assert up.time - BEGIN <= 14 * HOUR_MS
    end = up.time + 3 * DAY_MS
    assert short.opened(up.time, end) <= 1.5 * plain.opened(up.time, end)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_log_that_ends_is_no_outage(events: list[UsageEvent], *, goes_on: bool) -> None:
    """Past its last event nobody knows what came next; where it goes on, silence is one."""
    said = io.BytesIO()
    run = Replay(POLICY, pinned=None, alerts=said)
    last = BEGIN - 25 * DAY_MS
    run.take(EventBatch.of([event for event in events if event.occurred_at < last]))
    if goes_on:
        run.run_until((last // DAY_MS + 1) * DAY_MS)
    else:
        run.finish(last)
    assert (b'"suspended"' in said.getvalue()) == goes_on


def test_where_batches_are_cut_changes_nothing(events: list[UsageEvent], two_days: Result) -> None:
    """Neither alerts, nor notices, nor snapshots."""
    assert replayed(without(events, BEGIN, 48), size=777) == two_days


def test_three_partitions_with_its_snapshots_say_what_one_said(
    events: list[UsageEvent], two_days: Result
) -> None:
    """The notices once, by the first of them."""
    days = POLICY.horizon_ms / DAY_MS
    broken = without(events, BEGIN, 48)
    said: list[bytes] = []
    for number in range(3):
        timeline = Timeline(OnlineModel(cold(days, back_age_ms(POLICY) / DAY_MS)))
        for snapshot in two_days.snapshots:
            timeline.add(OnlineModel(snapshot))
        own = [e for e in broken if crc32(e.customer_id.encode()) % 3 == number]
        detector = Detector(POLICY, timeline, announces=number == 0)
        alerts = detector.on_events(own).alerts
        end = broken[-1].occurred_at + POLICY.allowed_lateness_ms
        said += [encode_alert(alert) for alert in alerts + detector.on_tick(end).alerts]
    assert sorted(said) == sorted(two_days.lines)


def test_a_small_product_that_has_just_begun_knows_its_weekends() -> None:
    """After two weeks an hour of a Sunday says nothing yet, but Sundays do."""
    end = STARTS_AT_MS + 35 * DAY_MS
    events = [event for event in simulate(150, 90, seed=1) if event.occurred_at < end]
    assert replayed(events).notices == []
