"""What the worker says of itself, read as a Prometheus would."""

from prometheus_client import generate_latest

from stream.demo.gauges import Reading, read
from stream.detector.errors import Code
from stream.worker.metrics import Metrics

RAW, USAGE = "d.events", "d.usage"


def test_the_reading_is_of_the_workers_own_metrics() -> None:
    """The names are the worker's: if it renames one, this fails before the demo does."""
    metrics = Metrics()
    metrics.took(RAW, {"ingested": 9})
    metrics.took(USAGE, {"applied": 5, "ignored": 1})
    metrics.put_aside(RAW, {Code.NO_TIME: 2})
    metrics.watermark.labels(USAGE, 0).set(1.5)
    metrics.watermark.labels(USAGE, 1).set(2.5)
    metrics.watermark.labels("other", 0).set(9)

    assert read(generate_latest(metrics.registry).decode(), RAW, USAGE) == Reading(
        applied=6, dead=2, decided_until_ms=(1_500, 2_500)
    )


def test_a_worker_that_has_done_nothing_yet_says_nothing() -> None:
    """Not an error: it has just started."""
    assert read(generate_latest(Metrics().registry).decode(), RAW, USAGE) == Reading()
