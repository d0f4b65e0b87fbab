"""What is said of retention as it happens is what `slipaway retention` finds in the same log."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from faust.types import TP
from said import alert

from stream.detector.alerts import Kind, Trigger
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.periods import Every
from stream.detector.policy import Policy, Retention
from stream.detector.segments import Condition, Segment
from stream.detector.turnover import Counted
from stream.retention.figures import retention
from stream.retention.spans import Recorder
from stream.wire.events import Decoder, Heartbeat, encode_heartbeat, encode_usage
from stream.wire.retained import decode_retained, encode_retained
from stream.worker.dead_letters import PutAside
from stream.worker.detect import DetectFold
from stream.worker.engine_report import EngineReport
from stream.worker.failing import StopRule
from stream.worker.metrics import SEGMENTS_MAX, Metrics
from stream.worker.model_log import ModelLog
from stream.worker.publishing import Desk

BEGIN = 20_370 * DAY_MS
"""2025-10-09 00:00 UTC."""
END = BEGIN + 70 * DAY_MS
PRO = Segment(name="pro", where=(Condition(trait="plan", one_of=("pro",)),))
POLICY = Policy(
    horizon_ms=6 * DAY_MS,
    ending=("cancel",),
    segments=(PRO,),
    retention=Retention(every=Every.WEEK),
)
PARTITIONS = 2


def log() -> list[UsageEvent]:
    """Return what sixty customers do, some of whom leave and come back."""
    chance, events = Random(4), []
    for number in range(60):
        moment, who = BEGIN + chance.randrange(3 * DAY_MS), f"c{number}"
        moment += number // PARTITIONS % 4 * 10 * DAY_MS  # on each partition some from the begin
        if number % 3 == 0:
            events.append(UsageEvent(who, "identify", moment, END, traits={"plan": "pro"}))
        while moment < END:
            name = "cancel" if chance.random() < 0.05 else "use"
            events.append(UsageEvent(who, name, moment, END))
            moment += round(DAY_MS * chance.choice([0.01, 1, 2, 4, 9]) * chance.uniform(0.5, 1.5))
    return sorted(events, key=lambda event: event.occurred_at)


def make(metrics: Metrics, partition: int) -> DetectFold:
    """Return the work on one partition."""
    source = TP("usage", partition)
    desk = Desk(
        topic="alerts",
        holdout_topic="holdout",
        clock_kind="event",
        max_age_ms=DAY_MS,
        publish_backfill=False,
        lateness_ms=POLICY.allowed_lateness_ms,
        metrics=metrics,
        clock=lambda: END,
    )
    return DetectFold(
        source,
        policy=POLICY,
        decoder=Decoder(traits=POLICY.traits),
        models=ModelLog(POLICY, metrics),
        desk=desk,
        put_aside=PutAside(
            topic="dead",
            source=source,
            stage="detect",
            rule=StopRule(),
            metrics=metrics,
            clock=lambda: END,
        ),
        metrics=metrics,
        examples=None,
        wall_clock=False,
        retention="retention",
    )


def shown(
    metrics: Metrics, name: str = "slipaway_retention_customers", by: str = "segment"
) -> dict[tuple[str, str, str], float]:
    """Return what Prometheus is told of retention."""
    (family,) = [found for found in metrics.registry.collect() if found.name == name]
    return {(s.labels["period"], s.labels[by], s.labels["of"]): s.value for s in family.samples}


def expected(
    events: Sequence[UsageEvent], weeks: int | None = 1
) -> dict[tuple[str, str, str], float]:
    """Return the same of the last whole weeks, by what `slipaway retention` computes."""
    recorder = Recorder(POLICY)
    recorder.take(EventBatch.of(events))
    found = retention(recorder.spans(), POLICY.horizon_ms, Every.WEEK)
    rows: dict[tuple[str, str, str], float] = {}
    known = [one.begin for one in found.periods if one.retention is not None]
    for one in found.segments:
        if one.begin in known[-weeks if weeks else 0 :]:
            kept = one.at_start - one.lapsed - one.ended
            figures = {"kept": kept, "at_start": one.at_start, "lapsed": one.lapsed}
            figures |= {"ended": one.ended, "new": one.new, "back": one.back}
            rows |= {(one.begin, one.segment or "", of): n for of, n in figures.items()}
    return rows


@pytest.mark.parametrize("restarts", [False, True])
def test_the_gauges_are_the_figures_of_the_log(
    metrics: Metrics,
    record: Callable[..., Any],
    restarts: bool,  # noqa: FBT001
) -> None:
    """Summed over partitions, restored in between or not."""
    metrics.serves(app_id="a", clock="event", model="none", policy=POLICY)
    events = log()
    for number in range(PARTITIONS):
        mine = [e for e in events if int(e.customer_id[1:]) % PARTITIONS == number]
        records = [record(encode_usage(event)) for event in mine]
        records.append(record(encode_heartbeat(Heartbeat(events[-1].occurred_at))))
        fold, rows = make(metrics, number), dict[bytes, bytes | None]()
        fold.begin(None)
        for begin in range(0, len(records), 40):
            fold.apply(records[begin : begin + 40])
            if restarts:
                batch = fold.collect()
                rows |= dict(batch.rows)
                fold = make(metrics, number)
                for key, value in rows.items():
                    fold.load(key, value)
                fold.begin(batch.progress)
    found = shown(metrics)
    assert found == expected(events)
    gone = [customers for (_, _, of), customers in found.items() if of in ("lapsed", "ended")]
    assert sum(gone) > 0

    by_age = shown(metrics, "slipaway_retention_by_age_customers", "age")
    for name in ("at_start", "kept", "lapsed", "ended"):
        whole = sum(customers for (_, _, of), customers in found.items() if of == name)
        assert sum(customers for (_, _, of), customers in by_age.items() if of == name) == whole
    assert {age for _, age, _ in by_age} == {"3", "4-6", "7-12"}

    EngineReport(metrics).revoked([TP("usage", 0)], 0.0)
    of_one = shown(metrics)
    assert 0 < sum(of_one.values()) < sum(found.values())
    EngineReport(metrics).revoked([TP("usage", 1)], 0.0)
    assert shown(metrics) == {}
    assert shown(metrics, "slipaway_retention_by_age_customers", "age") == {}


@pytest.mark.parametrize("at_once", [40, 10_000])
@pytest.mark.parametrize("restarts", [False, True])
def test_the_topic_has_every_week_of_the_log(
    metrics: Metrics,
    record: Callable[..., Any],
    at_once: int,
    restarts: bool,  # noqa: FBT001
) -> None:
    """Also those that pass within one block, where a log is worked off; each change once."""
    events, latest = log(), dict[bytes, bytes | None]()
    for number in range(PARTITIONS):
        mine = [e for e in events if int(e.customer_id[1:]) % PARTITIONS == number]
        records = [record(encode_usage(event)) for event in mine]
        records.append(record(encode_heartbeat(Heartbeat(events[-1].occurred_at))))
        fold, rows = make(metrics, number), dict[bytes, bytes | None]()
        fold.begin(None)
        told: list[tuple[bytes | None, bytes | None]] = []
        for begin in range(0, len(records), at_once):
            fold.apply(records[begin : begin + at_once])
            batch = fold.collect()
            told += [(o.key, o.value) for o in batch.outputs if o.topic == "retention"]
            if restarts:
                rows |= dict(batch.rows)
                fold = make(metrics, number)
                for key, value in rows.items():
                    fold.load(key, value)
                fold.begin(batch.progress)
        latest |= dict(told)
        assert restarts or all(one != other for one, other in pairwise(told))
    found: Counter[tuple[str, str, str]] = Counter()
    for value in latest.values():
        said = decode_retained(value or b"")
        assert (said.every, said.horizon_days) == (Every.WEEK, 6)
        for segment, group in said.segments.items():
            for of, customers in msgspec.structs.asdict(group).items():
                found[said.first_day, segment, of] += customers
    weeks = expected(events, weeks=None)
    assert len({begin for begin, _, _ in weeks}) > 6
    assert {place: n for place, n in found.items() if n} == {p: n for p, n in weeks.items() if n}


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"[" * 9_000])
def test_what_is_no_count_is_refused(value: bytes) -> None:
    """Somebody else may write to the topic."""
    with pytest.raises(ValueError, match="no counts of who stayed"):
        decode_retained(value)


def test_counts_of_a_later_release_are_refused() -> None:
    """They may mean something else."""
    _, value = encode_retained(Counted(BEGIN, END), POLICY, 0)
    assert decode_retained(value).segments == {}
    with pytest.raises(ValueError, match="counts of version 2"):
        decode_retained(value.replace(b'"version":1', b'"version":2'))


def test_episodes_are_counted_by_segment_within_bounds(metrics: Metrics) -> None:
    """However many segments a policy has, they are not as many series."""
    names = [f"s{number}" for number in range(SEGMENTS_MAX + 5)]
    policy = Policy(segments=tuple(Segment(name=name) for name in names))
    metrics.serves(app_id="a", clock="event", model="none", policy=policy)
    metrics.moved([alert(kind=Kind.OPENED, trigger=Trigger.SILENCE, segment=n) for n in names])
    metrics.moved([alert(kind=Kind.ESCALATED, trigger=Trigger.SILENCE, segment="s0")])
    count = metrics.registry.get_sample_value
    labels = {"kind": "opened", "trigger": "silence"}
    assert count("slipaway_episodes_total", {**labels, "segment": "s0"}) == 1
    assert count("slipaway_episodes_total", {**labels, "segment": "(other)"}) == 5
    assert (
        count("slipaway_episodes_total", {**labels, "kind": "escalated", "segment": "s0"}) is None
    )
