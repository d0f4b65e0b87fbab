"""The latest dead letters, by what is wrong with them, each sort with one of its letters.

Read when somebody looks, the latest of each partition, and for no longer than somebody
waits: a burst of millions costs nobody more than that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.console.lookup import seek_latest
from stream.dlq.letters import Letter, Mark, Wanted, read
from stream.dlq.remedies import Remedy, remedy
from stream.dlq.summary import Kind, summary
from stream.engine.connection import Connection
from stream.engine.exits import Fatal
from stream.engine.reading import reader

LATEST: Final = 500
"""Records of each partition that are looked at."""
READ_MAX: Final = 16 << 20
"""Bytes; a letter may have many megabytes."""
SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
WAIT_MS: Final = 250
TEXT_MAX: Final = 400
BYTES_MAX: Final = 64


class Sort(NamedTuple):
    """The letters of one reason."""

    kind: Kind
    remedy: Remedy
    latest: int
    """When the latest of them was put aside (ms since 1970 UTC)."""
    message: str
    """Of that one, as are the next."""
    value: str
    """What was sent, or its beginning."""
    more: int
    """Bytes that it leaves out."""


class Letters(NamedTuple):
    """What was found."""

    sorts: list[Sort]
    """The most frequent first."""
    looked: int
    """Letters looked at."""
    since: int | None
    """When the earliest of them was put aside (ms since 1970 UTC); None: there are none."""
    whole: bool
    """These are all that the topic holds."""
    problem: str = ""
    """Why nothing is known."""


async def latest(connection: Connection, topic: str) -> Letters:
    """Read the latest; what goes wrong is said, and raised never."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            found, whole = await _read(connection, topic, time.monotonic)
    except Fatal as error:
        return Letters([], 0, None, whole=False, problem=str(error))
    except TimeoutError:
        problem = f"{connection.bootstrap} does not answer, or has no topic {topic}"
        return Letters([], 0, None, whole=False, problem=problem)
    return await sort(topic, found, whole=whole)


async def sort(topic: str, found: Sequence[Letter | Mark], *, whole: bool) -> Letters:
    """Put letters together by reason."""
    letters = {str(one.place): one for one in found if isinstance(one, Letter)}
    counted = await summary(topic, _each(found), Wanted())
    sorts = []
    for kind in counted.kinds:
        letter = letters[kind.latest]
        value, more = excerpt(letter.value)
        sorts.append(
            Sort(
                kind,
                remedy(kind.code, kind.stage),
                letter.written_at,
                letter.reason.message[:TEXT_MAX],
                value,
                more,
            )
        )
    since = min((one.written_at for one in letters.values()), default=None)
    return Letters(sorts, len(letters), since, whole)


def excerpt(value: bytes | None) -> tuple[str, int]:
    """Give the beginning of what was sent, as text where it is text, and how many bytes follow."""
    if value is None:
        return "", 0
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"0x{value[:BYTES_MAX].hex()}", max(0, len(value) - BYTES_MAX)
    return text[:TEXT_MAX], len(text[TEXT_MAX:].encode())


async def _each(found: Sequence[Letter | Mark]) -> AsyncIterator[Letter | Mark]:
    for one in found:
        yield one


async def _read(
    connection: Connection, topic: str, clock: Callable[[], float]
) -> tuple[list[Letter | Mark], bool]:
    """Give the latest letters and marks, and whether there are no others."""
    until = clock() + SECONDS
    found: list[Letter | Mark] = []
    async with reader(connection, [topic]) as (consumer, partitions):
        places = partitions[topic]
        consumer.assign(places)
        ends, unread, cut = await seek_latest(consumer, places, LATEST)
        size = 0
        while unread and clock() < until and size < READ_MAX:
            batches = await consumer.getmany(*unread, timeout_ms=WAIT_MS)
            for place, records in batches.items():
                some = (read(record) for record in records if record.offset < ends[place])
                found += [one for one in some if one is not None]
                size += sum(len(record.value or b"") for record in records)
            unread -= await _done(consumer, unread, ends)
    return found, not (unread or cut)


async def _done(
    consumer: AIOKafkaConsumer, places: set[TopicPartition], ends: dict[TopicPartition, int]
) -> set[TopicPartition]:
    return {place for place in places if await consumer.position(place) >= ends[place]}
