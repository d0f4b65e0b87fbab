"""Read-back: what the broker holds in the end, as the readers of our topics see it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine.flow import Record

BLOCK_RECORDS = 2_000
TAIL_RECORDS = 500


class Ends(NamedTuple):
    """How long one partition's log is."""

    start: int
    stable: int
    """Up to here a reader of committed records comes."""
    high: int
    """Behind the last record, committed or not."""


class Log(Protocol):
    """Topics that can be read from their start."""

    def read(self, topic: str) -> AsyncIterator[Sequence[Record]]:
        """Give every committed record in blocks of one partition, each partition in order."""

    async def ends(self, topic: str) -> dict[int, Ends]:
        """Say how long each partition is."""


class KafkaLog:
    """The topics of a real broker."""

    def __init__(self, bootstrap: str) -> None:
        """Ask the broker at `bootstrap`."""
        self.bootstrap = bootstrap

    async def read(
        self, topic: str, isolation: str = "read_committed"
    ) -> AsyncIterator[Sequence[Record]]:
        """Give every record up to the present end in blocks of one partition, each in order."""
        async with self._consumer(topic, isolation) as (consumer, tps):
            ends = await consumer.end_offsets(tps)
            await consumer.seek_to_beginning(*tps)
            for tp in tps:
                # By position: the tail of a log written in transactions is a marker.
                while await consumer.position(tp) < ends[tp]:
                    fetched = await consumer.getmany(tp, timeout_ms=200, max_records=BLOCK_RECORDS)
                    for records in fetched.values():
                        yield records

    async def records(self, topic: str, isolation: str = "read_committed") -> list[Any]:
        """Return every record up to the present end, by partition and offset."""
        return [record async for block in self.read(topic, isolation) for record in block]

    async def last(
        self, topic: str, wanted: Callable[[Record], bool] = lambda _: True
    ) -> dict[int, Record]:
        """Return the last committed record of each partition that is `wanted`.

        Reads no more than it must: it is asked again and again while a log grows.
        """
        found: dict[int, Record] = {}
        async with self._consumer(topic, "read_committed") as (consumer, tps):
            starts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
            for tp in tps:
                stride, begin = TAIL_RECORDS, ends[tp]
                while tp.partition not in found and begin > starts[tp]:
                    begin = max(starts[tp], ends[tp] - stride)
                    stride *= 8
                    consumer.seek(tp, begin)
                    while await consumer.position(tp) < ends[tp]:
                        fetched = await consumer.getmany(tp, timeout_ms=200)
                        for record in fetched.get(tp, []):
                            if wanted(record):
                                found[tp.partition] = record
        return found

    async def ends(self, topic: str) -> dict[int, Ends]:
        """Say how long each partition is."""
        async with self._consumer(topic, "read_committed") as (consumer, tps):
            starts = await consumer.beginning_offsets(tps)
            stable = await consumer.end_offsets(tps)
        async with self._consumer(topic, "read_uncommitted") as (consumer, tps):
            high = await consumer.end_offsets(tps)
        return {tp.partition: Ends(starts[tp], stable[tp], high[tp]) for tp in tps}

    @asynccontextmanager
    async def _consumer(
        self, topic: str, isolation: str
    ) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        """Give a consumer of all partitions of a topic, and their names."""
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=self.bootstrap,
            group_id=None,
            isolation_level=isolation,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=8 << 20,
        )
        await consumer.start()
        try:
            tps = sorted(consumer.assignment(), key=lambda tp: tp.partition)
            assert tps, f"{topic} has no partitions"
            yield consumer, tps
        finally:
            await consumer.stop()
