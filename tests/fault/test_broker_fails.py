"""A broker that ends, dies, freezes, refuses, dawdles or has no room: rows 7 and 8 of the table.

Each test has a broker of its own: it is the broker that suffers here.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cluster import PATIENCE_SECONDS, Launch
from processes import until
from slow_road import SlowRoad

from stream.broker import LocalBroker

pytestmark = pytest.mark.fault

# Gives up on a transaction while the broker is away, as it would in a longer outage by default.
IMPATIENT = {"CHECKPOINT_TIMEOUT_SECONDS": "8", "SESSION_TIMEOUT_SECONDS": "6"}
# Less than a batch of ours, more than the 78 bytes of a transaction's marker: a coordinator that
# cannot write its markers gives them up, and the transactional id hangs until it is restarted.
TOO_SMALL_BYTES = "120"
AWAY_SECONDS = 10.0
AWAY_SECONDS_LONG = 60.0


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[LocalBroker]:
    """Return a broker whose data outlive it, for this test alone."""
    broker = await asyncio.to_thread(LocalBroker.start, directory=tmp_path / "broker")
    yield broker
    await asyncio.to_thread(broker.stop)


async def test_a_broker_that_goes_away_loses_nothing_and_wedges_nobody(
    launch: Launch, own_broker: LocalBroker, times: int
) -> None:
    """Ended in order, frozen, killed, and away for longer than a transaction may take."""
    fault = "broker SIGTERM'd, frozen, killed -9, away"
    async with launch(7, fault, on=own_broker, rounds=times, **IMPATIENT) as cluster:
        for number in range(times):
            long = AWAY_SECONDS_LONG if number == 1 else AWAY_SECONDS
            for trouble, seconds in (("end", 0.0), ("freeze", 5.0), ("kill", 0.0), ("kill", long)):
                await cluster.working()
                await cluster.feed(300, 1.0)
                feeding = asyncio.create_task(cluster.feed(600, 2.0))
                await asyncio.sleep(0.5)
                await _without(own_broker, trouble, seconds)
                cluster.injected += 1
                await feeding
        await cluster.finish()


async def _without(broker: LocalBroker, trouble: str, seconds: float) -> None:
    """Do without the broker for a while."""
    if trouble == "freeze":
        os.kill(broker.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(broker.pid, signal.SIGCONT)
        return
    await asyncio.to_thread(broker.stop if trouble == "end" else broker.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(broker.restart)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's files")
async def test_a_broker_whose_disk_is_full_ends_and_nothing_is_lost(
    launch: Launch, own_broker: LocalBroker
) -> None:
    """Kafka gives up a disk that takes nothing, and with its last one itself.

    No file may grow, which to a broker is what a full disk is: the write fails.
    """
    async with launch(7, "broker's disk full", on=own_broker, **IMPATIENT) as cluster:
        await cluster.working()
        await cluster.feed(300, 1.0)
        feeding = asyncio.create_task(cluster.feed(600, 2.0))
        await asyncio.sleep(0.5)
        resource.prlimit(own_broker.pid, resource.RLIMIT_FSIZE, (1, 1))
        cluster.injected += 1
        await until(lambda: not own_broker.running, PATIENCE_SECONDS, "it went on without a disk")
        await asyncio.to_thread(own_broker.restart)  # with room again
        await feeding
        await cluster.finish()


@pytest.mark.parametrize("topic", ["alerts", "usage"])
async def test_what_the_broker_refuses_moves_no_position(launch: Launch, topic: str) -> None:
    """Too large, it says: the worker ends, again and again, until somebody puts it right.

    The other refusal, too few in-sync replicas, cannot be had from one broker:
    Kafka asks no topic for more of them than it has copies.
    """
    async with launch(8, f"{topic} refused as too large", **IMPATIENT) as cluster:
        cluster.harmless |= {70}
        await cluster.settled()
        await cluster.feed(600, 1.0)
        name = getattr(cluster.topics, topic)
        await cluster.configure(name, max_message_bytes=TOO_SMALL_BYTES)
        cluster.injected += 1
        # Enough for an alert, whoever is asked to take one.
        await cluster.feed(2_500, 2.0)
        await until(lambda: cluster.codes[70] >= 2, PATIENCE_SECONDS, "nobody ended")
        await cluster.unsupervise()
        for worker in cluster.workers:
            worker.kill()
        await cluster.closed()  # readers see nothing behind an open transaction, however right
        await cluster.judged(finished=False)
        await cluster.configure(name, max_message_bytes="")
        cluster.supervise()
        await cluster.finish()


async def test_a_slow_broker_is_waited_for(launch: Launch) -> None:
    """Every answer a quarter of a second late, and few bytes at a time."""
    fault = "slow broker, a worker killed"
    async with (
        SlowRoad() as road,
        _broker_at(road) as broker,
        launch(8, fault, on=broker) as cluster,
    ):
        await cluster.settled()
        road.delay_seconds, road.bytes_per_second = 0.25, 200_000.0
        cluster.injected += 1
        await cluster.feed(1_500)
        await cluster.kill(cluster.workers[0])
        await cluster.feed(1_000)
        road.delay_seconds, road.bytes_per_second = 0.0, float("inf")
        await cluster.finish()


@asynccontextmanager
async def _broker_at(road: SlowRoad) -> AsyncIterator[LocalBroker]:
    """Give a broker that sends its clients down a road."""
    properties = {"advertised.listeners": f"PLAINTEXT://{road.address}"}
    broker = await asyncio.to_thread(LocalBroker.start, properties=properties)
    road.lead_to(broker.port)
    try:
        yield broker
    finally:
        await asyncio.to_thread(broker.stop)
