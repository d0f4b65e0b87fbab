"""A worker whose clock is wrong by an hour: alerts come an hour early or late, and are the same."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from faust.types import TP

from models.snapshots import cold, name
from stream.demo.simulate import simulate
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.wire import snapshots
from stream.wire.events import Decoder, encode_usage
from stream.worker.dead_letters import PutAside
from stream.worker.detect import DetectFold
from stream.worker.failing import StopRule
from stream.worker.metrics import Metrics
from stream.worker.model_log import ModelLog
from stream.worker.publishing import Desk

POLICY = Policy(horizon_ms=20 * DAY_MS)
CUSTOMERS, DAYS = 40, 60


def fold() -> tuple[DetectFold, Metrics]:
    """Return the work of one partition by the clock on the wall, and a model that says much."""
    metrics = Metrics()
    models = ModelLog(POLICY, metrics)
    days = POLICY.horizon_ms / DAY_MS
    first = cold(days, back_age_ms(POLICY) / DAY_MS)
    models.take(
        snapshots.encode(
            name(msgspec.structs.replace(first, effective_from=DAY_MS, threshold=-1.0))
        )
    )
    desk = Desk(
        topic="alerts",
        holdout_topic="holdout",
        clock_kind="event",
        max_age_ms=DAY_MS,
        publish_backfill=True,
        lateness_ms=POLICY.allowed_lateness_ms,
        metrics=metrics,
        clock=lambda: 0,
    )
    tp = TP("usage", 0)
    aside = PutAside(
        topic="dead", source=tp, stage="detect", rule=StopRule(), metrics=metrics, clock=lambda: 0
    )
    work = DetectFold(
        tp,
        policy=POLICY,
        decoder=Decoder(),
        models=models,
        desk=desk,
        put_aside=aside,
        metrics=metrics,
        examples=None,
        wall_clock=True,
    )
    work.begin(None)
    return work, metrics


def silences(record: Callable[..., Any], off_ms: int) -> tuple[dict[str, str], Counter[str]]:
    """Let a product's days pass by a clock that is off.

    Return of whose silence is told, as of when; and events by what became of them.
    """
    work, metrics = fold()
    log = list(simulate(CUSTOMERS, DAYS, seed=5))
    begin, end = log[0].occurred_at, log[-1].occurred_at
    at, told = 0, []
    for hour in range(begin, end + HOUR_MS, HOUR_MS):
        block = []
        while at < len(log) and log[at].occurred_at < hour:
            block.append(record(encode_usage(log[at]), timestamp=log[at].occurred_at))
            at += 1
        work.apply(block)
        while work.tick(hour + off_ms, caught_up=True) is not None:
            pass
        said = [output.value for output in work.collect().outputs if output.topic == "alerts"]
        told += [msgspec.json.decode(value) for value in said if value is not None]
    opened = {
        alert["customer_id"]: str(alert["time"])
        for alert in told
        if alert["kind"] == "opened" and alert["trigger"] == "silence"
    }
    events_by_result = Counter(
        {
            sample.labels["result"]: int(sample.value)
            for metric in metrics.events.collect()
            for sample in metric.samples
            if sample.value
        }
    )
    return opened, events_by_result


def test_a_clock_that_is_an_hour_off_makes_nobody_leave(record: Callable[..., Any]) -> None:
    """The same silences are told of, as of the same moments; every event counts."""
    right, events = silences(record, 0)
    assert len(right) > CUSTOMERS / 2
    assert events == {"applied": events.total()}
    behind, events_behind = silences(record, -HOUR_MS)
    assert (behind, events_behind) == (right, events)
    ahead, events_ahead = silences(record, HOUR_MS)
    assert ahead == right
    assert events_ahead["late"] > 0  # to who thinks it is an hour later
    assert events_ahead["applied"] + events_ahead["late"] == events.total()
