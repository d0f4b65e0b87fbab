"""Web: alive, ready, and metrics a scraper can read; and nothing of a customer."""

import aiohttp
from faust.types import TP
from prometheus_client.parser import text_string_to_metric_families

from stream.worker.metrics import EngineReport, Metrics
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


def test_every_metric_has_words_and_base_units(metrics: Metrics) -> None:
    """Whoever writes the alert rules reads these."""
    for family in metrics.registry.collect():
        if not family.name.startswith("slipaway"):
            continue
        assert family.documentation, family.name
        assert not family.name.endswith(("_ms", "_milliseconds", "_minutes", "_age")), family.name
