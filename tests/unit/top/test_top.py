"""Top: what workers and the broker say, on a screen of eighty columns, and what they do not say."""

import io
import socket

import aiohttp
import msgspec
import pytest
from faust.types import TP
from prometheus_client import generate_latest
from rich.console import Console
from typer.testing import CliRunner

from stream.cli import cli
from stream.detector.errors import Code
from stream.detector.policy import Policy
from stream.top.lags import Lags
from stream.top.picture import Picture, picture
from stream.top.scrape import Scrape, read, scrape
from stream.top.screen import ROWS_MAX, screen
from stream.worker.engine_report import EngineReport
from stream.worker.metrics import Metrics
from stream.worker.web import Web

NOW = 1_767_225_600.0
USAGE = "slipaway.usage"


def metrics_of(partitions: range, lag: int = 7) -> Metrics:
    """Return the metrics of a worker with these partitions."""
    metrics = Metrics()
    metrics.serves(app_id="shop", clock="wall", model="learn", policy=Policy())
    metrics.obeys("a3bbc6007451")
    report = EngineReport(metrics)
    for number in partitions:
        tp = TP(USAGE, number)
        report.assigned([], [tp], 0.1)
        report.lag(tp, lag + number, caught_up=False)
        metrics.stands(tp, round((NOW - 90) * 1_000), 1_000, 10)
        metrics.checkpointed.labels(USAGE, number).set(NOW - 0.5)
    metrics.took(USAGE, {"applied": 5_000})
    metrics.put_aside(USAGE, {Code.NO_TIME: 3})
    metrics.alerts.labels("opened", "silence").inc(4)
    return metrics


def look(url: str, metrics: Metrics, at: float = NOW) -> Scrape:
    """Return what a look at a worker gives."""
    return Scrape(url=url, at=at, said=read(generate_latest(metrics.registry).decode()))


def drawn(found: Picture, width: int = 80) -> str:
    """Return the screen as text."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(screen(found))
    return file.getvalue()


def test_the_screen_is_of_the_workers_own_metrics() -> None:
    """Names are theirs: if one is renamed, this fails before the screen is empty."""
    looks = [
        look("http://w0:8080/metrics", metrics_of(range(2))),
        look("http://w1:8080/metrics", metrics_of(range(2, 3))),
        Scrape(url="http://w2:8080/metrics", at=NOW, said=None, problem="refused"),
    ]
    found = picture(looks, Lags(lags={(USAGE, 0): 1, (USAGE, 3): 55}), NOW)
    assert [(row.partition, row.owner, row.lag) for row in found.partitions] == [
        (0, "w0:8080", 7),
        (1, "w0:8080", 8),
        (2, "w1:8080", 9),
        (3, "", 55),
    ]
    assert {row.behind_seconds for row in found.partitions} == {90.0, None}
    assert (found.app_id, found.alerts, found.dead_letters) == (
        "shop",
        {"opened": 8},
        {"no_time": 6},
    )
    text = drawn(found)
    assert max(map(len, text.splitlines())) <= 80
    for words in ("1.5 min", "nobody asked", "not reached: refused", "opened 8", "no_time 6"):
        assert words in text, text
    assert "lag 79" in text


def test_what_people_are_called_for_is_read_of_the_metrics() -> None:
    """The console judges by it."""
    metrics = metrics_of(range(1))
    metrics.model_effective.set(NOW - 5)
    metrics.processed.labels(USAGE, 0).set(NOW - 3)
    metrics.policy_file_in_force.set(0)
    said = look("http://w0:8080/metrics", metrics).said
    assert said is not None
    assert (said.clock, said.learns, said.policy_refused) == ("wall", True, True)
    assert (said.allowed_lateness, said.model_from) == (
        Policy().allowed_lateness_ms / 1_000,
        NOW - 5,
    )
    assert said.partitions[USAGE, 0].processed == NOW - 3
    metrics.policy_file_in_force.set(1)
    said = look("http://w0:8080/metrics", metrics).said
    assert said is not None
    assert not said.policy_refused


def test_what_was_done_lately_is_counted_over_restarts() -> None:
    """A counter that went back is of a process that began anew."""
    url = "http://w0:8080/metrics"
    metrics = metrics_of(range(1))
    before = look(url, metrics)
    metrics.alerts.labels("opened", "silence").inc(2)
    metrics.put_aside(USAGE, {Code.NO_TIME: 1})
    after = look(url, metrics, NOW + 30)
    found = picture([after], Lags(), NOW + 30, [before])
    assert found.alerts_per_minute == {"opened": 4.0}
    assert found.dead_letters_per_minute == 2.0
    anew = look(url, metrics_of(range(1)), NOW + 60)
    found = picture([anew], Lags(), NOW + 60, [after])
    assert found.alerts_per_minute == {"opened": 8.0}
    assert picture([anew], Lags(), NOW).alerts_per_minute is None


def test_many_partitions_and_strange_names_keep_the_screen_whole() -> None:
    """Those furthest behind are shown; nothing that a worker says commands a terminal."""
    metrics = metrics_of(range(100))
    metrics.build.info({"version": "\x1b[2J" + "x" * 500})
    found = picture([look("http://w0:8080/metrics", metrics)], Lags(problem="\x1b[2J"), NOW)
    text = drawn(found)
    assert "\x1b" not in text
    assert f"and {100 - ROWS_MAX} nearer" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "106" in text


async def test_who_answers_nonsense_or_nothing_is_named(metrics: Metrics) -> None:
    """One broken worker is a line on the screen, not the end of it."""
    web = Web(host="127.0.0.1", port=0, registry=metrics.registry, unready=lambda: "")
    await web.start()
    try:
        _, port = web.address
        async with aiohttp.ClientSession() as session:
            good = await scrape(session, f"http://127.0.0.1:{port}/metrics", NOW)
            wrong = await scrape(session, f"http://127.0.0.1:{port}/healthz", NOW)
            missing = await scrape(session, f"http://127.0.0.1:{port}/none", NOW)
            gone = await scrape(session, f"http://127.0.0.1:{free_port()}/metrics", NOW)
    finally:
        await web.stop()
    assert good.said is not None
    assert (wrong.said, missing.problem, gone.said) == (None, "status 404", None)
    assert wrong.problem
    assert gone.problem


@pytest.fixture
def metrics() -> Metrics:
    """Return the metrics of a worker."""
    return metrics_of(range(1))


def test_nobody_reached_is_exit_code_1_and_nonsense_2() -> None:
    """For a script that asks whether all is well."""
    url = f"http://127.0.0.1:{free_port()}"
    done = CliRunner().invoke(cli, ["top", url, "--once", "--no-kafka"])
    assert done.exit_code == 1
    assert "not reached" in done.output
    done = CliRunner().invoke(
        cli, ["top", url, "--json", "--bootstrap-servers", f"127.0.0.1:{free_port()}"]
    )
    assert done.exit_code == 1
    said = msgspec.json.decode(done.stdout)
    assert said["kafka"]
    assert said["workers"][0]["problem"]
    assert CliRunner().invoke(cli, ["top", "ftp://x"]).exit_code == 2
    assert CliRunner().invoke(cli, ["top", "--set", "web_port=0"]).exit_code == 2


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
