"""Present: what a topic holds now, read from one place to another, and then no further.

No group is joined and nothing is committed, so nobody else notices; and only what
was committed is seen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import Fatal, judge

ANSWER_SECONDS = 60
READ_MS = 500


async def partition_count(connection: Connection, topic: str) -> int:
    """Return how many partitions a topic has; `Fatal` where nobody answers, or there is none."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return (await wait_for_broker(connection, [topic]))[topic]
    except TimeoutError as error:
        raise Fatal(
            f"{connection.bootstrap} does not answer, or has no topic {topic}. Operator action:"
            " give the settings of the workers (--config, --set topics....)."
        ) from error


async def present(
    connection: Connection, topic: str, *, since_ms: int | None = None, until_ms: int | None = None
) -> AsyncIterator[Any]:
    """Give the records that a topic holds now, committed, partition by partition.

    `since_ms` and `until_ms` are of the records' own time, as Kafka has it: of each partition,
    from the first record that is as late on, up to the first that is later.  Raises `Fatal`.
    """
    count = await partition_count(connection, topic)
    async with _reader(connection, topic) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(partitions)
        begins = await _found(consumer, partitions, since_ms)
        ends = await consumer.end_offsets(partitions)
        ends |= await _found(consumer, partitions, until_ms)
        for partition in partitions:
            consumer.pause(*(other for other in partitions if other != partition))
            consumer.resume(partition)
            if since_ms is not None:
                consumer.seek(partition, begins.get(partition, ends[partition]))
            async for record in _read(consumer, partition, ends[partition]):
                yield record


async def present_from(
    connection: Connection, topic: str, partition: int, offset: int
) -> AsyncIterator[Any]:
    """Give the records of one partition from an offset on; none where there is no such partition.

    Where the offset is no longer there, from the first one that is.  Raises `Fatal`.
    """
    if partition >= await partition_count(connection, topic):
        return
    where = TopicPartition(topic, partition)
    async with _reader(connection, topic) as consumer:
        consumer.assign([where])
        end = (await consumer.end_offsets([where]))[where]
        if offset >= end:
            return
        consumer.seek(where, offset)
        async for record in _read(consumer, where, end):
            yield record


@asynccontextmanager
async def _reader(connection: Connection, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **connection.client(),
        group_id=None,
        auto_offset_reset="earliest",  # a seek could be overtaken by a reset to the end
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        yield consumer
    except Exception as error:
        raise judge(error, f"reading {topic}") from error
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, where: TopicPartition, end: int) -> AsyncIterator[Any]:
    while await consumer.position(where) < end:
        for record in (await consumer.getmany(where, timeout_ms=READ_MS)).get(where, ()):
            if record.offset < end:
                yield record


async def _found(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], moment: int | None
) -> dict[TopicPartition, int]:
    """Give the offset of each partition's first record of a moment or later, where there is one."""
    if moment is None:
        return {}
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, moment))
    return {partition: at.offset for partition, at in found.items() if at is not None}
