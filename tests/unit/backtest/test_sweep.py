"""Many settings of the dial in one replay: each as if it had been the only one."""

import io
import json

import msgspec
import pytest

from models.dials import Dials
from stream.backtest.sweep import Sweep, SweptReplay
from stream.demo.simulate import simulate
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.policy import Policy
from stream.detector.segments import Condition, Segment
from stream.replay.run import Replay
from stream.wire.times import from_iso

ENDED = "observation_ended"


def policy(**setting: float) -> Policy:
    """Return a policy with nothing but silence, and this setting of the dial."""
    return Policy(horizon_ms=14 * DAY_MS, unobserved=(ENDED,), **setting)


POLICIES = (
    policy(false_alarms_per_customer_month=0.05),
    policy(false_alarms_per_customer_month=0.2),
    policy(false_alarms_per_customer_month=0.6),
    policy(notice_days_per_false_alarm=9.0),
    policy(notice_days_per_false_alarm=3.0),
)


@pytest.fixture(scope="module")
def batches() -> list[EventBatch]:
    """Return a simulated product's events; every other customer is watched for a term only."""
    events = list(simulate(customers=150, days=75, seed=7))
    begin = min(event.occurred_at for event in events)
    for number, customer in enumerate(sorted({event.customer_id for event in events})):
        if number % 2:
            at = begin + (30 + number // 4) * DAY_MS
            events = [e for e in events if e.customer_id != customer or e.occurred_at < at]
            events.append(UsageEvent(customer, ENDED, at, at))
    events.sort(key=lambda event: event.occurred_at)
    return [EventBatch.of(events[begin : begin + 500]) for begin in range(0, len(events), 500)]


TRIALS = Segment(name="trials", where=(Condition(trait="plan", one_of=("trial",)),))
SEGMENTS = {
    "own rate": msgspec.structs.replace(TRIALS, false_alarms_per_customer_month=0.6),
    "own price": msgspec.structs.replace(TRIALS, notice_days_per_false_alarm=3.0),
}


def on_trial(batches: list[EventBatch]) -> list[EventBatch]:
    """Let every third customer be on trial; one in four of them buys a month later."""
    first = int(batches[0].occurred_at[0])
    customers = sorted({customer for batch in batches for customer in batch.customer_ids})
    told = [
        UsageEvent(customer, "identify", at, at, traits={"plan": plan})
        for number, customer in enumerate(customers[::3])
        for plan, at in (("trial", first), ("team", first + 30 * DAY_MS))
        if plan == "trial" or number % 4 == 0
    ]
    events = sorted([*told, *(e for b in batches for e in b)], key=lambda e: e.occurred_at)
    return [EventBatch.of(events[begin : begin + 500]) for begin in range(0, len(events), 500)]


@pytest.mark.parametrize("own", list(SEGMENTS))
def test_segments_with_dials_of_their_own_are_followed_as_well(
    batches: list[EventBatch], own: str
) -> None:
    """Alert for alert; and who is on trial is told of otherwise than without such a dial."""
    plain = policy(false_alarms_per_customer_month=0.2)
    ours = msgspec.structs.replace(plain, segments=(SEGMENTS[own],))
    told = on_trial(batches)
    sweep = Sweep([{0: Dials.set_to(14, ours.dials)}], ours)
    through(SweptReplay(ours, alerts=None, sweep=sweep), told)
    customers = sorted({customer for batch in told for customer in batch.customer_ids})
    codes = {customer: number for number, customer in enumerate(customers)}
    ((customer, at),) = sweep.alerts(codes)
    found = [(customers[code], moment) for code, moment in zip(customer, at, strict=True)]
    expected = opened(ours, told)
    assert sorted(found) == sorted(expected)
    assert sorted(opened(plain, told)) != sorted(expected)
    assert {dial for _, _, dial in sweep.moves} == {"", "trials"}


def opened(ours: Policy, batches: list[EventBatch]) -> list[tuple[str, int]]:
    """Replay, and give on whom episodes opened, and when."""
    alerts = io.BytesIO()
    through(Replay(ours, alerts=alerts), batches)
    said = [json.loads(line) for line in alerts.getvalue().splitlines()]
    return [(one["customer_id"], from_iso(one["time"])) for one in said if one["kind"] == "opened"]


def through(replay: Replay, batches: list[EventBatch]) -> None:
    """Run a replay to its end."""
    for batch in batches:
        replay.take(batch)
    replay.run_until((int(batches[-1].occurred_at[-1]) // DAY_MS + 20) * DAY_MS)


def test_every_setting_says_what_its_own_replay_would(batches: list[EventBatch]) -> None:
    """Alert for alert, to the millisecond."""
    dials = [{0: Dials.set_to(14, ours.dials)} for ours in POLICIES]
    sweep = Sweep(dials, POLICIES[0])
    through(SweptReplay(policy(), alerts=None, sweep=sweep), batches)
    customers = sorted({customer for batch in batches for customer in batch.customer_ids})
    codes = {customer: number for number, customer in enumerate(customers)}
    counts = []
    for ours, (customer, at) in zip(POLICIES, sweep.alerts(codes), strict=True):
        expected = opened(ours, batches)
        found = [(customers[code], moment) for code, moment in zip(customer, at, strict=True)]
        assert sorted(found) == sorted(expected)
        counts.append(len(found))
    assert 0 < counts[0] < counts[1] < counts[2]
    assert 0 < counts[3] < counts[4]
