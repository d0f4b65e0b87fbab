"""Detect: the pure detector's answers, whatever is restored on the way."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from faust.types import TP

from models.online import OnlineModel
from models.snapshots import Snapshot, cold, name
from models.timeline import Timeline
from stream.detector.detector import Detector
from stream.detector.errors import Code
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.identity import Handover, alias_event
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.engine.exits import Exit, Fatal
from stream.engine.flow import Batch
from stream.wire import snapshots
from stream.wire.alerts import encode_alert
from stream.wire.alias import encode_alias, sides
from stream.wire.events import Decoder, Heartbeat, encode_heartbeat, encode_usage
from stream.wire.lessons import decode_lesson
from stream.wire.travel import encode_sent
from stream.worker import detect
from stream.worker.dead_letters import PutAside
from stream.worker.detect import DetectFold
from stream.worker.failing import StopRule
from stream.worker.metrics import Metrics
from stream.worker.model_log import ModelLog
from stream.worker.publishing import Desk

NOW_MS = 1_770_000_000_000
BEGIN = NOW_MS - 200 * DAY_MS
END = NOW_MS - 60 * DAY_MS
POLICY = Policy()

Make = Callable[..., DetectFold]


def events() -> list[UsageEvent]:
    """Return the visits of ten customers, who stop one after the other."""
    return sorted(
        (
            UsageEvent(f"c{n}", "opened", BEGIN + visit * DAY_MS + n, NOW_MS, f"{n}-{visit}")
            for n in range(10)
            for visit in range(5 + 4 * n)
        ),
        key=lambda event: event.occurred_at,
    )


def snapshot(day: int, threshold: float = -3.0) -> Snapshot:
    """Return a model that opens episodes, effective from a day after the beginning."""
    days = POLICY.horizon_ms / DAY_MS
    first = cold(days, back_age_ms(POLICY) / DAY_MS)
    at = BEGIN + day * DAY_MS
    return name(msgspec.structs.replace(first, effective_from=at, threshold=threshold))


@pytest.fixture
def models(metrics: Metrics) -> ModelLog:
    """Return a model log without models."""
    return ModelLog(POLICY, metrics)


@pytest.fixture
def make(metrics: Metrics, models: ModelLog) -> Make:
    """Return what makes the work on one partition."""

    def fold(*, wall: bool = False, app: str = "") -> DetectFold:
        desk = Desk(
            topic="alerts",
            holdout_topic="holdout",
            clock_kind="wall" if wall else "event",
            max_age_ms=DAY_MS,
            publish_backfill=False,
            lateness_ms=POLICY.allowed_lateness_ms,
            metrics=metrics,
            clock=lambda: NOW_MS,
        )
        put_aside = PutAside(
            topic="dead",
            source=TP("usage", 0),
            stage="detect",
            rule=StopRule(),
            metrics=metrics,
            clock=lambda: NOW_MS,
        )
        return DetectFold(
            TP("usage", 0),
            policy=POLICY,
            decoder=Decoder(aliases=bool(app)),
            models=models,
            desk=desk,
            put_aside=put_aside,
            metrics=metrics,
            examples="examples",
            wall_clock=wall,
            app=app,
        )

    return fold


def said(batches: Sequence[Batch]) -> list[bytes]:
    """Return the alerts of some batches, in order."""
    return [out.value or b"" for batch in batches for out in batch.outputs if out.topic == "alerts"]


def kept(batches: Sequence[Batch]) -> dict[bytes, bytes | None]:
    """Return what a compacted state topic would hold after some batches."""
    return {key: value for batch in batches for key, value in batch.rows}


def restored(fold: DetectFold, batches: Sequence[Batch]) -> DetectFold:
    """Return a fold that has loaded what the batches saved."""
    for batch in batches:
        for key, value in batch.rows:
            fold.load(key, value)
    fold.begin(batches[-1].progress if batches else None)
    return fold


def test_alerts_are_those_of_the_pure_detector(make: Make, record: Any, models: ModelLog) -> None:
    """The worker decides nothing itself; a heartbeat moves event time in its place."""
    model = snapshot(0)
    models.take(snapshots.encode(model))
    timeline = Timeline(models.cold)
    timeline.add(OnlineModel(model))
    detector = Detector(POLICY, timeline)
    expected = detector.on_events(events()).alerts
    expected += detector.on_tick(END + POLICY.allowed_lateness_ms).alerts
    assert expected

    fold = restored(make(), [])
    fold.apply(
        [*(record(encode_usage(e)) for e in events()), record(encode_heartbeat(Heartbeat(END)))]
    )
    assert said([fold.collect()]) == [encode_alert(alert) for alert in expected]


def test_a_restart_at_any_block_changes_nothing(make: Make, record: Any) -> None:
    """State, progress and the models' switches are all in what was saved."""
    records = [record(encode_usage(event)) for event in events()]
    records.append(record(encode_heartbeat(Heartbeat(END))))
    size = 40

    def run(*, restarting: bool) -> list[Batch]:
        log = ModelLog(POLICY, Metrics())
        fold = restored(make(), [])
        fold._models = log
        batches: list[Batch] = []
        for number, start in enumerate(range(0, len(records), size)):
            if number in {1, 3}:
                log.take(snapshots.encode(snapshot(5 * number, threshold=-3.0 - number)))
            fold.apply(records[start : start + size])
            batches.append(fold.collect())
            if restarting:
                fold = make()
                fold._models = log
                restored(fold, batches)
        return batches

    straight, broken = run(restarting=False), run(restarting=True)
    assert said(straight)
    assert said(broken) == said(straight)
    assert kept(straight) == kept(broken)
    assert straight[-1].progress == broken[-1].progress


