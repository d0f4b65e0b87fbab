"""Memory under a backlog: what is fetched ahead is bounded, however much there is to fetch."""

import asyncio
import sys
import time
from pathlib import Path

import engine_worker
import pytest
from aiokafka import AIOKafkaProducer
from lone_worker import make_topics, running
from needs import lacking
from worker_process import until

from stream.broker import LocalBroker

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]

RECORDS = 500_000
RECORD_BYTES = 600
WATCHED_SECONDS = 25
# Measured: 131, of which 60 are Python's.  With any number of blocks waiting: 256 by then, and
# still rising.
MEGABYTES_MAX = 200


async def write(broker: LocalBroker, topic: str) -> None:
    """Write the backlog, a batch at a time: single sends would take a minute."""
    sender = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_batch_size=1 << 19)
    await sender.start()
    try:
        batch, last = sender.create_batch(), None
        for number in range(RECORDS):
            row = {"key": b"c%d" % (number % 1000), "value": bytes(RECORD_BYTES), "timestamp": None}
            if batch.append(**row) is None:
                last = await sender.send_batch(batch, topic, partition=0)
                batch = sender.create_batch()
                batch.append(**row)
        last = await sender.send_batch(batch, topic, partition=0)
        await last
    finally:
        await sender.stop()


def megabytes(pid: int) -> float:
    """Return how much memory a process has."""
    (line,) = [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    ]
    return int(line.split()[1]) / 1024


async def test_a_source_that_is_faster_than_the_work_does_not_fill_memory(
    broker: LocalBroker, unique: str, tmp_path: Path
) -> None:
    """Eight blocks wait, and the next is not fetched before one of them is done."""
    if sys.platform != "linux":
        lacking("/proc tells how much memory a process has, on Linux only")
    await make_topics(broker, unique)
    await write(broker, f"{unique}.usage")
    options = {"drag": 0.0004, "slice_records_max": 500}  # 2,500 a second at most
    with running(engine_worker, unique, broker, tmp_path / "w.log", **options) as run:
        await until(lambda: run.said("assigned"))
        most, ends_at = 0.0, time.monotonic() + WATCHED_SECONDS
        while time.monotonic() < ends_at:
            most = max(most, megabytes(run.popen.pid))
            await asyncio.sleep(0.2)
        assert not run.said("quiet"), "the backlog is gone: nothing was shown"
        assert most < MEGABYTES_MAX
        run.popen.terminate()
        assert await run.ended() == 0
