"""Live: an event that happens now, an alert that can be read seconds later."""

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

POLICY = """
[events]
warning = ["cancel_page_viewed"]

[time]
allowed_lateness = "1s"
"""


async def test_a_warning_is_an_alert_within_seconds_by_the_wall_clock(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Nobody else has to do anything for time to pass: the wall clock carries it."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    raw = topic_names("raw")
    await create(broker, raw, {}, 2)
    names = {name: topic_names(name) for name in TOPICS}
    knobs = {"CLOCK": "wall", "MODEL": "learn", "POLICY": str(policy)}
    with worker(broker, names, raw, tmp_path, **knobs) as process:
        await process.ready()
        async with producer(broker) as sender:
            now = time.time_ns() // 1_000_000
            for event in ("opened", "cancel_page_viewed"):
                said = {"type": "track", "userId": "ann", "event": event, "timestamp": iso(now)}
                await sender.send_and_wait(raw, json.dumps(said).encode(), partition=0)
        await until(lambda: process.counted("alerts_total", kind="opened") == 1, 30)
        await asyncio.sleep(1)
        assert process.stop() == 0
    (record,) = await read_all(broker, names["alerts"])
    alert = json.loads(record.value)
    assert (alert["customer_id"], alert["kind"], alert["trigger"]) == ("ann", "opened", "warning")
    assert alert["time"] == iso(now)
    assert alert["backfill"] is False
    headers = dict(record.headers)
    assert headers["ce_type"] == b"slipaway.customer.slipping.opened.v1"
    assert headers["ce_id"].decode() == alert["alert_id"]
