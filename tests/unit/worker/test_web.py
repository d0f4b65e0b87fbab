"""Web: alive, ready, and metrics a scraper can read; and nothing of a customer."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from math import isnan

import aiohttp
import pytest
from faust.types import TP
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from stream.worker import web as web_module
from stream.worker.engine_report import HEARD_SECONDS, NEAR_RECORDS, EngineReport
from stream.worker.metrics import Metrics
from stream.worker.web import ANSWERS_PER_SECOND, CONNECTIONS_MAX, WRITING_SHARE_MAX, Web


async def test_it_says_whether_it_is_alive_and_ready_and_how_it_goes(metrics: Metrics) -> None:
    """A supervisor restarts what is not alive, and sends no work to what is not ready."""
    report = EngineReport(metrics)
    web = Web(host="127.0.0.1", port=0, registry=metrics.registry, unready=report.unready)
    await web.start()
    try:
        port = web.address[1]
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


@asynccontextmanager
async def serving(metrics: Metrics, **options: str) -> AsyncIterator[tuple[Web, str]]:
    """Give a web that listens, and where."""
    options = {"host": "127.0.0.1", "token": "", **options}
    web = Web(port=0, registry=metrics.registry, unready=lambda: "", **options)
    await web.start()
    try:
        yield web, f"http://127.0.0.1:{web.address[1]}"
    finally:
        await web.stop()


@pytest.mark.parametrize(
    ("brought", "status"),
    [
        (None, 401),
        ("Bearer wrong", 401),
        ("Bearer s3cret ", 200),
        ("bearer s3cret", 200),
        ("Basic s3cret", 401),
        ("Bearer", 401),
        ("Bearer s3crét", 401),
    ],
)
async def test_metrics_are_for_who_brings_the_token_and_health_is_for_everybody(
    metrics: Metrics, brought: str | None, status: int
) -> None:
    """A kubelet brings none; how many customers there are is nobody else's business."""
    headers = {} if brought is None else {"Authorization": brought}
    async with (
        serving(metrics, token="s3cret") as (_, url),  # noqa: S106
        aiohttp.ClientSession(headers=headers) as session,
    ):
        for path, expected in (("/metrics", status), ("/healthz", 200), ("/readyz", 200)):
            async with session.get(url + path) as response:
                assert response.status == expected
                assert "s3cret" not in await response.text()


async def test_who_shows_metrics_to_the_network_is_warned(
    metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, where everybody may ask; with a token or on this machine alone, it is meant."""
    for options, warned in (
        ({"host": "0.0.0.0"}, True),  # noqa: S104
        ({"host": "0.0.0.0", "token": "s"}, False),  # noqa: S104
        ({}, False),
    ):
        async with serving(metrics, **options):
            assert ("metrics are shown to the network" in capsys.readouterr().out) is warned


async def test_a_thousand_requests_take_a_tenth_of_the_time_at_most(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done in the loop that folds: whoever asks often must not cost more than who asks."""
    monkeypatch.setattr(web_module, "ANSWERS_PER_SECOND", 10_000)
    written = 0

    class Counted:
        """A collector that counts how often it is asked, and takes its time."""

        def collect(self) -> Iterator[Metric]:
            nonlocal written
            written += 1
            time.sleep(0.02)
            yield from ()

    metrics.registry.register(Counted())
    written = 0  # registering asks, too
    async with (
        serving(metrics) as (web, url),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as session,
    ):

        async def ask() -> None:
            async with session.get(f"{url}/metrics") as response:
                assert b"slipaway_build_info" in await response.read()

        began = time.monotonic()
        for _ in range(50):
            await asyncio.gather(*[ask() for _ in range(20)])
        seconds = time.monotonic() - began
        assert 1 <= written <= 1 + seconds * WRITING_SHARE_MAX / 0.02
        assert web._runner is not None
        assert web._runner.server is not None
        assert len(web._runner.server.connections) <= 20


async def asked(session: aiohttp.ClientSession, path: str) -> int:
    """Ask, and return the status."""
    async with session.get(path) as response:
        await response.read()
        return response.status


async def test_answers_are_given_one_after_the_other_and_health_at_once(metrics: Metrics) -> None:
    """A storm takes its own time, not that of the work; no kubelet has to stand in the queue."""
    async with serving(metrics) as (_, url), aiohttp.ClientSession(url) as session:
        began = time.monotonic()
        storm = asyncio.gather(*[asked(session, "/metrics") for _ in range(60)])
        assert await asked(session, "/healthz") == 200
        assert not storm.done()
        assert set(await storm) == {200}
        assert time.monotonic() - began >= 59 / ANSWERS_PER_SECOND


async def test_whoever_would_wait_for_long_is_sent_away(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue without end would be one for every scraper, too."""
    monkeypatch.setattr(web_module, "ANSWERS_PER_SECOND", 2)
    monkeypatch.setattr(web_module, "WAIT_SECONDS_MAX", 0.6)
    async with serving(metrics) as (_, url), aiohttp.ClientSession(url) as session:
        statuses = await asyncio.gather(*[asked(session, "/metrics") for _ in range(20)])
        assert statuses.count(200) >= 2
        assert statuses.count(429) >= 1
        assert statuses.count(200) + statuses.count(429) == 20


async def test_connections_are_bounded_and_the_eldest_make_room(metrics: Metrics) -> None:
    """Whoever opens thousands and says nothing takes little memory, and locks out no kubelet."""
    async with serving(metrics) as (web, url):
        place = "127.0.0.1", web.address[1]
        opened = [await asyncio.open_connection(*place) for _ in range(CONNECTIONS_MAX + 5)]
        eldest = [reader for reader, _ in opened[:5]]
        assert [await reader.read() for reader in eldest] == [b""] * 5
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as response:
            assert response.status == 200
        assert web._runner is not None
        assert web._runner.server is not None
        assert len(web._runner.server.connections) <= CONNECTIONS_MAX
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()


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
