"""A topic of events, raw or keyed, read once as a log is: the same decoder, the same order.

What workers say to each other in the usage topic is passed over: whoever reads all of
it comes to that alone.  Heartbeats say how far time had come.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from operator import itemgetter
from typing import Any

import numpy as np

from stream.detector.batch import EventBatch
from stream.detector.errors import BadEvent
from stream.detector.watermark import ahead
from stream.engine.connection import Connection
from stream.engine.present import Range, present, present_blocks
from stream.replay.refusals import TRIAL_ROWS, FileTrial, Refusals
from stream.wire.erasure import Erasure
from stream.wire.events import Decoder, Heartbeat


class TopicLog:
    """One topic, read as a log."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        where: Range,
        *,
        decoder: Decoder,
        max_future_skew_ms: int,
        refusals: Refusals,
        on_records: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Read what a topic holds there now; `on_records` hears of how many were read."""
        self._connection = connection
        self._topic = topic
        self._where = where
        self._decoder = decoder
        self._skew_ms = max_future_skew_ms
        self._refusals = refusals
        self._trial = FileTrial(topic, refusals, decoder, _shown)
        self._on_records = on_records
        self._told: dict[str, int] = {}  # by each origin, up to when it is complete

    @property
    def complete_until(self) -> int | None:
        """Up to when (ms) heartbeats say that all is here; None: there was none."""
        return min(self._told.values(), default=None)

    def events(self) -> Iterator[EventBatch]:
        """Yield the events, partition by partition; `Fatal`, or LogError if most cannot be used.

        The loop that Kafka's client needs runs while somebody waits for events, and no longer:
        the client belongs to no group that could miss it.
        """
        blocks = present_blocks(self._connection, self._topic, self._where)
        rows, tried = 0, False
        with asyncio.Runner() as runner:
            try:
                while (records := runner.run(_next(blocks))) is not None:
                    rows += len(records)
                    self._refusals.rows += len(records)
                    if records:
                        self._on_records(len(records))
                        yield self._taken(records)
                    if rows >= TRIAL_ROWS and not tried:
                        tried = True
                        self._trial.judge(rows)
                if not tried:
                    self._trial.judge(rows)
            finally:
                runner.run(_end(blocks))

    def _taken(self, records: list[Any]) -> EventBatch:
        """Decode records as a worker does, and note what is no event."""
        received_at = np.array([record.timestamp for record in records], np.int64)
        block = self._decoder.decode_block(
            [record.value for record in records],
            received_at.tolist(),
            [record.headers for record in records],
        )
        limits = received_at[block.places] + self._skew_ms
        moments = block.events.occurred_at
        too_far = np.flatnonzero(moments > limits).tolist()
        others = [
            *block.others,
            *(
                (
                    place := block.place(number),
                    ahead(int(moments[number]), records[place].timestamp),
                )
                for number in too_far
            ),
        ]
        for place, other in sorted(others, key=itemgetter(0)):
            if isinstance(other, BadEvent):
                record = records[place]
                self._trial.refuse(record.offset, other, record.value)
            elif isinstance(other, Heartbeat):
                self._refusals.heartbeats += 1
                self._told[other.origin] = max(other.watermark, self._told.get(other.origin, 0))
            elif isinstance(other, Erasure):
                self._refusals.erasures.append(other)
            else:
                self._refusals.ignored += 1
        if not too_far:
            return block.events
        return block.events.taken(np.delete(np.arange(len(moments)), too_far))


def models_in(connection: Connection, topic: str) -> list[bytes]:
    """Give the snapshots that a model topic holds, in their order; or `Fatal`."""

    async def values() -> list[bytes]:
        found = present(connection, topic)
        return [record.value async for record in found if record.value is not None]

    return asyncio.run(values())


async def _next(blocks: AsyncIterator[list[Any]]) -> list[Any] | None:
    return await anext(blocks, None)


async def _end(blocks: Any) -> None:
    await blocks.aclose()


def _shown(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
