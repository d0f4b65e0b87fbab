"""Topics that were compacted, emptied, cut short or written to by mistake: rows 10 to 12.

What a worker can restore from, it does; from what it cannot it refuses to
start, says what an operator does, and writes nothing.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from cluster import PATIENCE_SECONDS, Cluster, Launch
from processes import until
from traffic import BEGIN_MS, producer
from worker_process import get

from models import snapshots
from models.snapshots import Snapshot
from stream.broker import LocalBroker
from stream.detector.events import DAY_MS
from stream.wire import snapshots as wire

pytestmark = pytest.mark.fault

EAGER = {
    "segment_ms": "1000",
    "min_cleanable_dirty_ratio": "0.0",
    "max_compaction_lag_ms": "1000",
    "delete_retention_ms": "0",
}


@pytest.fixture
async def tidy_broker() -> AsyncIterator[LocalBroker]:
    """Return a broker that compacts as soon as it may."""
    properties = {"log.cleaner.backoff.ms": "200", "log.retention.check.interval.ms": "500"}
    broker = await asyncio.to_thread(LocalBroker.start, properties=properties)
    yield broker
    await asyncio.to_thread(broker.stop)


async def test_a_compacted_state_topic_restores(launch: Launch, tidy_broker: LocalBroker) -> None:
    """Most rows are gone, and the tail is a transaction's marker, which no reader sees."""
    async with launch(10, "state compacted to a tail with a marker", on=tidy_broker) as cluster:
        for state in (cluster.topics.state, cluster.raw_state):
            await cluster.configure(state, **EAGER)
        await cluster.settled()
        await cluster.feed(2_500, 6.0)
        await cluster.drained()

        async def compacted() -> bool:
            await cluster.feed(50)
            ends = await cluster.log.ends(cluster.topics.state)
            rows = await cluster.log.records(cluster.topics.state)
            return len(rows) < sum(end.high for end in ends.values()) / 2

        await until(compacted, PATIENCE_SECONDS, "nothing was compacted", pause_seconds=1.0)
        await cluster.drained()
        last = await cluster.log.last(cluster.topics.state)
        ends = await cluster.log.ends(cluster.topics.state)
        assert all(row.offset < ends[number].high - 1 for number, row in last.items())
        await cluster.kill(*cluster.workers)
        await cluster.working()
        await cluster.feed(500)
        await cluster.finish()


@pytest.mark.parametrize("state", ["state", "ingest state"])
async def test_a_state_topic_that_lost_rows_is_refused(launch: Launch, state: str) -> None:
    """Customers would be judged as new, and everything said a second time."""
    async with launch(10, f"{state} cut to a half, and emptied", workers=1) as cluster:
        await cluster.settled()
        await cluster.feed(1_000)
        await cluster.drained()
        await cluster.stop()
        topic = cluster.topics.state if state == "state" else cluster.raw_state
        ends = await cluster.log.ends(topic)
        await cluster.configure(topic, cleanup_policy="delete")
        await _delete(cluster, topic, {number: end.high // 2 for number, end in ends.items()})
        await cluster.configure(topic, cleanup_policy="compact")
        await _is_refused(cluster, "were deleted from the state topic")
        await cluster.configure(topic, cleanup_policy="delete")
        await _delete(cluster, topic, dict.fromkeys(ends, -1))
        await cluster.configure(topic, cleanup_policy="compact")
        await _is_refused(cluster, "were deleted from the state topic")


@pytest.mark.parametrize("source", ["raw", "usage"])
async def test_input_deleted_before_it_was_read_is_not_skipped(launch: Launch, source: str) -> None:
    """A position below the log's start is loss, and somebody has to know."""
    async with launch(11, f"{source} deleted before it was read", workers=1) as cluster:
        await cluster.settled()
        await cluster.feed(600)
        await cluster.drained()
        await cluster.stop()
        topic = cluster.raw if source == "raw" else cluster.topics.usage
        async with producer(cluster.log.bootstrap) as sender:
            for number in await cluster.log.ends(topic):
                await sender.send_and_wait(topic, b"unread", partition=number)
        await _delete(cluster, topic, dict.fromkeys(await cluster.log.ends(topic), -1))
        await _is_refused(cluster, "below the log's start")


async def test_a_bad_snapshot_leaves_the_last_good_one(launch: Launch) -> None:
    """Torn, unknown or older: refused and counted; and the next good one is taken."""
    async with launch(12, "model snapshots torn, unknown, older", workers=2) as cluster:
        await cluster.settled()
        await cluster.feed(600, 1.0)
        good = wire.decode(cluster.model, Snapshot)
        older = snapshots.name(msgspec.structs.replace(good, threshold=-2.0))
        newer = snapshots.name(
            msgspec.structs.replace(good, threshold=-0.5, effective_from=BEGIN_MS + 12 * DAY_MS)
        )
        torn = wire.encode(newer)[:-20]
        unknown = cluster.model.replace(b"snapshot.v1", b"snapshot.v9")
        bad = [torn, unknown, b"", wire.encode(older)]
        async with producer(cluster.log.bootstrap) as sender:
            for number, value in enumerate([*bad, wire.encode(newer)]):
                key = b"m%d" % number
                await sender.send_and_wait(cluster.topics.model, value, key=key, partition=0)
        cluster.injected += len(bad)
        cluster.oracle.models.append(wire.encode(newer))
        counts = {"loaded": 2, "refused": 3, "older": 1}
        await _counted(cluster, counts)
        await cluster.feed(1_500, 1.0)
        await cluster.kill(*cluster.workers)
        await cluster.settled()
        await _counted(cluster, counts)
        await cluster.feed(800, 1.0)
        await cluster.finish()
        alerts = await cluster.log.records(cluster.topics.alerts)
        assert any(newer.version.encode() in record.value for record in alerts)


async def _counted(cluster: Cluster, counts: dict[str, int]) -> None:
    """Wait until every worker has counted so many snapshots by result."""

    def agree() -> bool:
        series = 'slipaway_model_snapshots_total{result="%s"} %.1f'
        wanted = [series % found for found in counts.items()]
        pages = [get(f"{worker.address}/metrics", or_else="") for worker in cluster.workers]
        return all(line in page for line in wanted for page in pages)

    await until(agree, PATIENCE_SECONDS, "the snapshots were counted otherwise")


async def _delete(cluster: Cluster, topic: str, before: dict[int, int]) -> None:
    """Delete records below an offset in each partition; -1 is the end."""
    async with cluster.admin() as admin:
        await admin.delete_records(
            {
                TopicPartition(topic, number): RecordsToDelete(before_offset=offset)
                for number, offset in before.items()
            }
        )
    cluster.injected += 1


async def _is_refused(cluster: Cluster, reason: str) -> None:
    """Start the worker; it must leave with 70, say what to do, and write nothing."""
    written = [cluster.topics.usage, cluster.topics.alerts, cluster.topics.state]
    before = [await cluster.log.ends(topic) for topic in written]
    (worker,) = cluster.workers
    worker.start()
    await until(lambda: worker.works or not worker.running, PATIENCE_SECONDS, cluster.words)
    assert worker.code == 70, cluster.words()
    said = worker.lines("leaving", since_start=True)[-1]["reason"]
    assert reason in said
    assert "Operator action" in said
    assert [await cluster.log.ends(topic) for topic in written] == before
