"""Looking up: what a topic holds of one key, read when it is asked for.

A key is in one partition, so that alone is read, of that its latest records, and for no longer
than somebody waits: an answer says whether it is whole.  Where the latest record alone counts, a
partition is read from its end, piece by piece.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from stream.engine.connection import Connection
from stream.engine.reading import reader

LATEST: Final = 200_000
"""Records of a partition that are looked through."""
SECONDS: Final = 3.0
"""As long as somebody waits for a page."""
WAIT_MS: Final = 250
PIECES: Final = (2_000, 20_000, LATEST)
"""Records of a partition that are read at once, from its end: rows that change often are near it,
and with them the rows of whoever was here of late."""


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
    values: dict[str, list[bytes]] = {topic: [] for topic in topics}
    async with reader(connection, topics) as (consumer, partitions):
        places = [_home(partitions[topic], wanted) for topic in topics]
        consumer.assign(places)
        ends, unread, cut = await seek_latest(consumer, places, LATEST)
        while unread and clock() < until:
            found = await consumer.getmany(*unread, timeout_ms=WAIT_MS)
            for place, records in found.items():
                _keep(values[place.topic], [r for r in records if r.offset < ends[place]], wanted)
            for place in sorted(unread):
                if await consumer.position(place) >= ends[place]:
                    unread.discard(place)
    left = {place.topic for place in unread | cut}
    return {topic: Found(values[topic], topic not in left) for topic in topics}


async def seek_latest(
    consumer: AIOKafkaConsumer, places: Collection[TopicPartition], most: int
) -> tuple[dict[TopicPartition, int], set[TopicPartition], set[TopicPartition]]:
    """Set out to read no more than so many records of each partition, the latest.

    Gives where partitions end, which hold anything, and of which the beginning is left out.
    """
    begins = await consumer.beginning_offsets(places)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    unread = {place for place in places if begins[place] < ends[place]}
    cut = {place for place in unread if ends[place] - begins[place] > most}
    for place in cut:
        await consumer.position(place)  # or the reset to the beginning overtakes the seek
        consumer.seek(place, ends[place] - most)
    return ends, unread, cut


class Rows(NamedTuple):
    """The latest records of some keys of one partition."""

    values: dict[bytes, bytes]
    """Of keys that are there and not erased."""
    whole: bool
    """Whether what is not among them is not there, either."""


async def newest(
    connection: Connection,
    topic: str,
    key: bytes,
    beside: Collection[bytes] = (),
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Rows:
    """Read the latest record of a key, and of others in its partition; raise `Fatal` as `lookup`.

    Of a compacted topic: what is older than the latest does not count.
    """
    until = clock() + SECONDS
    wanted, found = {key, *beside}, dict[bytes, bytes | None]()
    async with reader(connection, [topic]) as (consumer, partitions):
        place = _home(partitions[topic], key)
        consumer.assign([place])
        begin = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        await consumer.position(place)  # or the reset to the beginning overtakes the seek
        pieces = iter(PIECES)
        while end > begin and wanted - found.keys() and clock() < until:
            start = max(begin, end - next(pieces, LATEST))
            piece: dict[bytes, bytes | None] = {}
            consumer.seek(place, start)
            while await consumer.position(place) < end and clock() < until:
                records = await consumer.getmany(place, timeout_ms=WAIT_MS)
                for record in records.get(place, ()):
                    if record.key in wanted and record.offset < end:
                        piece[record.key] = record.value
            # What was found in part of a piece may not be the latest of it.
            if await consumer.position(place) < end:
                break
            found = piece | found
            end = start
    values = {key: value for key, value in found.items() if value is not None}
    return Rows(values, whole=end <= begin or not wanted - found.keys())


def _home(places: Sequence[TopicPartition], key: bytes) -> TopicPartition:
    """Give the partition that Kafka's default partitioner puts a key into."""
    return places[(int(murmur2(key)) & 0x7FFFFFFF) % len(places)]


def _keep(kept: list[bytes], records: Iterable[Any], key: bytes) -> None:
    """Add the values of a key; what came before a tombstone is gone."""
    for record in records:
        if record.key == key:
            if record.value is None:
                kept.clear()
            else:
                kept.append(record.value)
