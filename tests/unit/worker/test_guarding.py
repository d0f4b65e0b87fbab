"""Guarding: the hours of all partitions, whatever their pace, and whatever is restored."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from models.protocol import Hour, Lesson, Tally
from models.snapshots import Snapshot
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.policy import Guard, Policy
from stream.engine.flow import Batch
from stream.wire import snapshots
from stream.wire.lessons import encode_lesson
from stream.worker.guarding import Guarding
from stream.worker.metrics import Metrics
from stream.worker.training import GUARD_KEY, TrainFold

FIRST = 19_667 * DAY_MS
DAYS = 24
DOWN = range(22 * 24 + 10, 22 * 24 + 40)
"""Hours, counted from the first, in which nobody returns."""


def hour(number: int, returns: int = 20) -> Hour:
    """Return one hour of a partition with a hundred customers."""
    return Hour(FIRST + (number + 1) * HOUR_MS, 0 if number in DOWN else returns, 100 * HOUR_MS)


def taught(numbers: Iterable[int]) -> list[Lesson]:
    """Return what one partition teaches in some hours."""
    told: list[Lesson] = []
    for number in numbers:
        told.append(hour(number))
        if (number + 1) % 24 == 0:
            told.append(Tally(told[-1].hour_end, 99, 100.0, {}, 0, 0))  # type: ignore[union-attr]
    return told


def make(metrics: Metrics, policy: Policy | None = None) -> TrainFold:
    """Return the work on the examples of two partitions."""
    return TrainFold(
        "examples",
        policy=policy or Policy(),
        model="model",
        partitions=2,
        metrics=metrics,
    )


def published(batches: Iterable[Batch]) -> list[Snapshot]:
    """Return the snapshots that went out."""
    return [
        snapshots.decode(out.value or b"", Snapshot) for batch in batches for out in batch.outputs
    ]


def both(record: Any, behind: int = 0, hours: int = DAYS * 24) -> list[Any]:
    """Return the topic: the second partition is so many hours behind the first."""
    told = [(0, n) for n in range(hours)] + [(1, n) for n in range(hours)]
    told.sort(key=lambda entry: entry[1] + behind * entry[0])
    values = [
        encode_lesson(lesson, partition)
        for partition, number in told
        for lesson in taught([number])
    ]
    return [record(value, offset=n) for n, value in enumerate(values)]


def run(record: Any, size: int, *, restarting: bool, behind: int = 0) -> list[Snapshot]:
    """Work through all of it in blocks of `size`, restarting after each or never."""
    fold = make(Metrics())
    fold.begin(None)
    rows: dict[bytes, bytes | None] = {}
    batches: list[Batch] = []
    everything = both(record, behind)
    for start in range(0, len(everything), size):
        fold.apply(everything[start : start + size])
        batches.append(fold.collect())
        assert fold.pending == 0
        rows.update(batches[-1].rows)
        if restarting:
            fold = make(Metrics())
            for key, value in rows.items():
                if value is not None:
                    fold.load(key, value)
            fold.begin(batches[-1].progress)
    return published(batches)


def test_a_collapse_is_published_at_its_hour_and_by_every_day_while_it_lasts(record: Any) -> None:
    """Besides the daily snapshots two more: the same model, and what the guard has found."""
    told = run(record, 1_000, restarting=False)
    extra = [snapshot for snapshot in told if snapshot.effective_from % DAY_MS]
    assert len(told) == DAYS + 2
    down, up = extra
    first, last = DOWN.start, DOWN.stop
    assert down.guarded.suspended_since == FIRST + first * HOUR_MS
    assert down.effective_from == FIRST + (first + 3) * HOUR_MS
    assert up.guarded.suspended_since == 0
    assert last < (up.effective_from - FIRST) // HOUR_MS <= last + 3
    between = [s for s in told if down.effective_from <= s.effective_from < up.effective_from]
    assert len(between) == 2
    assert {snapshot.guarded for snapshot in between} == {down.guarded}
    blank = {"version": "", "effective_from": 0, "guarded": told[0].guarded}
    before = told[told.index(down) - 1]
    replaced = [msgspec.structs.replace(s, **blank) for s in (before, down)]  # type: ignore[arg-type]
    assert replaced[0] == replaced[1]


@pytest.mark.parametrize("size", [13, 61])
def test_a_restart_after_any_block_changes_no_snapshot(record: Any, size: int) -> None:
    """What the guard knows, and the hours it waits for, are saved with every block."""
    assert run(record, size, restarting=True) == run(record, 1_000, restarting=False)


@pytest.mark.parametrize("behind", [1, 30])
def test_partitions_at_different_paces_are_waited_for(record: Any, behind: int) -> None:
    """Lag never looks like silence: an hour is judged when everybody has told of it."""
    assert run(record, 1_000, restarting=False, behind=behind) == run(
        record, 1_000, restarting=False
    )


def test_a_partition_that_says_nothing_is_left_behind() -> None:
    """Two days behind, its hours are judged without it; what it tells of them later is dropped."""
    metrics = Metrics()
    guarding = Guarding(Policy(), 2, metrics)
    for number in range(30):
        assert list(guarding.hear(0, hour(number))) == []
    assert guarding._guard.state.until == 0
    for number in range(30, 60):
        list(guarding.hear(0, hour(number)))
    assert guarding._guard.state.until == FIRST + 60 * HOUR_MS
    list(guarding.hear(1, hour(3)))
    assert guarding._watched.sums == {}
    list(guarding.hear(0, hour(60)))
    assert guarding._guard.state.until == FIRST + 61 * HOUR_MS


def test_the_metrics_say_how_it_stands(record: Any) -> None:
    """An operator sees the ratio fall before alerts are suspended."""
    metrics = Metrics()
    fold = make(metrics)
    fold.begin(None)
    sample = metrics.registry.get_sample_value
    fold.apply(both(record, hours=DOWN.start + 2))
    assert sample("slipaway_alerts_suspended") == 0
    ratio = sample("slipaway_use_ratio")
    assert ratio is not None
    assert 0.3 < ratio < 1
    fold.begin(None)
    fold.apply(both(record, hours=DOWN.start + 9))
    assert sample("slipaway_alerts_suspended") == 1
    assert sample("slipaway_use_ratio") == 0
    since = sample("slipaway_alerts_suspended_since_timestamp_seconds")
    assert since == fold._guarding._watched.guard.guarded.suspended_since / 1000
    saved, restarted = fold._guarding.save(), Metrics()
    Guarding(Policy(), 2, restarted, saved)
    assert restarted.registry.get_sample_value("slipaway_alerts_suspended") == 1


def test_a_policy_without_a_guard_watches_nobody(record: Any) -> None:
    """And nothing is saved of it."""
    fold = make(Metrics(), Policy(guard=Guard(enabled=False)))
    fold.begin(None)
    fold.apply(both(record))
    saved = fold.collect()
    assert len(published([saved])) == DAYS
    assert GUARD_KEY not in dict(saved.rows)
