"""Present: what a topic holds now, read from one place to another, and then no further.

No group is joined and nothing is committed, so nobody else notices; and only what
was committed is seen.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import Fatal
from stream.engine.reading import reader

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


class Range(NamedTuple):
    """Which records of a topic."""

    since_ms: int | None = None
    """Of each partition from the first record of this time or later on, as Kafka has it."""
    until_ms: int | None = None
    """Up to the first record of this time or later."""
    offsets: Mapping[int, tuple[int, int | None]] = MappingProxyType({})
    """Instead: the first offset, and the one behind the last (None: the end), by partition."""


async def present(
    connection: Connection,
    topic: str,
    where: Range = Range(),  # noqa: B008 - a constant
) -> AsyncGenerator[Any, None]:
    """Give the records that a topic holds now, committed, partition by partition; or `Fatal`.

    Who wants no more of them closes it: it holds a connection until then.
    """
    async with aclosing(present_blocks(connection, topic, where)) as blocks:
        async for records in blocks:
            for record in records:
                yield record


async def present_blocks(
    connection: Connection,
    topic: str,
    where: Range = Range(),  # noqa: B008 - a constant
) -> AsyncGenerator[list[Any], None]:
    """Give them as they are fetched, many at a time; a list may be empty."""
    count = await partition_count(connection, topic)
    async with reader(connection, [topic]) as (consumer, _):
        numbers = sorted(where.offsets) if where.offsets else range(count)
        partitions = [TopicPartition(topic, number) for number in numbers if number < count]
        consumer.assign(partitions)
        begins = await _found(consumer, partitions, where.since_ms)
        ends = await consumer.end_offsets(partitions)
        if where.since_ms is not None:
            begins = {tp: begins.get(tp, ends[tp]) for tp in partitions}
        ends |= await _found(consumer, partitions, where.until_ms)
        for tp in partitions:
            first, behind = where.offsets.get(tp.partition, (None, None))
            begins |= {} if first is None else {tp: first}
            ends[tp] = min(ends[tp], ends[tp] if behind is None else behind)
            consumer.pause(*(other for other in partitions if other != tp))
            consumer.resume(tp)
            if tp in begins:
                consumer.seek(tp, begins[tp])
            async for records in _read(consumer, tp, ends[tp]):
                yield records


async def present_from(
    connection: Connection, topic: str, partition: int, offset: int
) -> AsyncGenerator[Any, None]:
    """Give the records of one partition from an offset on; none where there is no such partition.

    Where the offset is no longer there, from the first one that is.  Raises `Fatal`.
    """
    if partition >= await partition_count(connection, topic):
        return
    where = TopicPartition(topic, partition)
    async with reader(connection, [topic]) as (consumer, _):
        consumer.assign([where])
        end = (await consumer.end_offsets([where]))[where]
        if offset >= end:
            return
        consumer.seek(where, offset)
        async for records in _read(consumer, where, end):
            for record in records:
                yield record


async def _read(
    consumer: AIOKafkaConsumer, where: TopicPartition, end: int
) -> AsyncIterator[list[Any]]:
    while await consumer.position(where) < end:
        fetched = (await consumer.getmany(where, timeout_ms=READ_MS)).get(where, [])
        if fetched and fetched[-1].offset >= end:
            fetched = [record for record in fetched if record.offset < end]
        yield fetched


async def _found(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], moment: int | None
) -> dict[TopicPartition, int]:
    """Give the offset of each partition's first record of a moment or later, where there is one."""
    if moment is None:
        return {}
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, moment))
    return {partition: at.offset for partition, at in found.items() if at is not None}
