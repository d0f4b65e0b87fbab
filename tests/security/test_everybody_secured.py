"""Every client we have, each let in another way, with the least permissions of its role."""

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import AIOKafkaProducer
from secured_broker import ANN_S_OWN, SecuredBroker
from secured_commands import allow, knobs, slipaway
from worker_process import PARTITIONS, Process, create, get, read_all, until, worker

from stream.settings import load
from stream.wire.times import iso
from stream.worker.connection import connection
from stream.worker.permissions import Role

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

POLICY = """
[events]
warning = ["cancel_page_viewed"]

[time]
allowed_lateness = "1s"
"""
ENDPOINTS = """
[[endpoint]]
name = "crm"
url = "{url}"
secrets = ["env:CRM_SECRET"]
private = true
"""


@pytest.fixture
def shared(names: dict[str, str], unique: str, tmp_path: Path) -> dict[str, Any]:
    """Return the settings that everybody has alike."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    return {
        "app_id": unique,
        "partitions": PARTITIONS,
        "topics": {**names, "sources": f"{unique}.raw"},
        "policy": str(policy),
        "log_format": "json",
    }


async def say(settings: Mapping[str, Any], customer: str) -> None:
    """Send that a customer came, and then looked for how to leave."""
    options = connection(load(settings)).client()
    producer = AIOKafkaProducer(**options, enable_idempotence=True)
    await producer.start()
    try:
        for event in ("opened", "cancel_page_viewed"):
            said = {"type": "track", "userId": customer, "event": event}
            value = json.dumps(said | {"timestamp": iso(time.time_ns() // 1_000_000)})
            (source,) = load(settings).topics.sources
            await producer.send_and_wait(source, value.encode())
    finally:
        await producer.stop()


async def let_in(
    secured: SecuredBroker, shared: Mapping[str, Any], unique: str
) -> dict[str, dict[str, Any]]:
    """Make six known to the broker, each another way, and allow each what it needs."""
    ways = {
        "operator": secured.by_token(token=secured.issuer.token(f"{unique}-operator")),
        "worker": await secured.new_user(f"{unique}-worker", "SCRAM-SHA-512"),
        "deliverer": await secured.new_user(f"{unique}-deliverer", "SCRAM-SHA-256"),
        "sender": secured.by_certificate(f"{unique}-sender"),
        "console": await secured.new_user(f"{unique}-console", "SCRAM-SHA-256"),
        "reader": secured.by_password("ann", ANN_S_OWN, "PLAIN"),
    }
    named = (Role.OPERATOR, Role.WORKER, Role.DELIVER, Role.SENDER, Role.CONSOLE)
    roles = dict(zip(ways, named, strict=False))
    for who, role in roles.items():
        await allow(secured, f"{unique}-{who}", role, shared)
    await allow(secured, "ann", Role.READER, shared)
    return {who: {**shared, **way} for who, way in ways.items()}


async def test_events_in_alerts_out_and_a_restart_with_nothing_allowed_but_what_is_listed(
    secured: SecuredBroker,
    shared: dict[str, Any],
    names: dict[str, str],
    topic_names: Callable[[str], str],
    unique: str,
    tmp_path: Path,
) -> None:
    """Token, SCRAM by both digests, certificate, plain password: TLS throughout."""
    raw = topic_names("raw")
    await create(secured.local, raw, {}, 2)
    people = await let_in(secured, shared, unique)
    operator, working, sender = people["operator"], people["worker"], people["sender"]
    made = await slipaway(operator, "topics", "create")
    assert made.returncode == 0, made.stderr
    examined = await slipaway(working, "doctor", "--json")
    assert examined.returncode == 0, examined.stdout

    received: list[str] = []

    async def receive(request: web.Request) -> web.Response:
        received.append((await request.json())["customer_id"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/crm", receive)
    endpoints = tmp_path / "endpoints.toml"
    async with TestServer(app, host="127.0.0.1") as server:
        endpoints.write_text(ENDPOINTS.format(url=server.make_url("/crm")))
        secret = {"CRM_SECRET": "whsec_" + "c3NzcwAA" * 4}
        more = dict(knobs(working))
        log = tmp_path / "deliver.log"
        with (
            worker(secured.local, names, raw, tmp_path, **_live(more)) as process,
            Process(
                {f"SLIPAWAY_{k}": v for k, v in knobs(people["deliverer"])} | secret,
                log,
                ["deliver", str(endpoints)],
            ).kept() as deliverer,
        ):
            await process.ready()
            await until(lambda: '"partitions"' in log.read_text())
            await say(sender, "ann")
            await until(lambda: process.counted("alerts_total", kind="opened") == 1)
            assert process.stop() == 0
            await until(lambda: received == ["ann"])
            assert deliverer.stop() == 0
        with worker(secured.local, names, raw, tmp_path, **_live(more)) as process:
            await process.ready()
            await say(sender, "bob")
            await until(lambda: process.counted("alerts_total", kind="opened") == 1)
            erased = await slipaway(operator, "erase", "bob", "--yes")
            assert erased.returncode == 0, erased.stderr
            assert process.stop() == 0

    tapped = await slipaway(people["reader"], "tap", "--from-beginning", "--limit", "2")
    assert tapped.returncode == 0, tapped.stderr
    assert {json.loads(line)["customer_id"] for line in tapped.stdout.splitlines()} == {
        "ann",
        "bob",
    }
    listed = await slipaway(people["reader"], "worklist")
    assert [json.loads(line)["customer_id"] for line in listed.stdout.splitlines()] == ["ann"]
    await _shown(people["console"], tmp_path / "console.log", "ann")
    letters = await slipaway(operator, "dlq", "list", "--json")
    assert letters.returncode == 0, letters.stderr
    replayed = await slipaway(operator, "dlq", "replay", "--dry-run", "--policy", shared["policy"])
    assert replayed.returncode == 0, replayed.stderr
    alerts = [
        json.loads(r.value) for r in await read_all(secured.local, names["alerts"]) if r.value
    ]
    assert sorted(alert["customer_id"] for alert in alerts) == ["ann", "bob"]


def _live(more: dict[str, str]) -> dict[str, str]:
    """Say that a worker goes by the clock on the wall, and learns."""
    return more | {"CLOCK": "wall", "MODEL": "learn"}


async def _shown(settings: Mapping[str, Any], log: Path, customer: str) -> None:
    """Have a console show a customer, what it did, and how the work goes."""
    environment = {f"SLIPAWAY_{name}": value for name, value in knobs(settings)}
    with Process(environment, log, ["console", "--port", "0"]).kept() as console:
        found: list[str] = []

        def at() -> bool:
            found[:] = re.findall(r"The console is at (http://\S+)/", log.read_text())
            return bool(found)

        await until(at)
        (address,) = found
        await until(lambda: f">{customer}<" in get(address))
        assert "2 events" in get(f"{address}/customer?id={customer}")
        # It was allowed to ask; a worker that has just ended is a member for a while.
        await until(lambda: "has no members" in get(f"{address}/health"))
        work = get(f"{address}/health")
        for refusal in ("could not be read", "Kafka says nothing", "may not be asked"):
            assert refusal not in work
        assert console.stop() == 0
