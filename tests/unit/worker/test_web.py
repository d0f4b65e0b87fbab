"""Web: alive, ready, and metrics a scraper can read; and nothing of a customer."""

from math import isnan

import aiohttp
from faust.types import TP
from prometheus_client.parser import text_string_to_metric_families

from stream.worker.metrics import HEARD_SECONDS, NEAR_RECORDS, EngineReport, Metrics
from stream.worker.web import Web


async def test_it_says_whether_it_is_alive_and_ready_and_how_it_goes(metrics: Metrics) -> None:
    """A supervisor restarts what is not alive, and sends no work to what is not ready."""
    report = EngineReport(metrics)
    web = Web(host="127.0.0.1", port=0, registry=metrics.registry, unready=report.unready)
    await web.start()
    try:
        assert web._runner is not None
        port = web._runner.addresses[0][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def ask(path: str) -> tuple[int, str]:
                async with session.get(path) as response:
                    return response.status, await response.text()

            assert await ask("/healthz") == (200, '{"status": "alive"}')
            assert (await ask("/readyz"))[0] == 503
            report.assigned([], [TP("usage", 0)], 0.1)
            assert (await ask("/readyz"))[0] == 503
            report.lag(TP("usage", 0), 7, caught_up=False)
            assert await ask("/readyz") == (200, '{"status": "ready"}')
            status, text = await ask("/metrics")
            assert status == 200
            names = {family.name for family in text_string_to_metric_families(text)}
            assert {"slipaway_partitions_assigned", "slipaway_build_info"} <= names
    finally:
        await web.stop()


def test_what_is_said_of_a_partition_ends_when_it_goes(metrics: Metrics) -> None:
    """Two workers that both show one partition's lag cannot both be right."""
    report, tp = EngineReport(metrics), TP("usage", 3)
    labels = {"topic": "usage", "partition": "3"}
    report.assigned([], [tp], 0.1)
    report.lag(tp, 7, caught_up=False)
    metrics.stands(tp, 5_000, 2, 1)
    value = metrics.registry.get_sample_value
    assert value("slipaway_lag_records", labels) == 7
    assert value("slipaway_watermark_timestamp_seconds", labels) == 5
    report.revoked([tp], 0.1)
    assert report.unready()
    assert value("slipaway_lag_records", labels) is None
    assert value("slipaway_watermark_timestamp_seconds", labels) is None
    assert value("slipaway_partitions_assigned", {"topic": "usage"}) == 0


USAGE = TP("usage", 0)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        """Start at zero."""
        self.seconds = 0.0

    def __call__(self) -> float:
        """Read it."""
        return self.seconds


def test_ready_is_who_is_restored_and_near_the_end_of_every_log(metrics: Metrics) -> None:
    """One fetched block is near; and what was last heard a while ago is not known any more."""
    clock = Clock()
    report = EngineReport(metrics, clock=clock)
    assert report.unready() == "restoring or waiting for partitions"
    other = TP("usage", 1)
    report.assigned([], [USAGE, other], 1.0)
    report.lag(USAGE, 0, caught_up=True)
    assert report.unready()
    assert metrics.registry.get_sample_value("slipaway_ready") == 0
    report.lag(other, NEAR_RECORDS + 1, caught_up=False)
    assert report.unready()
    report.lag(other, NEAR_RECORDS, caught_up=False)
    assert report.unready() == ""
    assert metrics.registry.get_sample_value("slipaway_ready") == 1
    clock.seconds += HEARD_SECONDS + 1
    assert report.unready() == "catching up, or waiting for the broker"


def test_who_has_no_partitions_is_ready_to_take_some(metrics: Metrics) -> None:
    """More workers than partitions are no fault: a roll-out must not wait for the spare one."""
    report = EngineReport(metrics)
    report.assigned([], [], 0.1)
    assert report.unready() == ""


def test_end_to_end_is_from_the_record_to_the_commit_that_published(metrics: Metrics) -> None:
    """Turns folded while a transaction was open are of the next one; nothing said, no delay."""
    clock = Clock()
    report = EngineReport(metrics, clock=clock)
    long_ago = 1_000

    def counted() -> float | None:
        labels = {"topic": "usage"}
        return metrics.registry.get_sample_value("slipaway_publish_delay_seconds_count", labels)

    report.applied(USAGE, 10, 0.01, long_ago)
    clock.seconds = 1.0
    report.checkpointed(USAGE, 0.5, rows=3, outputs=0)
    assert counted() is None
    report.applied(USAGE, 10, 0.01, long_ago)
    clock.seconds = 2.0
    report.applied(USAGE, 10, 0.01, long_ago)
    clock.seconds = 2.4
    report.checkpointed(USAGE, 0.5, rows=0, outputs=2)
    assert counted() == 1
    clock.seconds = 3.0
    report.checkpointed(USAGE, 0.5, rows=0, outputs=1)
    assert counted() == 2
    waits = {"topic": "usage", "le": "600.0"}
    value = metrics.registry.get_sample_value
    assert value("slipaway_event_wait_seconds_bucket", waits) == 0  # since 1970
    assert value("slipaway_event_wait_seconds_count", {"topic": "usage"}) == 3


def test_what_only_the_trainer_knows_is_said_by_the_trainer(metrics: Metrics) -> None:
    """Whoever trained before must not go on saying that alerts are suspended."""
    report, lessons = EngineReport(metrics, "lessons"), TP("lessons", 0)
    value = metrics.registry.get_sample_value
    suspended = value("slipaway_alerts_suspended")
    assert suspended is not None
    assert isnan(suspended)
    report.assigned([], [USAGE, lessons], 0.1)
    metrics.guards(0.1, suspended_since=5_000)
    metrics.dials("", asked=0.05, expected=None, measured=0.04)
    assert value("slipaway_alerts_suspended") == 1
    assert value("slipaway_alerts_suspended_since_timestamp_seconds") == 5
    assert (
        value("slipaway_false_alarms_per_customer_month", {"of": "measured", "segment": ""}) == 0.04
    )
    report.revoked([USAGE, lessons], 0.1)
    assert isnan(value("slipaway_alerts_suspended") or 0)
    assert (
        value("slipaway_false_alarms_per_customer_month", {"of": "measured", "segment": ""}) is None
    )


def test_a_restore_that_was_given_up_is_no_restore_under_way(metrics: Metrics) -> None:
    """Its remainder would otherwise be shown for as long as the process lives."""
    report = EngineReport(metrics)
    report.restoring(USAGE, 10, 90)
    report.revoked([], 0.1)
    labels = {"topic": "usage", "partition": "0"}
    assert metrics.registry.get_sample_value("slipaway_restore_remaining_records", labels) is None


def test_every_metric_has_words_and_base_units(metrics: Metrics) -> None:
    """Whoever writes the alert rules reads these."""
    for family in metrics.registry.collect():
        if not family.name.startswith("slipaway"):
            continue
        assert family.documentation, family.name
        assert not family.name.endswith(("_ms", "_milliseconds", "_minutes", "_age")), family.name
