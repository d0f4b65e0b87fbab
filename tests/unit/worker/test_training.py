"""Training: what was heard survives a restart, and days turn the same."""

from math import isnan
from typing import Any

import pytest

from models.inputs import NAMES, freeze
from models.protocol import Example, Lesson, Sighting, Tally
from models.snapshots import Snapshot
from stream.detector.policy import Policy
from stream.engine.exits import Fatal
from stream.engine.flow import Batch
from stream.wire import snapshots
from stream.wire.lessons import encode_lesson
from stream.worker import training
from stream.worker.metrics import Metrics
from stream.worker.training import TrainFold

DAY_MS = 86_400_000
FIRST = 20_000


def lessons(days: int, partition: int) -> list[Lesson]:
    """Return what one partition teaches in some days."""
    taught: list[Lesson] = []
    for day in range(FIRST, FIRST + days):
        begin = day * DAY_MS
        taught += [
            Sighting(begin + n, n * 7 + partition, begin - DAY_MS, begin, n) for n in range(9)
        ]
        taught.append(Tally(begin + DAY_MS, 9, 3.0, {1: 0.5}, 1, 0))
    return taught


def make(metrics: Metrics, *, target: float = 0.05, horizon_days: float = 30.0) -> TrainFold:
    """Return the work on the examples of two partitions."""
    return TrainFold(
        "examples",
        policy=Policy(
            false_alarms_per_customer_month=target, horizon_ms=round(horizon_days * DAY_MS)
        ),
        model="model",
        partitions=2,
        metrics=metrics,
    )


def records(record: Any) -> list[Any]:
    """Return the examples topic: both partitions' lessons, one day each in turn."""
    by_partition = [lessons(6, partition) for partition in (0, 1)]
    values = [
        encode_lesson(lesson, partition)
        for day in range(6)
        for partition in (0, 1)
        for lesson in by_partition[partition][day * 10 : (day + 1) * 10]
    ]
    return [record(value, offset=n) for n, value in enumerate(values)]


def run(record: Any, metrics: Metrics, size: int, *, restarting: bool) -> list[Batch]:
    """Work through all of it in blocks of `size`, restarting after each or never."""
    fold = make(metrics)
    fold.begin(None)
    batches: list[Batch] = []
    everything = records(record)
    for start in range(0, len(everything), size):
        fold.apply(everything[start : start + size])
        batches.append(fold.collect())
        assert fold.pending == 0
        if restarting:
            fold = make(metrics)
            for batch in batches:
                for key, value in batch.rows:
                    fold.load(key, value)
            fold.begin(batches[-1].progress)
    return batches


def published(batches: list[Batch]) -> list[bytes]:
    """Return the snapshots that went out."""
    return [output.value or b"" for batch in batches for output in batch.outputs]


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_restart_after_any_block_changes_no_snapshot(
    record: Any, metrics: Metrics, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer's state is written once a day; in between its lessons are."""
    monkeypatch.setattr(training, "PACK_BYTES", 100)
    whole = published(run(record, metrics, 1_000, restarting=False))
    assert [snapshots.decode(value, Snapshot).effective_from for value in whole] == [
        (FIRST + day) * DAY_MS for day in range(1, 7)
    ]
    assert published(run(record, metrics, size, restarting=True)) == whole


def test_packs_are_deleted_when_a_day_is_turned(record: Any, metrics: Metrics) -> None:
    """What the state holds need not be taught again."""
    rows: dict[bytes, bytes | None] = {}
    for batch in run(record, metrics, 7, restarting=False):
        rows.update(batch.rows)
    assert [key for key, value in rows.items() if value is not None] == [b"trainer"]


@pytest.mark.parametrize(("horizon_days", "kept"), [(30.0, True), (60.0, False)])
def test_a_restart_with_another_policy_obeys_it(
    record: Any, metrics: Metrics, horizon_days: float, *, kept: bool
) -> None:
    """The dial as it is set now; and what was learned, unless it was about another horizon."""
    before = make(metrics)
    before.begin(None)
    everything = records(record)
    before.apply(everything[:80])
    saved = before.collect()
    after = make(metrics, target=0.3, horizon_days=horizon_days)
    for key, value in saved.rows:
        after.load(key, value)
    after.begin(saved.progress)
    after.apply(everything[80:])
    state = after.collect().rows
    (trainer,) = [training.TRAINER.decode(value) for key, value in state if key == b"trainer"]
    assert (trainer.dial.target, trainer.dial.horizon_days) == (0.3, horizon_days)
    assert (len(trainer.daily_visits) == 6) == kept


def test_what_the_models_cost_is_measured_and_a_drift_is_told(
    record: Any, metrics: Metrics
) -> None:
    """By contestant, and once for every drift found."""
    fold = make(metrics)
    fold.begin(None)
    frozen = freeze([0.0] * len(NAMES), (0.0, 0.0, 0.0))
    for day in range(FIRST, FIRST + 300):
        lapsed = int(day >= FIRST + 250)
        taught: list[Lesson] = [
            Example("lapse", day * DAY_MS, f"c{n}", 0, frozen, (lapsed, lapsed), 0.1)
            for n in range(3)
        ]
        taught.append(Tally((day + 1) * DAY_MS, 0, 0.0, {}, 0, 0))
        fold.apply([record(encode_lesson(x, p)) for p in (0, 1) for x in taught[-1 - 3 * p :]])
    value = metrics.registry.get_sample_value
    for name in ("newton", "adagrad", "prior"):
        assert value("slipaway_matured_log_loss", {"model": name, "horizon": ""}) is not None
    assert (value("slipaway_drifts_total", {"target": "lapse", "horizon": ""}) or 0) >= 1


@pytest.mark.parametrize("notice", [None, 2.0])
def test_a_restart_says_at_once_how_good_what_was_learned_is(
    record: Any, metrics: Metrics, notice: float | None
) -> None:
    """Else a roll-out would hide for a day that the dial is missed; where none is set, none is."""
    batches = run(record, metrics, 1_000, restarting=False)
    restarted = Metrics()
    fold = TrainFold(
        "examples",
        policy=Policy(notice_days_per_false_alarm=notice),
        model="model",
        partitions=2,
        metrics=restarted,
    )
    for batch in batches:
        for key, value in batch.rows:
            fold.load(key, value)
    fold.begin(batches[-1].progress)
    value = restarted.registry.get_sample_value
    rate = "slipaway_false_alarms_per_customer_month"
    assert value("slipaway_trainer_day_timestamp_seconds") == (FIRST + 6) * DAY_MS / 1000
    asked = value(rate, {"of": "set", "segment": ""})
    assert asked is not None
    assert asked == 0.05 if notice is None else isnan(asked)
    assert value(rate, {"of": "measured", "segment": ""}) == metrics.registry.get_sample_value(
        rate, {"of": "measured", "segment": ""}
    )
    assert value("slipaway_drifts_total", {"target": "lapse", "horizon": ""}) == 0


def test_a_foreign_message_stops_the_trainer(record: Any, metrics: Metrics) -> None:
    """The examples topic is ours alone; skipping what is not would skew every model after."""
    fold = make(metrics)
    fold.begin(None)
    with pytest.raises(Fatal, match="offset 3"):
        fold.apply([record(b"hello", offset=3)])
