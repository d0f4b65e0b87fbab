"""The engine on a real broker, by itself: what no churn detector needs to be there for.

`engine_worker` is what the tests start, freeze and stop.  The law is the same
everywhere: what is read back is the plain fold of the input, with nothing
missing and nothing twice.
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engine_worker
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from processes import ROOT, Worker, until
from readback import KafkaLog

from stream.engine.checkpoint import partition_for
from stream.engine.position import is_position, unpack_position

PARTITIONS = 8
KEYS = 300


@dataclass
class Stage:
    """One app on one broker: its topics, its workers, and what it wrote."""

    app: str
    bootstrap: str
    folder: Path
    workers: list[Worker] = field(default_factory=list)

    def worker(self, name: str, **options: Any) -> Worker:
        """Return a worker that nobody has started."""
        module = str(engine_worker.__file__)
        command = [sys.executable, module, self.app, self.bootstrap, name, json.dumps(options)]
        worker = Worker(name, command, {"PYTHONPATH": str(ROOT)}, self.folder)
        self.workers.append(worker)
        return worker

    async def create(self) -> None:
        """Create its topics."""
        compact = {"cleanup.policy": "compact", "segment.ms": "5000"}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics(
                [
                    NewTopic(
                        f"{self.app}.{name}",
                        PARTITIONS,
                        1,
                        topic_configs=compact if name in {"state", "places"} else {},
                    )
                    for name in ("raw", "usage", "state", "places", "alerts")
                ]
            )
        finally:
            await admin.close()

    async def produce(self, topic: str, first: int, count: int, transaction: str = "") -> None:
        """Write `count` numbered records; with a `transaction` name, in transactions of 7."""
        options = {"transactional_id": transaction} if transaction else {}
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5, **options)
        await producer.start()
        try:
            for start in range(first, first + count, 7):
                if transaction:
                    await producer.begin_transaction()
                sent = []
                for number in range(start, min(start + 7, first + count)):
                    key = f"c{number * 7919 % KEYS:04d}".encode()
                    sent.append(
                        await producer.send(
                            f"{self.app}.{topic}",
                            key=key,
                            value=str(number).encode(),
                            partition=partition_for(key, PARTITIONS),
                        )
                    )
                if transaction:
                    await asyncio.gather(*sent)
                    if start // 7 % 3 == 0:  # aborted: nobody may ever see these
                        await producer.abort_transaction()
                    else:
                        await producer.commit_transaction()
            await producer.flush()
        finally:
            await producer.stop()

    async def read(self, topic: str) -> list[Any]:
        """Return every committed record of a topic, by partition and offset."""
        return await KafkaLog(self.bootstrap).records(f"{self.app}.{topic}")

    async def hanging(self) -> dict[str, int]:
        """Return how many records of each topic stand behind an open transaction."""
        log = KafkaLog(self.bootstrap)
        behind = {
            f"{topic}/{partition}": ends.high - ends.stable
            for topic in ("usage", "state", "places", "alerts")
            for partition, ends in (await log.ends(f"{self.app}.{topic}")).items()
        }
        return {place: count for place, count in behind.items() if count}

    async def counted(self) -> int:
        """Return how many records the saved state of `count` speaks of."""
        totals = {}
        for record in await self.read("state"):
            if is_position(record.key):
                progress = unpack_position(record.value).progress
                totals[record.partition] = engine_worker.COUNT.unpack(progress)[0]
        return sum(totals.values())

    async def drained(self, records: int, seconds: float = 90) -> None:
        """Return once all of `records` are counted and saved."""
        deadline = time.monotonic() + seconds
        while (counted := await self.counted()) < records:
            assert time.monotonic() < deadline, f"{counted} of {records} counted"
            await asyncio.sleep(0.3)

    async def verify(self, numbers: Counter[bytes]) -> None:
        """Assert that everything written is the plain fold of the input."""
        usage = await self.read("usage")
        assert Counter(r.value for r in usage) == numbers

        counts: Counter[str] = Counter()
        alerts: list[tuple[int, bytes, bytes]] = []
        totals: Counter[int] = Counter()
        for record in usage:
            key = record.key.decode()
            counts[key] += 1
            totals[record.partition] += 1
            if counts[key] % 10 == 0:
                name = f"{key}:{counts[key]}".encode()
                alerts.append((record.partition, name, str(record.offset).encode()))
        state: dict[str, int] = {}
        ends: dict[int, int] = {}
        progress: dict[int, int] = {}
        for record in await self.read("state"):
            if is_position(record.key):
                position = unpack_position(record.value)
                ends[record.partition] = position.offset
                progress[record.partition] = engine_worker.COUNT.unpack(position.progress)[0]
            else:
                state[record.key.decode()] = engine_worker.COUNT.unpack(record.value)[0]
        assert state == dict(counts)
        assert progress == dict(totals)
        found = [(r.partition, r.key, r.value) for r in await self.read("alerts")]
        assert sorted(found) == sorted(alerts)
        assert await self.hanging() == {}
        for record in usage:
            assert record.offset < ends[record.partition]


@pytest.fixture
async def stage(broker: Any, unique: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return an app of this test's own; its workers never outlive the test."""
    stage = Stage(unique, broker.bootstrap, tmp_path)
    await stage.create()
    yield stage
    for worker in stage.workers:
        worker.kill()


