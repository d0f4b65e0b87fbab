"""A simulated product of two kinds of customers, each with a horizon of its own, replayed."""

import io
import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.policy import Policy
from stream.detector.segments import Condition, Segment
from stream.replay.run import Replay

BEGIN = 20_454 * DAY_MS
EVER = 1 << 60
DAYS = 160
EACH = 60
"""Customers of a kind at any time."""
KINDS = {"trial": (7, 1.0, 25, 0.4), "large": (60, 8.0, 400, 0.02)}
"""Horizon and usual gap (days), how long customers stay (days), false alarms per customer-month."""
POLICY = Policy(
    horizon_ms=30 * DAY_MS,
    allowed_lateness_ms=0,
    segments=tuple(
        Segment(
            name=kind,
            where=(Condition(trait="plan", one_of=(kind,)),),
            horizon_ms=horizon * DAY_MS,
            false_alarms_per_customer_month=dial,
        )
        for kind, (horizon, _, _, dial) in KINDS.items()
    ),
)


@pytest.fixture(scope="module")
def events() -> list[UsageEvent]:
    """Give a log in which each place is taken by a new customer once its customer has left."""
    chance, found = Random(5), []
    for kind, (_, usual, stays, _) in KINDS.items():
        for place in range(EACH):
            begin = -chance.uniform(0, stays)
            while begin < DAYS:
                end = begin + chance.expovariate(1 / stays)
                who, own = f"{kind}-{place}-{begin:.1f}", usual * chance.gammavariate(6, 1 / 6)
                moment = begin
                while moment < min(end, DAYS):
                    if moment >= 0:
                        at = BEGIN + round(moment * DAY_MS)
                        found.append(UsageEvent(who, "used", at, EVER, traits={"plan": kind}))
                    moment += max(0.1, chance.gammavariate(2, own / 2))
                begin = max(end, 0.0)
    return sorted(found, key=lambda event: (event.occurred_at, event.customer_id))


@pytest.fixture(scope="module")
def replayed(events: list[UsageEvent]) -> tuple[Replay, list[dict[str, Any]]]:
    """Give the replay, at its end, and its alerts."""
    file = io.BytesIO()
    run = Replay(POLICY, alerts=file)
    for begin in range(0, len(events), 2_000):
        run.take(EventBatch.of(events[begin : begin + 2_000]))
    run.run_until(BEGIN + DAYS * DAY_MS)
    return run, [json.loads(line) for line in file.getvalue().splitlines()]


def test_each_lapses_at_its_own_and_is_noticed_before(
    replayed: tuple[Replay, list[dict[str, Any]]],
) -> None:
    """Nobody at the policy's, which nobody has."""
    _, alerts = replayed
    silent = {
        (alert["segment"], alert["silent_for_seconds"] / 86_400)
        for alert in alerts
        if alert["kind"] == "lapsed"
    }
    assert silent == {("trial", 7.0), ("large", 60.0)}
    opened = Counter(alert["segment"] for alert in alerts if alert["kind"] == "opened")
    assert min(opened["trial"], opened["large"]) >= 10
    early = [
        alert["silent_for_seconds"] / 86_400 / KINDS[alert["segment"]][0]
        for alert in alerts
        if alert["kind"] == "opened"
    ]
    assert max(early) < 1


def test_the_model_of_each_learns_and_knows_its_customers(
    replayed: tuple[Replay, list[dict[str, Any]]],
) -> None:
    """Their own gaps in the prior, their own weights, better than the prior alone."""
    run, _ = replayed
    parts = run.snapshots[-1].of_segments
    week, months = parts[7 * DAY_MS], parts[60 * DAY_MS]
    assert week.lapse is not None
    assert months.lapse is not None
    assert week.prior.alpha / week.prior.r == pytest.approx(KINDS["trial"][1], rel=0.5)
    assert months.prior.alpha / months.prior.r == pytest.approx(KINDS["large"][1], rel=0.5)
    assert week.log_losses["newton"] < week.log_losses["prior"]
    assert run.snapshots[-1].lapse is None, "nobody has the policy's"


def test_the_dial_of_each_is_held(replayed: tuple[Replay, list[dict[str, Any]]]) -> None:
    """By its own record, within what so few customers tell of a rate."""
    run, _ = replayed
    dials = {name: dial for one in run.trainers.values() for name, dial in one.dials.items()}
    for kind, (_, _, _, dial) in KINDS.items():
        found = dials[kind]
        assert found.threshold is not None
        assert found.target == dial
        assert found.measured is not None
        assert 0.2 < found.measured / dial < 1.6, (kind, found.measured)
    assert dials[""].months == 0


def test_how_batches_are_cut_counts_for_nothing(events: list[UsageEvent]) -> None:
    """Of who changes its horizon in the middle of a silence, neither."""
    some = tuple(f"{kind}-{place}-" for kind in KINDS for place in range(0, EACH, 3))
    log = [event for event in events if event.occurred_at < BEGIN + 25 * DAY_MS]
    log = [event for event in log if event.customer_id.startswith(some)]
    movers = sorted({event.customer_id for event in log if event.customer_id.startswith("trial")})
    log += [
        UsageEvent(who, "identify", BEGIN + (10 + number % 14) * DAY_MS, EVER, traits=traits)
        for number, who in enumerate(movers[::2])
        for traits in ({"plan": "large"},)
    ]
    log.sort(key=lambda event: (event.occurred_at, event.customer_id, event.name))
    said = []
    for size in (7, 3_000):
        file = io.BytesIO()
        run = Replay(POLICY, alerts=file)
        for begin in range(0, len(log), size):
            run.take(EventBatch.of(log[begin : begin + size]))
        run.run_until(BEGIN + 36 * DAY_MS)
        said.append((file.getvalue(), run.snapshots[-1].version))
    assert said[0] == said[1]
    kinds = Counter(json.loads(line)["kind"] for line in said[0][0].splitlines())
    assert kinds["lapsed"] > 5
