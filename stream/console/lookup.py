"""Looking up: what a topic holds of one key, read when it is asked for.

A key is in one partition, so that alone is read, of that its latest records, and for no longer
than somebody waits: an answer says whether it is whole.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.partitioner import murmur2

from stream.engine.connection import Connection
from stream.engine.reading import reader

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
    wanted = key.encode()
    number = int(murmur2(wanted)) & 0x7FFFFFFF
    values: dict[str, list[bytes]] = {topic: [] for topic in topics}
    async with reader(connection, topics) as (consumer, partitions):
        places = [partitions[topic][number % len(partitions[topic])] for topic in topics]
        consumer.assign(places)
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        unread = {place for place in places if begins[place] < ends[place]}
        cut = {place for place in unread if ends[place] - begins[place] > LATEST}
        for place in cut:
            await consumer.position(place)  # or the reset to the beginning overtakes the seek
            consumer.seek(place, ends[place] - LATEST)
        while unread and clock() < until:
            found = await consumer.getmany(*unread, timeout_ms=WAIT_MS)
            for place, records in found.items():
                _keep(values[place.topic], [r for r in records if r.offset < ends[place]], wanted)
            for place in sorted(unread):
                if await consumer.position(place) >= ends[place]:
                    unread.discard(place)
    left = {place.topic for place in unread | cut}
    return {topic: Found(values[topic], topic not in left) for topic in topics}


def _keep(kept: list[bytes], records: Iterable[Any], key: bytes) -> None:
    """Add the values of a key; what came before a tombstone is gone."""
    for record in records:
        if record.key == key:
            if record.value is None:
                kept.clear()
            else:
                kept.append(record.value)