def test_a_model_that_came_late_takes_over_from_the_watermark_on(
    make: Make, record: Any, models: ModelLog
) -> None:
    """What was decided stays decided; what is remembered is when the model really took over."""
    fold = restored(make(), [])
    fold.apply([record(encode_usage(event)) for event in events()])
    fold.collect()
    late = snapshot(1)
    models.take(snapshots.encode(late))
    fold.apply([record(encode_heartbeat(Heartbeat(END)))])
    rows = dict(fold.collect().rows)
    watermark = max(event.occurred_at for event in events()) - POLICY.allowed_lateness_ms
    assert rows[b"\x00model\x00" + late.version.encode()] == b"%d" % watermark


def test_a_model_nobody_knows_any_more_is_refused_with_the_way_out(make: Make) -> None:
    """Judging on with another model would change alerts without a word."""
    fold = make()
    fold.load(b"\x00model\x00warm-1-abc", b"17")
    with pytest.raises(Fatal, match="warm-1-abc") as refused:
        fold.begin(None)
    assert refused.value.code is Exit.TEMPORARY


def test_lag_is_no_silence(make: Make, record: Any, models: ModelLog) -> None:
    """Only a partition that is caught up may be carried by the wall clock."""
    models.take(snapshots.encode(snapshot(0)))
    fold = restored(make(wall=True), [])
    recent = [
        msgspec.structs.replace(event, occurred_at=event.occurred_at + 150 * DAY_MS)
        for event in events()
    ]
    fold.apply([record(encode_usage(event)) for event in recent if event.occurred_at < NOW_MS])
    before = said([fold.collect()])
    fold.tick(NOW_MS + 40 * DAY_MS, caught_up=False)
    assert fold.pending == 0
    fold.tick(NOW_MS, caught_up=True)
    assert fold._detector.progress.watermark.at == NOW_MS - POLICY.allowed_lateness_ms
    assert all(b'"backfill":false' in value for value in before + said([fold.collect()]))


