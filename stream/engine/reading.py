"""Reading: a consumer nobody notices, for it joins no group, commits and writes nothing."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import judge

Partitions = dict[str, list[TopicPartition]]


@asynccontextmanager
async def reader(
    connection: Connection, topics: Collection[str]
) -> AsyncIterator[tuple[AIOKafkaConsumer, Partitions]]:
    """Give a consumer of what was committed, and the partitions there are; nothing is assigned.

    What is assigned is read from its beginning: a seek to it could be overtaken by a reset to
    the end.  Raises `Fatal` for whatever Kafka refuses, then or while it is used.
    """
    counts = await wait_for_broker(connection, topics)
    consumer = AIOKafkaConsumer(
        **connection.client(),
        group_id=None,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        yield (
            consumer,
            {topic: [TopicPartition(topic, n) for n in range(counts[topic])] for topic in topics},
        )
    except Exception as error:
        raise judge(error, f"reading {', '.join(topics)}") from error
    finally:
        await consumer.stop()
