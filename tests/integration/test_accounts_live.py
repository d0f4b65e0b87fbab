"""Accounts live: a champion who leaves now is an alert on the account seconds later."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from worker_process import TOPICS, create, producer, read_all, until, worker

from stream.broker import LocalBroker
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

DAY_MS = 86_400_000
POLICY = """
[events]
ending = ["account_closed"]

[time]
allowed_lateness = "1s"

[accounts]
enabled = true
"""
MEMBERS = {"ann": 1, "bob": 2, "cem": 2, "dia": 3}
"""Each comes every so many days."""


def said(who: str, at: int, event: str = "opened") -> bytes:
    """Return what the product sends."""
    flat = {"type": "track", "userId": who, "event": event, "timestamp": iso(at)}
    return json.dumps({**flat, "context": {"groupId": "acme"}}).encode()


async def test_a_champion_who_leaves_is_an_alert_on_the_account_within_seconds(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Through all partitions: what carries time there is the wall clock, and nobody else."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    raw = topic_names("raw")
    await create(broker, raw, {}, 2)
    names = {name: topic_names(name) for name in TOPICS}
    knobs = {"CLOCK": "wall", "MODEL": "learn", "POLICY": str(policy)}
    now = time.time_ns() // 1_000_000
    history = [
        said(who, now - day * DAY_MS)
        for day in range(60, 0, -1)
        for who, every in MEMBERS.items()
        if day % every == 0
    ]
    async with producer(broker) as sender:
        await asyncio.gather(*[await sender.send(raw, event, partition=0) for event in history])
    with worker(broker, names, raw, tmp_path, **knobs) as process:
        await process.ready()
        await until(lambda: process.count("events_total", names["members"]) >= len(history), 60)
        async with producer(broker) as sender:
            now = time.time_ns() // 1_000_000
            await sender.send_and_wait(raw, said("ann", now, "account_closed"), partition=1)
        await until(lambda: process.counted("account_alerts_total", kind="opened") == 1, 60)
        await asyncio.sleep(1)
        assert process.stop() == 0
    (record,) = await read_all(broker, names["account_alerts"])
    alert = json.loads(record.value)
    assert (alert["account_id"], alert["trigger"]) == ("acme", "champion")
    assert (alert["champion_id"], alert["time"]) == ("ann", iso(now))
    assert alert["backfill"] is False
    assert record.key == b"acme"
    headers = dict(record.headers)
    assert headers["ce_type"] == b"slipaway.account.slipping.opened.v1"
    assert headers["ce_subject"] == b"acme"
