"""The engine on a real broker, under kills, rebalances, gaps and truncation.

`engine_worker` is what the tests start and kill.  The law is the same everywhere:
what is read back is the plain fold of the input, with nothing missing and
nothing twice.
"""

# ruff: noqa: D102 - the fold protocol documents its methods, and sets their form

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engine_worker
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from stream.engine.checkpoint import partition_for
from stream.engine.table import is_position, unpack_position

ROOT = Path(__file__).parents[2]
PARTITIONS = 8
KEYS = 300


# -- the supervisor


@dataclass
class Worker:
    """A worker process, and the log it writes."""

    app: str
    bootstrap: str
    name: str
    log_file: Path
    options: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    failpoint: str = ""

    def start(self, failpoint: str = "") -> None:
        self.failpoint = failpoint
        with self.log_file.open("ab") as log:
            log.write(b'{"event": "started"}\n')
            log.flush()
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    engine_worker.__file__,
                    self.app,
                    self.bootstrap,
                    self.name,
                    json.dumps(self.options),
                ],
                env=os.environ | {"SLIPAWAY_FAILPOINT": failpoint, "PYTHONPATH": str(ROOT)},
                stderr=log,
                stdout=log,
            )

    @property
    def code(self) -> int | None:
        assert self.process is not None
        return self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, seconds: float = 30) -> int:
        await until(lambda: self.code is not None, seconds, f"{self.name} has not ended")
        assert self.code is not None
        return self.code

    @property
    def works(self) -> bool:
        """Whether it runs and has taken up its partitions, of which there may be none."""
        log = self.log_file.read_text()
        return self.code is None and '"event": "assigned"' in log[log.rindex("started") :]

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of one event."""
        found = []
        for line in self.log_file.read_text().splitlines():
            if line.startswith("{"):
                entry = json.loads(line)
                if entry["event"] == event:
                    found.append(entry)
        return found


@dataclass
class Stage:
    """One app on one broker: its topics, its workers, and what it wrote."""

    app: str
    bootstrap: str
    folder: Path
    workers: list[Worker] = field(default_factory=list)
    deaths: Counter[int] = field(default_factory=Counter)

    async def supervise(self, workers: list[Worker], plan: list[str]) -> None:
        """Start workers, and start again what ends, each with the next failpoint of `plan`."""
        for worker in workers:
            worker.start(plan.pop(0))
        while True:
            for worker in workers:
                if worker.code is not None:
                    self.deaths[worker.code] += 1
                    worker.start(plan.pop(0) if plan else "")
            await asyncio.sleep(0.2)

    def worker(self, name: str, **options: Any) -> Worker:
        worker = Worker(self.app, self.bootstrap, name, self.folder / f"{name}.log", options)
        self.workers.append(worker)
        return worker

    async def create(self) -> None:
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

    async def read(self, topic: str, isolation: str = "read_committed") -> list[Any]:
        """Return every record of a topic, by partition and offset."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level=isolation,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            places = [TopicPartition(f"{self.app}.{topic}", p) for p in range(PARTITIONS)]
            consumer.assign(places)
            todo = {tp: end for tp, end in (await consumer.end_offsets(places)).items() if end}
            records = []
            while todo:
                for found in (await consumer.getmany(*todo, timeout_ms=200)).values():
                    records += found
                for tp in list(todo):
                    if await consumer.position(tp) >= todo[tp]:
                        del todo[tp]
        finally:
            await consumer.stop()
        return sorted(records, key=lambda r: (r.partition, r.offset))

    async def hanging(self) -> dict[str, int]:
        """Return how many records of each topic stand behind an open transaction."""
        ends = {}
        for isolation in ("read_committed", "read_uncommitted"):
            consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, isolation_level=isolation)
            await consumer.start()
            try:
                places = [
                    TopicPartition(f"{self.app}.{topic}", p)
                    for topic in ("usage", "state", "places", "alerts")
                    for p in range(PARTITIONS)
                ]
                consumer.assign(places)
                ends[isolation] = await consumer.end_offsets(places)
            finally:
                await consumer.stop()
        behind = {
            f"{tp.topic}/{tp.partition}": end - ends["read_committed"][tp]
            for tp, end in ends["read_uncommitted"].items()
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


async def until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Return once `condition` holds; fail with `otherwise` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.1)


