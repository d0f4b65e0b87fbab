"""What the same faults do to plain faust-streaming: the suite's proof that it can fail.

A worker with Faust's own `Table` counts events per customer and publishes a
record at every tenth; an oracle of its own knows both.  Rows 1, 2, 5 and 8 of
the table of faults are tried on it, at least once and exactly once, with a
supervisor that starts again what ends.

    python tests/fault/stock_tables.py --seed 1

prints what was lost as a Markdown table.  It judges nothing.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import stock_worker
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError
from processes import ROOT, Worker, until
from readback import KafkaLog
from stock_worker import EVERY, PARTITIONS

from stream.broker import LocalBroker
from stream.engine.checkpoint import partition_for

KEYS = 300
WORKERS = 3
EVENTS_A_STEP = 500
DRAIN_SECONDS = 150.0  # then it is said to hang
PATIENCE_SECONDS = 300.0
CALM_SECONDS = 10
GUARANTEES = ("at_least_once", "exactly_once")


class Losses(NamedTuple):
    """What was found in the end."""

    events: int
    counts_low: int  # events missing from the table, over all customers
    counts_high: int  # events counted more than once
    alerts_missing: int
    alerts_twice: int
    unread: int  # events behind the committed offsets when the time was up


@dataclass
class Stock:
    """One app of plain Faust on a broker, and its supervisor."""

    app: str
    bootstrap: str
    guarantee: str
    folder: Path
    dice: random.Random
    faults: int = 0
    workers: list[Worker] = field(default_factory=list)
    sent: Counter[bytes] = field(default_factory=Counter)

    @property
    def changelog(self) -> str:
        """The topic that Faust keeps the table in."""
        return f"{self.app}-counts-changelog"

    async def make_topics(self) -> None:
        """Create the topics, so that no worker has to."""
        async with self.admin() as admin:
            names = (f"{self.app}.events", f"{self.app}.alerts")
            topics = [NewTopic(name, PARTITIONS, 1) for name in names]
            compact = {"cleanup.policy": "compact"}
            topics.append(NewTopic(self.changelog, PARTITIONS, 1, topic_configs=compact))
            await admin.create_topics(topics)

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """Give a client for topics and groups."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Run the workers, starting again whichever ends."""
        for number in range(WORKERS):
            name = f"w{number}"
            folder = self.folder / name
            folder.mkdir(parents=True)
            arguments = [self.app, self.bootstrap, name, self.guarantee, str(folder)]
            command = [sys.executable, str(stock_worker.__file__), *arguments]
            environment = {"PYTHONPATH": str(ROOT)}
            self.workers.append(Worker(name, command, environment, self.folder))

        async def supervise() -> None:
            while True:
                for worker in self.workers:
                    if not worker.running:
                        worker.start(worker.failpoint)
                await asyncio.sleep(0.2)

        supervisor = asyncio.create_task(supervise())
        try:
            yield
        finally:
            supervisor.cancel()
            for worker in self.workers:
                worker.kill()

    async def settled(self) -> None:
        """Wait until all workers are members, and nothing was rebalanced for some seconds."""
        stable = 0

        async def calm() -> bool:
            nonlocal stable
            try:
                async with self.admin() as admin:
                    (response,) = await admin.describe_consumer_groups([self.app])
            except GroupCoordinatorNotAvailableError:  # the broker's first group
                return False
            _, _, state, _, _, members, *_ = response.groups[0]
            stable = stable + 1 if state == "Stable" and len(members) == WORKERS else 0
            return stable >= CALM_SECONDS

        await until(calm, PATIENCE_SECONDS, "the workers did not settle", pause_seconds=1.0)

    async def feed(self, steps: int = 1) -> None:
        """Send events, a step a second, and wait until the broker has them."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, enable_idempotence=True, linger_ms=5
        ) as producer:
            for _ in range(steps):
                sent = []
                for _ in range(EVENTS_A_STEP):
                    key = b"c%04d" % self.dice.randrange(KEYS)
                    where = partition_for(key, PARTITIONS)
                    topic = f"{self.app}.events"
                    sent.append(await producer.send(topic, b"used", key=key, partition=where))
                    self.sent[key] += 1
                await asyncio.gather(*sent)
                await asyncio.sleep(1.0)

    async def unread(self) -> int:
        """Count the events behind what the group has committed."""
        ends = await KafkaLog(self.bootstrap).ends(f"{self.app}.events")
        async with self.admin() as admin:
            committed = await admin.list_consumer_group_offsets(self.app)
        done = {
            tp.partition: at.offset for tp, at in committed.items() if tp.topic.endswith(".events")
        }
        return sum(end.high - max(done.get(number, 0), 0) for number, end in ends.items())

    async def configure(self, topic: str, config: dict[str, str]) -> None:
        """Give a topic exactly this configuration."""
        async with self.admin() as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])

    async def losses(self) -> Losses:
        """Wait until all is read, or for too long; then hold the topics against the input."""

        async def drained() -> bool:
            return await self.unread() == 0

        with contextlib.suppress(AssertionError):  # that it hangs is a finding
            await until(drained, DRAIN_SECONDS, "it hangs", pause_seconds=1.0)
        unread = await self.unread()
        await asyncio.sleep(5)  # what was read may still be on its way to the topics
        log = KafkaLog(self.bootstrap)
        counts = {
            record.key: int(record.value)
            for record in await log.records(self.changelog)
            if record.value is not None
        }
        said = Counter(record.value for record in await log.records(f"{self.app}.alerts"))
        due = {
            b"%s:%d" % (key, count)
            for key, total in self.sent.items()
            for count in range(EVERY, total + 1, EVERY)
        }
        off = {key: counts.get(key, 0) - total for key, total in self.sent.items()}
        return Losses(
            events=self.sent.total(),
            counts_low=-sum(min(0, by) for by in off.values()),
            counts_high=sum(max(0, by) for by in off.values()),
            alerts_missing=len(due - said.keys()),
            alerts_twice=sum(number - 1 for number in said.values()),
            unread=unread,
        )


# ---------------------------------------------------------------- the faults


async def undisturbed(stock: Stock) -> None:
    """Do nothing: whatever is lost here, the comparison would have lost itself."""
    await stock.feed(5)


async def killed_at_random(stock: Stock) -> None:
    """Kill one worker at a time, ten times (row 1)."""
    for _ in range(10):
        await stock.feed(stock.dice.randint(2, 5))
        stock.dice.choice(stock.workers).kill()
        stock.faults += 1


async def killed_at_commits(stock: Stock) -> None:
    """Kill each worker as a commit begins, and as it has ended, in turns (row 2)."""
    for when in ("begin", "end") * 3:
        for worker in stock.workers:
            worker.failpoint = f"{when}:{stock.dice.randint(2, 3)}"
            worker.kill()
        await asyncio.sleep(1)
        for worker in stock.workers:
            process = worker.process
            worker.failpoint = ""
            for _ in range(20):
                await stock.feed()
                if process is None or process.poll() is not None:
                    stock.faults += 1
                    break


async def frozen_beyond_the_session(stock: Stock) -> None:
    """Freeze a worker under load until the others have its partitions, then thaw it (row 5)."""
    for _ in range(3):
        zombie = stock.dice.choice(stock.workers)
        await stock.feed(3)
        zombie.signal(signal.SIGSTOP)
        stock.faults += 1
        await stock.feed(20)
        zombie.signal(signal.SIGCONT)
        await stock.feed(5)


async def refused_changelog(stock: Stock) -> None:
    """Let the broker refuse the table's changelog for a while, then allow it again (row 8)."""
    for _ in range(2):
        await stock.feed(3)
        await stock.configure(
            stock.changelog, {"cleanup.policy": "compact", "max.message.bytes": "10"}
        )
        stock.faults += 1
        await stock.feed(8)
        await stock.configure(stock.changelog, {"cleanup.policy": "compact"})
        await stock.feed(3)


