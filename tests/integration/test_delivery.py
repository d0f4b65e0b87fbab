"""Alerts out: over a real broker to a real server, through a restart, and down a tap."""

import asyncio
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from said import alert
from standardwebhooks import Webhook
from worker_process import PARTITIONS, TOPICS, until

from stream.broker import LocalBroker
from stream.detector.alerts import Alert
from stream.wire.alerts import alert_headers, encode_alert

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SECRET = b"s" * 32
ENDPOINTS = """
[[endpoint]]
name = "crm"
url = "{url}/crm"
secrets = ["env:CRM_SECRET"]
private = true

[[endpoint]]
name = "left"
url = "{url}/left"
template = "slack"
private = true
"""


class Receiver:
    """A server with two endpoints, of which one wants nothing any more."""

    def __init__(self) -> None:
        """Begin with nothing received."""
        self.got: list[str] = []
        self.left: list[str] = []
        self.left_status = 410

    async def crm(self, request: web.Request) -> web.Response:
        """Take an alert whose signature is right."""
        data = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        self.got.append(data["customer_id"])
        return web.Response()

    async def left_channel(self, request: web.Request) -> web.Response:
        """Take nothing, until it does."""
        self.left.append((await request.json())["text"])
        return web.Response(status=self.left_status)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """Give the server and its address."""
    found = Receiver()
    app = web.Application()
    app.router.add_post("/crm", found.crm)
    app.router.add_post("/left", found.left_channel)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield found, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def publish(broker: LocalBroker, topic: str, *alerts: Alert, commit: bool = True) -> None:
    """Publish alerts in a transaction, as a worker does; or begin to, and think better of it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, transactional_id=f"{topic}-{time.monotonic_ns()}"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for one in alerts:
            key, headers = one.customer_id.encode(), alert_headers(one)
            await producer.send_and_wait(topic, encode_alert(one), key=key, headers=headers)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


@contextmanager
def delivering(
    environment: dict[str, str], endpoints: Path, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `slipaway deliver`, its log in a file."""
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "stream", "deliver", str(endpoints)]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=stderr)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def logged(log: Path, event: str, count: int) -> Callable[[], bool]:
    """Return what says whether something has been logged so often."""

    def found() -> bool:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return sum(line["event"] == event for line in lines) >= count

    return found


async def test_alerts_reach_endpoints_through_restarts_and_a_tap(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    receiver: tuple[Receiver, str],
    tmp_path: Path,
) -> None:
    """What was committed arrives once; who left stays left until somebody says otherwise."""
    found, url = receiver
    names = {name: topic_names(name) for name in TOPICS}
    environment = {
        "SLIPAWAY_BOOTSTRAP_SERVERS": broker.bootstrap,
        "SLIPAWAY_APP_ID": names["usage"],
        "SLIPAWAY_PARTITIONS": str(PARTITIONS),
        "SLIPAWAY_LOG_FORMAT": "json",
        "CRM_SECRET": "whsec_" + b64encode(SECRET).decode(),
        **{f"SLIPAWAY_TOPICS__{name.upper()}": topic for name, topic in names.items()},
    }
    endpoints = tmp_path / "endpoints.toml"
    endpoints.write_text(ENDPOINTS.format(url=url))
    topic = names["alerts"]
    ann, bob, cid, dan = (alert(customer_id=name) for name in ("ann", "bob", "cid", "dan"))

    log = tmp_path / "first.log"
    with delivering(environment, endpoints, log) as process:
        await until(logged(log, "partitions", 2))
        await publish(broker, topic, dan, commit=False)
        await publish(broker, topic, ann, bob)
        await until(lambda: len(found.got) == 2)
        await until(logged(log, "endpoint disabled", 1))
        await asyncio.sleep(1.5)  # for the positions to be committed
        process.kill()
        process.wait()
    assert sorted(found.got) == ["ann", "bob"]

    await publish(broker, topic, cid)
    left_before = len(found.left)
    log = tmp_path / "second.log"
    with delivering(environment, endpoints, log) as process:
        await until(logged(log, "endpoint is disabled", 1))
        await until(lambda: len(found.got) == 3)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 1, "one endpoint is disabled"
    assert sorted(found.got) == ["ann", "bob", "cid"]
    assert len(found.left) == left_before

    found.left_status = 200
    base = [sys.executable, "-m", "stream"]
    for command in (
        ["deliver", str(endpoints), "--enable", "left"],
        ["tap", "--from-beginning", "--limit", "3"],
    ):
        done = await asyncio.to_thread(
            subprocess.run,
            [*base, *command],
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
            timeout=60,
        )
    tapped = [json.loads(line)["customer_id"] for line in done.stdout.splitlines()]
    assert sorted(tapped) == ["ann", "bob", "cid"]

    log = tmp_path / "third.log"
    with delivering(environment, endpoints, log) as process:
        await until(lambda: len(found.left) == left_before + 3)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert sorted(found.got) == ["ann", "bob", "cid"], "nothing was delivered twice"
    assert {text.split("*")[1] for text in found.left[left_before:]} == {"ann", "bob", "cid"}
