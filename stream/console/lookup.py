"""Looking up: what a topic holds of one key, read when it is asked for.

A key is in one partition, so that alone is read, of that its latest records, and for no longer
than somebody waits: an answer says whether it is whole.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import judge

LATEST: Final = 200_000
"""Records of a partition that are looked through."""
SECONDS: Final = 3.0
"""As long as somebody waits for a page."""
WAIT_MS: Final = 250


class Found(NamedTuple):
    """What was found of a key."""

    values: list[bytes]
    """In the order of their offsets, since it was erased the last time."""
    whole: bool
    """Whether the partition was read from its beginning to its end."""


async def lookup(
    connection: Connection,
    topics: Sequence[str],
    key: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Found]:
    """Read the records of a key from each topic; raise `Fatal` where Kafka refuses."""
    until = clock() + SECONDS
    counts = await wait_for_broker(connection, topics)
    wanted = key.encode()
    number = int(murmur2(wanted)) & 0x7FFFFFFF
    places = [TopicPartition(topic, number % counts[topic]) for topic in topics]
    values: dict[str, list[bytes]] = {topic: [] for topic in topics}
    consumer = AIOKafkaConsumer(
        **connection.client(),
        group_id=None,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        consumer.assign(places)
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        unread = {place for place in places if begins[place] < ends[place]}
        cut = {place for place in unread if ends[place] - begins[place] > LATEST}
        for place in places:
            consumer.seek(place, max(begins[place], ends[place] - LATEST))
        while unread and clock() < until:
            found = await consumer.getmany(*unread, timeout_ms=WAIT_MS)
            for place, records in found.items():
                kept = values[place.topic]
                for record in records:
                    if record.key != wanted or record.offset >= ends[place]:
                        continue
                    if record.value is None:
                        kept.clear()
                    else:
                        kept.append(record.value)
            for place in sorted(unread):
                if await consumer.position(place) >= ends[place]:
                    unread.discard(place)
    except Exception as error:
        raise judge(error, f"reading {', '.join(topics)}") from error
    finally:
        await consumer.stop()
    left = {place.topic for place in unread | cut}
    return {topic: Found(values[topic], topic not in left) for topic in topics}
