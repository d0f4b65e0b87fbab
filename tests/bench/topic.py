"""A topic for a measurement: made, and filled as a busy producer would fill it."""

import uuid
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.engine.checkpoint import partition_for
from tests.bench.tracks import Track

BATCH_BYTES = 512 << 10
KEEP: Mapping[str, str] = {"retention.ms": "-1", "retention.bytes": "-1"}
"""The events' times lie in the past: by default they would be deleted while they are read."""


def unique(name: str) -> str:
    """Give a name that no other run has."""
    return f"bench-{uuid.uuid4().hex[:8]}.{name}"


async def create(
    bootstrap: str, topic: str, partitions: int, config: Mapping[str, str] = KEEP
) -> None:
    """Create a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        new = NewTopic(topic, partitions, 1, topic_configs=dict(config))
        response = await admin.create_topics([new])
        assert not response.topic_errors[0][1], response.topic_errors
    finally:
        await admin.close()


async def fill(
    bootstrap: str, topic: str, partitions: int, tracks: Iterable[Track], to: int | None = None
) -> None:
    """Send in lz4 batches, each record to its key's partition (or all `to` one), at its time."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        max_batch_size=BATCH_BYTES,
    )
    await producer.start()
    try:
        batches = [producer.create_batch() for _ in range(partitions)]
        for track in tracks:
            where = partition_for(track.key, partitions) if to is None else to
            said = {"key": track.key, "value": track.value, "timestamp": track.at_ms}
            if batches[where].append(**said) is None:
                await producer.send_batch(batches[where], topic, partition=where)
                batches[where] = producer.create_batch()
                batches[where].append(**said)
        for where, batch in enumerate(batches):
            if batch.record_count():
                await producer.send_batch(batch, topic, partition=where)
        await producer.flush()
    finally:
        await producer.stop()
