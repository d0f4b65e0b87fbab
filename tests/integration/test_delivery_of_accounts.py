"""Alerts on accounts, out: over a real broker to an endpoint that asks for them, and down a tap."""

import asyncio
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from os import environ
from pathlib import Path

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from said import alert
from standardwebhooks import Webhook
from test_delivery import delivering, logged, publish
from worker_process import PARTITIONS, TOPICS, until

from stream.broker import LocalBroker
from stream.contract.account_examples import account_examples
from stream.wire.account_alerts import account_alert_headers, encode_account_alert

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SECRET = b"s" * 32
ENDPOINTS = """
[[endpoint]]
name = "customers"
url = "{url}/customers"
secrets = ["env:CRM_SECRET"]
private = true

[[endpoint]]
name = "accounts"
about = "accounts"
url = "{url}/accounts"
secrets = ["env:CRM_SECRET"]
private = true
"""


async def test_each_endpoint_hears_of_those_it_asked_for(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Each from its own topic, in order; and after a restart nothing again."""
    got: dict[str, list[str]] = {"customers": [], "accounts": []}

    async def take(request: web.Request) -> web.Response:
        data = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        of = request.path.strip("/")
        got[of].append(f"{data['customer_id' if of == 'customers' else 'account_id']}")
        return web.Response()

    app = web.Application()
    app.router.add_post("/{of}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
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
    endpoints.write_text(ENDPOINTS.format(url=f"http://127.0.0.1:{runner.addresses[0][1]}"))
    said = list(account_examples().values())
    try:
        for life, wanted in enumerate((len(said), 2 * len(said))):
            log = tmp_path / f"{life}.log"
            with delivering(environment, endpoints, log) as process:
                await until(logged(log, "partitions", 2))
                producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
                await producer.start()
                for one in said:
                    value, headers = encode_account_alert(one), account_alert_headers(one)
                    key = one.account_id.encode()
                    await producer.send_and_wait(
                        names["account_alerts"], value, key=key, headers=headers
                    )
                await producer.stop()
                await publish(broker, names["alerts"], alert())
                await until(lambda n=wanted: len(got["accounts"]) == n)  # type: ignore[misc]
                await until(lambda n=life + 1: len(got["customers"]) == n)  # type: ignore[misc]
                process.terminate()
                assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        await runner.cleanup()
    assert got["customers"] == ["ann", "ann"]
    assert sorted(got["accounts"]) == sorted([one.account_id for one in said] * 2)
    command = ["tap", "--accounts", "--from-beginning", "--limit", str(len(said))]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "stream", *command],
        env={**environ, **environment},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert len([json.loads(line)["account_id"] for line in done.stdout.splitlines()]) == len(said)
