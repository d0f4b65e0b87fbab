"""More partitions than before: keys have moved, and nobody may be started afresh in silence."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from faust.types import TP
from worker_process import PARTITIONS, TOPICS, create, producer, until, worker

from stream.broker import LocalBroker
from stream.engine.checkpoint import Holding
from stream.engine.connection import Connection
from stream.engine.exits import Exit, Fatal
from stream.engine.flow import Batch, Flow, Fold, Record, Row
from stream.engine.restore import Restore
from stream.engine.settings import EngineSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MORE = PARTITIONS + 2


class Keeping(Fold):
    """A fold with rows to save, and none left afterwards."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """Keep these."""
        self.rows = list(rows)

    @property
    def pending(self) -> int:
        """Count them; the position alone is worth a save too."""
        return len(self.rows) + 1

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take nothing back."""

    def begin(self, progress: bytes | None) -> None:
        """Do nothing."""

    def apply(self, records: Sequence[Record]) -> None:
        """Read nothing."""

    def tick(self, now_ms: int, caught_up: bool) -> None:  # noqa: FBT001
        """Do nothing."""

    def collect(self) -> Batch:
        """Hand the rows over."""
        rows, self.rows = self.rows, []
        return Batch(rows, [], b"")


class Stage:
    """A source and its state topic, and partitions of them restored as a worker would."""

    def __init__(self, broker: LocalBroker, unique: str) -> None:
        """Name the topics."""
        self.bootstrap = broker.bootstrap
        self.app = unique
        self.source, self.state = f"{unique}.usage", f"{unique}.state"

    async def restore(self, *partitions: int, rows: Sequence[Row] = ()) -> list[Holding]:
        """Restore partitions; their folds then have `rows` to save."""
        flow = Flow(self.source, self.state, lambda _: Keeping(rows))
        holdings = [Holding(TP(self.source, number), flow, 1) for number in partitions]
        restore = Restore(
            holdings,
            app_id=self.app,
            connection=Connection(bootstrap=self.bootstrap),
            settings=EngineSettings(),
            shared=frozenset(),
            still_ours=lambda: True,
            progress=lambda *_: None,
        )
        try:
            await restore.fence()
            assert await restore.read()
        finally:
            await asyncio.gather(*[holding.close() for holding in holdings])
        return holdings

    async def save(self, partition: int, rows: Sequence[Row]) -> None:
        """Restore a partition, and save rows and position from there."""
        (holding,) = await self.restore(partition, rows=rows)
        await holding.open(self.app, Connection(bootstrap=self.bootstrap), EngineSettings())
        assert await holding.save() is not None
        await holding.close()


@pytest.fixture
async def stage(broker: LocalBroker, unique: str) -> Stage:
    """Return a source and a state topic of the same count."""
    stage = Stage(broker, unique)
    await administer(
        broker,
        lambda admin: admin.create_topics(
            [
                NewTopic(stage.source, PARTITIONS, 1),
                NewTopic(stage.state, PARTITIONS, 1, topic_configs={"cleanup.policy": "compact"}),
            ]
        ),
    )
    return stage


async def administer(broker: LocalBroker, work: Callable[[AIOKafkaAdminClient], object]) -> None:
    """Change something on the broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await work(admin)  # type: ignore[misc]
    finally:
        await admin.close()


async def grow(broker: LocalBroker, *topics: str, to: int = MORE) -> None:
    """Give topics more partitions."""
    wanted = {topic: NewPartitions(to) for topic in topics}
    await administer(broker, lambda admin: admin.create_partitions(wanted))


async def test_a_partition_with_keys_is_refused_under_another_count(
    broker: LocalBroker, stage: Stage
) -> None:
    """Both topics grew: the counts agree with each other, and not with what was saved."""
    await stage.save(0, [(b"ann", b"here")])
    await stage.restore(0)
    await grow(broker, stage.source, stage.state)
    with pytest.raises(Fatal, match=rf"has {MORE} partitions.*among {PARTITIONS}.*raw") as caught:
        await stage.restore(0)
    assert caught.value.code == Exit.HUMAN


async def test_a_new_partition_is_refused_beside_others_with_keys(
    broker: LocalBroker, stage: Stage
) -> None:
    """Whoever gets it may hold no other, and knows of the keys only by looking for them."""
    await stage.save(1, [(b"ann", b"here")])
    await grow(broker, stage.source, stage.state)
    with pytest.raises(Fatal, match=f"among {PARTITIONS}"):
        await stage.restore(PARTITIONS)


async def test_a_new_count_is_taken_where_nothing_is_known_of_any_key(
    broker: LocalBroker, stage: Stage
) -> None:
    """A source that is only read onward may grow; from the next save on the new count stands."""
    await stage.save(0, [])
    await grow(broker, stage.source, stage.state)
    await stage.restore(0, PARTITIONS)
    await stage.save(0, [(b"ann", b"here")])
    (holding,) = await stage.restore(0)
    assert holding.partitions == MORE


async def test_one_topic_that_grew_alone_is_refused(broker: LocalBroker, stage: Stage) -> None:
    """Saved or not: partitions without state, or state without partitions."""
    await grow(broker, stage.source)
    with pytest.raises(Fatal, match="keys live elsewhere"):
        await stage.restore(0)


async def test_a_worker_refuses_grown_topics_and_says_the_way_out(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Raw topics are another matter: they hold no keys of ours, and may grow with their state."""
    raw = topic_names("raw")
    await create(broker, raw, {})
    names = {name: topic_names(name) for name in TOPICS}

    async def send(partition: int) -> None:
        async with producer(broker) as sender:
            for day in range(1, 6):
                said = b'{"type":"track","userId":"ann","event":"e","timestamp":"2026-01-0%d"}'
                await sender.send_and_wait(raw, said % day, partition=partition)

    with worker(broker, names, raw, tmp_path) as process:
        await process.ready()
        await send(0)
        await until(lambda: process.count("events_total", names["usage"]) == 5)
        assert process.stop() == 0

    # A group of its own each time: one that rejoins within the session time-out is given the
    # partitions it had, and would not meet the new ones.
    await grow(broker, raw, f"{names['ingest_state']}.{raw}", to=2)
    with worker(broker, names, raw, tmp_path, APP_ID=topic_names("second")) as process:
        await process.ready()
        await send(1)
        await until(lambda: process.counted("events_total", topic=raw, result="ingested") == 5)
        assert process.stop() == 0

    await grow(broker, names["usage"], names["state"])
    with worker(broker, names, raw, tmp_path, APP_ID=topic_names("third")) as process:
        assert await asyncio.to_thread(process.popen.wait, 60) == Exit.HUMAN
    (last,) = [line for line in process.log.read_text().splitlines() if "leaving" in line]
    assert f"has {MORE} partitions, and keys were given their places among {PARTITIONS}" in last
    assert "new app id" in last