def test_much_time_passes_in_short_turns(
    make: Make, record: Any, models: ModelLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage days fall due for everybody at once, and transactions need their turns."""
    models.take(snapshots.encode(snapshot(0)))
    at_once, in_turns = restored(make(wall=True), []), restored(make(wall=True), [])
    for fold in (at_once, in_turns):
        fold.apply([record(encode_usage(event)) for event in events()])
    at_once.tick(NOW_MS, caught_up=True)
    monkeypatch.setattr(detect, "TICK_SECONDS", 0.0)
    turns = 0
    while in_turns._detector.progress.watermark != at_once._detector.progress.watermark:
        in_turns.tick(NOW_MS, caught_up=True)
        turns += 1
    assert turns > 10
    said = at_once.collect()
    assert in_turns.collect() == said
    assert said.outputs


def test_the_event_clock_takes_no_ticks(make: Make) -> None:
    """A replay's now is in its events."""
    fold = restored(make(), [])
    fold.tick(NOW_MS, caught_up=True)
    assert fold.pending == 0
    assert fold._detector.progress.watermark.at == 0


def test_lessons_name_their_partition_and_bad_events_are_put_aside(make: Make, record: Any) -> None:
    """One block holds good and bad; both find their place."""
    fold = restored(make(), [])
    future = UsageEvent("c1", "opened", NOW_MS + DAY_MS, NOW_MS)
    fold.apply(
        [
            *(record(encode_usage(event)) for event in events()),
            record(b"nonsense", key=b"k"),
            record(encode_usage(future)),
            record(encode_heartbeat(Heartbeat(END))),
        ]
    )
    outputs = fold.collect().outputs
    letters = [out for out in outputs if out.topic == "dead"]
    assert sorted(out.value or b"" for out in letters) == [b"nonsense", encode_usage(future)]
    lessons = [decode_lesson(out.value) for out in outputs if out.topic == "examples"]
    assert lessons
    assert {partition for partition, _ in lessons} == {0}
    assert {out.partition for out in outputs if out.topic == "examples"} == {0}


def test_two_partitions_make_one_customer_of_two_ids(
    make: Make, record: Any, metrics: Metrics
) -> None:
    """The state goes through the usage topic; that of another application is none of ours."""
    old, new = restored(make(app="a"), []), restored(make(app="a"), [])
    visits = [UsageEvent("anon", "opened", BEGIN + day * DAY_MS, NOW_MS) for day in range(4)]
    alias = alias_event("anon", "u", BEGIN + 4 * DAY_MS, NOW_MS)
    joins, moves = map(encode_alias, sides(alias))
    beat = encode_heartbeat(Heartbeat(BEGIN + 5 * DAY_MS))
    old.apply([record(value) for value in [*map(encode_usage, visits), moves, beat]])
    (handed,) = [o for o in old.collect().outputs if o.topic == "usage"]
    assert handed.key == b"u"
    late = encode_usage(UsageEvent("anon", "opened", BEGIN + 6 * DAY_MS, NOW_MS))
    old.apply([record(late)])
    (forwarded,) = [o for o in old.collect().outputs if o.topic == "usage"]
    foreign = [o.value.replace(b'"app":"a"', b'"app":"b"') for o in (handed, forwarded)]
    values = [joins, beat, *foreign, handed.value, handed.value, forwarded.value]
    new.apply([record(value) for value in values])
    rows = kept([new.collect()])
    customer = detect.CUSTOMERS.decode(rows[b"u"] or b"")
    assert customer.visits == 4
    assert len(customer.waiting) == 1
    counted = metrics.registry.get_sample_value
    assert counted("slipaway_aliases_total", {"result": "merged"}) == 1
    assert counted("slipaway_events_total", {"topic": "usage", "result": "handover"}) == 2


def test_a_message_read_without_ingest_asks_for_the_other_id(make: Make, record: Any) -> None:
    """Where the usage topic has the sender's own messages, the old id may live elsewhere."""
    fold = restored(make(app="a"), [])
    said = b'{"type":"identify","userId":"u","anonymousId":"a","timestamp":"2026-01-05T10:00:00Z"}'
    fold.apply([record(said)])
    (asked,) = [o for o in fold.collect().outputs if o.topic == "usage"]
    assert asked.key == b"a"
    assert b'"side":"previous"' in (asked.value or b"")


def test_a_refused_alias_is_a_dead_letter(make: Make, record: Any) -> None:
    """Its letter is the answer that says so."""
    fold = restored(make(app="a"), [])
    answer = Handover(previous_id="a", customer_id="u", at=BEGIN, refused=Code.ALIAS_CHAIN.value)
    _, value = encode_sent(answer, "a")
    fold.apply([record(value)])
    (letter,) = [o for o in fold.collect().outputs if o.topic == "dead"]
    assert letter.value == value


def test_what_fails_is_counted_on_by_whoever_restores(make: Make, record: Any) -> None:
    """And what an earlier release saved, which forgot it, is read as it was."""
    work = restored(make(), [])
    work.apply([record(b"nonsense") for _ in range(600)])
    batch = work.collect()
    with pytest.raises(Fatal, match="1000 of the last 1000 events of usage"):
        restored(make(), [batch]).apply([record(b"nonsense") for _ in range(400)])
    saved = detect.REACHED.decode(batch.progress)
    before = (msgspec.to_builtins(saved.detector), msgspec.to_builtins(saved.origins))
    earlier = batch._replace(progress=batch.progress[:1] + msgspec.msgpack.encode(before))
    assert detect.REACHED.decode(earlier.progress).failing is None
    restored(make(), [earlier]).apply([record(b"nonsense") for _ in range(400)])
