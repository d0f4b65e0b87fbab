"""Kafka's own word on the lag: the group's offsets beside the logs' ends.

A worker that is gone says nothing of its partitions; the broker still knows.  The group's
offsets follow the work within seconds: they are for this, and nothing else depends on them.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.engine.connection import Connection, describe

_SECONDS_MAX = 10


class Lags(msgspec.Struct, frozen=True, kw_only=True):
    """Records not worked on yet, by topic and partition."""

    lags: dict[tuple[str, int], int | None] = {}
    """None: the group has never said how far it is."""
    problem: str = ""
    """Why nothing is known."""


async def ask(connection: Connection, group: str, topics: Sequence[str]) -> Lags:
    """Ask the broker; what goes wrong is said, and raised never."""
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            return Lags(lags=await _ask(connection, group, topics))
    except TimeoutError:
        return Lags(problem=f"{connection.bootstrap} does not answer")
    except (KafkaError, OSError) as error:
        return Lags(problem=str(error) or type(error).__name__)


async def _ask(
    connection: Connection, group: str, topics: Sequence[str]
) -> dict[tuple[str, int], int | None]:
    admin = AIOKafkaAdminClient(**connection.client(), request_timeout_ms=5_000)
    consumer = AIOKafkaConsumer(**connection.client(), group_id=None, enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        found = await describe(admin, topics)
        tps = [
            TopicPartition(topic["topic"], number)
            for topic in found
            for number in range(len(topic["partitions"]))
        ]
        if not tps:
            return {}
        committed = await admin.list_consumer_group_offsets(group, partitions=tps)
        ends = await consumer.end_offsets(tps)
    finally:
        await consumer.stop()
        await admin.close()
    return {
        (tp.topic, tp.partition): max(0, ends[tp] - committed[tp].offset)
        if tp in committed and committed[tp].offset >= 0
        else None
        for tp in tps
    }