FAULTS: dict[str, tuple[int, Callable[[Stock], Awaitable[None]]]] = {
    "none, as the control": (0, undisturbed),
    "killed at random": (1, killed_at_random),
    "killed as a commit begins, and has ended": (2, killed_at_commits),
    "frozen 20 s, thawed after others took over": (5, frozen_beyond_the_session),
    "changelog refused for 8 s": (8, refused_changelog),
}


async def tried(stock: Stock, fault: Callable[[Stock], Awaitable[None]]) -> Losses:
    """Do one fault to one app; return what it cost."""
    await stock.make_topics()
    async with stock.supervised():
        await stock.settled()
        await stock.feed(5)
        await fault(stock)
        return await stock.losses()


async def main(seed: int, only: list[int]) -> None:
    """Try every fault under every guarantee, and print the table."""
    head = "| row | fault | guarantee | faults | events | missing from counts | counted twice |"
    print(f"{head} alerts missing | alerts twice | left unread |")  # noqa: T201 - the output
    print("|" + " --- |" * 10)  # noqa: T201
    with LocalBroker.start() as broker, tempfile.TemporaryDirectory() as scratch:
        for guarantee in GUARANTEES:
            for name, (row, fault) in FAULTS.items():
                if only and row not in only:
                    continue
                app = f"stock-{row}-{guarantee.replace('_', '-')}"
                dice = random.Random(f"{seed} {name} {guarantee}")
                stock = Stock(app, broker.bootstrap, guarantee, Path(scratch) / app, dice)
                found = await tried(stock, fault)
                cells = (row, name, guarantee, stock.faults, *found)
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)  # noqa: T201
    packages = ("faust-streaming", "aiokafka", "mode-streaming")
    print("\n" + ", ".join(f"{name} {version(name)}" for name in packages))  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--row", type=int, action="append", default=[], help="only this row")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.seed, chosen.row))
