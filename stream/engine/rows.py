"""Rows: a state topic, read back to its end.

The end is reached by position, not by the last record seen: the tail of a log
written in transactions is a marker, which no reader ever gets to see.  Whoever
restores reads so, and whoever only looks reads the same way.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine.connection import Connection
from stream.engine.exits import Exit, Fatal
from stream.engine.flow import Record
from stream.engine.position import Position, is_position, position_key, unpack_position
from stream.engine.records import drain
from stream.engine.settings import EngineSettings

_ROWS_AT_ONCE = 20_000  # about 50 ms of the event loop


def reader(connection: Connection, settings: EngineSettings) -> AIOKafkaConsumer:
    """Return a consumer of no group: it reads what was committed, and disturbs nobody."""
    return AIOKafkaConsumer(
        **connection.client(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=settings.fetch_bytes_max,
        request_timeout_ms=int(settings.producer_request_seconds * 1000),
    )


async def know(consumer: AIOKafkaConsumer, topics: set[str], settings: EngineSettings) -> None:
    """Wait until the consumer has the metadata of `topics`."""
    known = consumer._client.set_topics(topics)  # noqa: SLF001 - the public way backs off 0.5 s
    await asyncio.wait_for(known, settings.deadline_seconds)


async def read_rows(
    consumer: AIOKafkaConsumer,
    ends: Mapping[TopicPartition, int],
    *,
    take: Callable[[TopicPartition, Sequence[Record]], None],
    settings: EngineSettings,
    told: Callable[[TopicPartition, int], None] = lambda *_: None,
    wanted: Callable[[], bool] = lambda: True,
) -> bool:
    """Hand every row below `ends` to `take`; False if the rows are no longer wanted.

    The partitions are assigned already, and stand at their beginning.  `told`
    hears how many offsets are to go.  Raises `Fatal` where nothing moves.
    """
    todo = {tp for tp, end in ends.items() if end > 0}
    before: dict[TopicPartition, int] = {}
    moved_at = time.monotonic()
    while todo:
        if not wanted():
            return False
        fetched = await drain(
            consumer._fetcher,  # noqa: SLF001
            todo,
            seconds=0.2,
            records_max=_ROWS_AT_ONCE,
        )
        for tp, batches in fetched.items():
            take(tp, [record for packed in batches for record in packed.unpack()])
        for tp in list(todo):
            position = await asyncio.wait_for(consumer.position(tp), settings.deadline_seconds)
            if position != before.get(tp):
                before[tp], moved_at = position, time.monotonic()
            told(tp, max(0, ends[tp] - position))
            if position >= ends[tp]:
                todo.discard(tp)
        if time.monotonic() - moved_at > settings.stalled_seconds:
            raise Fatal(
                f"Restoring made no progress for {settings.stalled_seconds:.0f} s at "
                f"{sorted(todo)}. Starting again is safe.",
                Exit.TEMPORARY,
            )
    return True


def load_rows(
    source: str, records: Sequence[Record], load: Callable[[bytes, bytes | None], None]
) -> tuple[Position | None, int]:
    """Hand the rows of keys to `load`; return the position of `source`, if it is among them.

    And how many rows of keys there were.
    """
    found, keys = None, 0
    key_here = position_key(source)
    for record in records:
        key = record.key
        if key is None:
            continue
        if not is_position(key):
            load(key, record.value)
            keys += 1
        elif key == key_here:
            found = unpack_position(record.value or b"")
    return found, keys
