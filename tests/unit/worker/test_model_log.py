"""The model log: torn, older and unknown snapshots leave the last good one."""

import msgspec

from models.snapshots import Snapshot, cold, name
from stream.detector.policy import Policy
from stream.wire import snapshots
from stream.worker.metrics import Metrics
from stream.worker.model_log import ModelLog


def snapshot(day: int) -> Snapshot:
    """Return a model effective from a day on."""
    return name(msgspec.structs.replace(cold(30.0, 2.5), effective_from=day * 86_400_000))


def count(metrics: Metrics, result: str) -> float | None:
    """Return how many snapshots met that fate."""
    name = "slipaway_model_snapshots_total"
    return metrics.registry.get_sample_value(name, {"result": result})


def test_models_are_given_in_event_time_whatever_order_they_came_in(metrics: Metrics) -> None:
    """Snapshots of another run may be published later."""
    log = ModelLog(Policy(), metrics)
    for day in (3, 1, 2):
        log.take(snapshots.encode(snapshot(day)))
    assert log.seen == 3
    assert [m.effective_from // 86_400_000 for m in log.after(0)] == [1, 2, 3]
    assert [m.effective_from // 86_400_000 for m in log.after(86_400_000)] == [2, 3]
    assert log.known(snapshot(2).version).effective_from == 2 * 86_400_000
    assert log.known("cold") is log.cold
    newest = metrics.registry.get_sample_value("slipaway_model_effective_timestamp_seconds")
    assert newest == 3 * 86_400


def test_what_cannot_be_used_is_counted_and_skipped(metrics: Metrics) -> None:
    """A torn snapshot decides about nobody."""
    log = ModelLog(Policy(), metrics)
    good = snapshots.encode(snapshot(1))
    for value in (good, good[:-9], good.replace(b"snapshot.v1", b"snapshot.v9"), b"", good, None):
        log.take(value)
    assert log.seen == 1
    assert (count(metrics, "loaded"), count(metrics, "refused"), count(metrics, "older")) == (
        1,
        3,
        1,
    )