@pytest.fixture
async def stage(broker: Any, unique: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return an app of this test's own; its workers never outlive the test."""
    stage = Stage(unique, broker.bootstrap, tmp_path)
    await stage.create()
    yield stage
    for worker in stage.workers:
        if worker.process is not None and worker.code is None:
            worker.signal(signal.SIGKILL)
            worker.process.wait()


def numbered(count: int) -> Counter[bytes]:
    """Return the values that `count` records hold, each once."""
    return Counter(str(number).encode() for number in range(count))


# -- the laws


@pytest.mark.fault
@pytest.mark.timeout(240)
async def test_kills_lose_nothing_and_repeat_nothing(stage: Stage) -> None:
    """Whatever point a worker dies at, the next one goes on as if it had not."""
    dice = random.Random(7)
    points = ["after_fold", "after_snapshot", "mid", "before_commit", "after_commit"]
    plan = [f"{point}:{dice.randint(2, 9)}" for point in points] + ["in_restore:1"]
    workers = [stage.worker(f"w{i}") for i in range(3)]
    supervisor = asyncio.ensure_future(stage.supervise(workers, plan))

    produced = 0

    async def produce_until(condition: Callable[[], bool]) -> None:
        nonlocal produced
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, f"left of the plan: {plan}"
            await stage.produce("raw", produced, 350)
            produced += 350
            await asyncio.sleep(0.2)

    await produce_until(lambda: not plan and not any(worker.failpoint for worker in workers))
    assert stage.deaths[-signal.SIGKILL] == len(points) + 1
    for _ in range(5):
        again = time.monotonic() + dice.uniform(1, 4)
        await produce_until(lambda again=again: time.monotonic() > again)
        dice.choice(workers).signal(signal.SIGKILL)
    await stage.drained(produced)
    await until(lambda: all(worker.works for worker in workers), 60, "a worker did not return")
    supervisor.cancel()
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert [await worker.ended() for worker in workers] == [0, 0, 0]
    # 75 is a worker that met its own ghost's transaction, or a partition taken over; 70 is a bug.
    assert set(stage.deaths) <= {-signal.SIGKILL, 75}
    await stage.verify(numbered(produced))


@pytest.mark.integration
async def test_sigterm_saves_the_last_work_and_exits_with_0(stage: Stage) -> None:
    """What was applied is saved on the way out, although no checkpoint was due for an hour."""
    worker = stage.worker("w", checkpoint_seconds=3600.0, flows="count")
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
async def test_restore_ends_at_a_marker(stage: Stage) -> None:
    """The tail of a state topic is always a transaction's marker, which no reader sees."""
    await stage.produce("usage", 0, 800)
    first = stage.worker("first", flows="count")
    first.start()
    await stage.drained(800)
    first.signal(signal.SIGKILL)
    await first.ended()
    tails = Counter(r.partition for r in await stage.read("state", "read_uncommitted"))
    assert len(tails) == PARTITIONS

    second = stage.worker("first", flows="count")
    second.start()
    await stage.produce("usage", 800, 200)
    await stage.drained(1000)
    second.signal(signal.SIGTERM)
    assert await second.ended() == 0
    await stage.verify(numbered(1000))


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
async def test_records_deleted_before_they_were_read_end_the_worker(stage: Stage) -> None:
    """A position below the log's start is loss: it says so, and never goes on in silence."""
    await stage.produce("usage", 0, 400)
    worker = stage.worker("w", flows="count")
    worker.start()
    await stage.drained(400)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0

    await stage.produce("usage", 400, 400)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap)
    await admin.start()
    try:
        await admin.delete_records(
            {
                TopicPartition(f"{stage.app}.usage", p): RecordsToDelete(before_offset=-1)
                for p in range(PARTITIONS)
            }
        )
    finally:
        await admin.close()
    worker.start()
    assert await worker.ended() == 70
    reason = worker.lines("leaving")[-1]["reason"]
    assert "below the log's start" in reason
    assert "Operator action" in reason


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
async def test_a_frozen_worker_cannot_write_over_its_successor(stage: Stage) -> None:
    """Thawed with unsaved work, it is refused, writes nothing and exits to be started again."""
    options = {"flows": "count", "session_seconds": 6.0}
    frozen = stage.worker("frozen", checkpoint_seconds=3600.0, **options)
    frozen.start()
    await stage.produce("usage", 0, 500)
    await until(
        lambda: sum(entry["total"] for entry in frozen.lines("quiet")) >= 500,
        40,
        "not everything was applied",
    )
    frozen.signal(signal.SIGSTOP)
    successor = stage.worker("successor", **options)
    successor.start()
    await stage.produce("usage", 500, 200)
    await stage.drained(700)
    frozen.signal(signal.SIGCONT)
    assert await frozen.ended() == 75
    assert "Fenced" in frozen.lines("leaving")[-1]["reason"]
    successor.signal(signal.SIGTERM)
    assert await successor.ended() == 0
    await stage.verify(numbered(700))