def numbered(count: int) -> Counter[bytes]:
    """Return the values that `count` records hold, each once."""
    return Counter(str(number).encode() for number in range(count))


@pytest.mark.integration
async def test_sigterm_saves_the_last_work_and_exits_with_0(stage: Stage) -> None:
    """What was applied is saved on the way out, although no checkpoint was due for an hour."""
    often = {"checkpoint_seconds": 3600.0, "checkpoint_seconds_max": 36000.0}
    worker = stage.worker("w", flows="count", **often)
    worker.start()
    await stage.produce("usage", 0, 500)
    # A long checkpoint interval: the log alone tells that everything was applied.
    await until(
        lambda: sum(entry["total"] for entry in worker.lines("quiet")) >= 500,
        40,
        "not everything was applied",
    )
    assert await stage.counted() == 0
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert time.monotonic() - began < 5
    await stage.verify(numbered(500))


@pytest.mark.integration
async def test_a_joining_worker_takes_its_share_and_the_rest_is_kept(stage: Stage) -> None:
    """Every rebalance revokes everything; what comes right back is not restored again."""
    one, two = stage.worker("one"), stage.worker("two")
    one.start()
    await stage.produce("raw", 0, 500)
    await stage.drained(500)
    two.start()

    def shared() -> bool:
        return any(entry["restored"] for entry in two.lines("assigned"))

    await until(shared, 60, "the second worker got nothing")
    await until(
        lambda: any(entry["kept"] for entry in one.lines("assigned")), 60, "nothing was kept"
    )
    await stage.produce("raw", 500, 700)
    await stage.drained(1200)
    for worker in (one, two):
        worker.signal(signal.SIGTERM)
    assert [await worker.ended() for worker in (one, two)] == [0, 0]
    await stage.verify(numbered(1200))
    assert {r.headers for r in await stage.read("usage")} == {(("copied", b"yes"), ("null", None))}


@pytest.mark.integration
async def test_slow_work_is_no_reason_to_leave(stage: Stage) -> None:
    """Records that take long are slow, and nothing else is the matter."""
    await stage.produce("usage", 0, 400)
    options = {"flows": "count", "deadline_seconds": 3.0, "drag": 0.1, "slice_records_max": 40}
    worker = stage.worker("w", **options)
    worker.start()
    await stage.drained(400, 120)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert worker.lines("leaving") == []
    await stage.verify(numbered(400))


@pytest.mark.integration
async def test_gaps_of_markers_and_aborted_records_are_no_loss(stage: Stage) -> None:
    """A source written in transactions skips offsets; each visible record counts once."""
    worker = stage.worker("w", flows="count")
    worker.start()
    await stage.produce("usage", 0, 700, transaction=f"{stage.app}-other")
    visible = Counter(r.value for r in await stage.read("usage"))
    assert 0 < visible.total() < 700
    await stage.drained(visible.total())
    # Caught up is what a partition is when only markers follow, too.
    await until(
        lambda: len({entry["partition"] for entry in worker.lines("quiet")}) == PARTITIONS,
        30,
        "not every partition noticed that it had caught up",
    )
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert worker.lines("leaving") == []
    await stage.verify(visible)


@pytest.mark.fault
async def test_a_frozen_worker_with_nothing_unsaved_is_not_ended(stage: Stage) -> None:
    """Others took over and nobody has to be stopped: it joins again and restores."""
    options = {"flows": "count", "session_seconds": 6.0}
    frozen, successor = stage.worker("frozen", **options), stage.worker("successor", **options)
    frozen.start()
    await stage.produce("usage", 0, 500)
    await stage.drained(500)
    successor.start()
    await until(lambda: successor.works and len(frozen.holds) < PARTITIONS, 60, "no sharing")
    frozen.signal(signal.SIGSTOP)
    await until(lambda: len(successor.holds) == PARTITIONS, 60, "nobody took over")
    frozen.signal(signal.SIGCONT)
    await until(lambda: len(successor.holds) < PARTITIONS, 60, "it did not come back")
    await stage.produce("usage", 500, 500)
    await stage.drained(1000)
    assert frozen.lines("leaving") == []
    for worker in (frozen, successor):
        worker.signal(signal.SIGTERM)
    assert [await worker.ended() for worker in (frozen, successor)] == [0, 0]
    await stage.verify(numbered(1000))
