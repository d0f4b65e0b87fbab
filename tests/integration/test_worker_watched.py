"""A real worker, watched: its log, its spans at a collector, and `top`, of one alert."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner, Result
from worker_process import PARTITIONS, TOPICS, create, producer, read_all, until, worker

from stream.broker import LocalBroker
from stream.cli import cli
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01".encode()
POLICY = """
[events]
warning = ["cancel_page_viewed"]

[time]
allowed_lateness = "1s"
"""


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Return the spans that a collector on this machine is sent."""
    spans: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take spans."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        yield spans
        server.shutdown()
        thread.join()


def run(arguments: list[str]) -> Result:
    """Run a command, in a thread: it has an event loop of its own."""
    return CliRunner().invoke(cli, arguments)


async def test_one_alert_is_followed_from_its_event_to_the_log_the_trace_and_the_screen(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    tmp_path: Path,
    collected: list[Any],
) -> None:
    """Each by its own way, and all of them of the same alert."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    raw = topic_names("raw")
    await create(broker, raw, {}, 2)
    names = {name: topic_names(name) for name in TOPICS}
    knobs = {"CLOCK": "wall", "POLICY": str(policy), "TRACES": "otlp"}
    with worker(broker, names, raw, tmp_path, **knobs) as process:
        address = await process.ready()
        async with producer(broker) as sender:
            now = time.time_ns() // 1_000_000
            for event in ("opened", "cancel_page_viewed"):
                said = {"type": "track", "userId": "ann", "event": event, "timestamp": iso(now)}
                headers = [("traceparent", PARENT)]
                value = json.dumps(said).encode()
                await sender.send_and_wait(raw, value, partition=0, headers=headers)
        await until(lambda: process.counted("alerts_total", kind="opened") == 1, 60)
        await until(lambda: '"event": "episode"' in process.log.read_text(), 30)
        settings = {
            "bootstrap_servers": broker.bootstrap,
            "app_id": names["usage"],
            "topics.usage": names["usage"],
            "topics.sources": raw,
        }
        options = [
            word for name, found in settings.items() for word in ("--set", f"{name}={found}")
        ]
        before = await asyncio.to_thread(run, ["top", address, "--once", *options])
        shown = await asyncio.to_thread(run, ["top", address, "--json", *options])
        assert process.stop() == 0

    (record,) = await read_all(broker, names["alerts"])
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    (line,) = [one for one in lines if one["event"] == "episode"]
    assert (line["topic"], line["partition"], line["offset"]) == (
        names["alerts"],
        record.partition,
        record.offset,
    )
    assert line["alert_id"] == json.loads(record.value)["alert_id"]
    assert "ann" not in json.dumps(line)

    spans = {span.name: span for span in collected}
    assert {f"fold {raw}", f"fold {names['usage']}", "alert opened"} <= spans.keys()
    span = spans["alert opened"]
    assert [link.trace_id.hex() for link in span.links] == [TRACE]
    assert dict(record.headers)["ce_traceparent"].decode().split("-")[1:3] == [
        span.trace_id.hex(),
        span.span_id.hex(),
    ]

    assert (before.exit_code, shown.exit_code) == (0, 0), shown.output
    assert "opened 1" in before.stdout
    found = json.loads(shown.stdout)
    rows = [row for row in found["partitions"] if row["topic"] == names["usage"]]
    assert [row["partition"] for row in rows] == list(range(PARTITIONS))
    assert {row["owner"] for row in rows} == {address.removeprefix("http://")}
    assert sum(row["customers"] for row in rows) == 1
    assert found["kafka"] == ""
