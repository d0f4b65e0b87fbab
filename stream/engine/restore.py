"""Restore: from the state topic back to where the last transaction left off.

Fence first, read second: only after the old producer is shut out is the state
topic sure not to grow behind our back, and its last open transaction settled.
The end is reached by position, not by the last record seen: the tail of a log
written in transactions is a marker, which no reader ever gets to see.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from stream.engine import failpoints
from stream.engine.checkpoint import Holding
from stream.engine.connection import Connection
from stream.engine.exits import Exit, Fatal
from stream.engine.flow import Record
from stream.engine.records import drain
from stream.engine.settings import EngineSettings
from stream.engine.table import Position, is_position, position_key, unpack_position

_ROWS_AT_ONCE = 20_000  # about 50 ms of the event loop
_RESTART = "Operator action: to go on without those records, start under a new app id"


class Restore:
    """The restoring of partitions newly assigned; one object per assignment."""

    def __init__(
        self,
        holdings: Sequence[Holding],
        *,
        app_id: str,
        connection: Connection,
        settings: EngineSettings,
        shared: frozenset[str],
        still_ours: Callable[[], bool],
        progress: Callable[[TP, int, int], None],
    ) -> None:
        """Restore `holdings` for as long as `still_ours` says so.

        `shared` names state topics of several sources; `progress` is told the
        partition, the records read, and the offsets to go.
        """
        self.holdings = holdings
        self.app_id = app_id
        self.connection = connection
        self.settings = settings
        self.shared = shared
        self.still_ours = still_ours
        self.progress = progress
        self._found: dict[TP, Position] = {}

    async def run(self) -> bool:
        """Bring every partition back; False, and nothing to use, if they went elsewhere.

        Raises `Fatal` where the data do not allow it, Kafka's errors and
        `TimeoutError` where the broker does not.
        """
        deadline = self.settings.deadline_seconds
        opening = [h.open(self.app_id, self.connection, self.settings) for h in self.holdings]
        await asyncio.wait_for(asyncio.gather(*opening), deadline)
        failpoints.reach("in_restore")
        if not self.still_ours():
            return False
        consumer = AIOKafkaConsumer(
            **self.connection.client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=self.settings.fetch_bytes_max,
            request_timeout_ms=int(self.settings.producer_request_seconds * 1000),
        )
        try:
            await asyncio.wait_for(consumer.start(), deadline)
            return await self._read(consumer)
        finally:
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> bool:
        """Load all rows, then check and begin every partition."""
        by_state: dict[TopicPartition, list[Holding]] = defaultdict(list)
        for holding in self.holdings:
            by_state[TopicPartition(holding.flow.state, holding.tp.partition)].append(holding)
        sources = [TopicPartition(*h.tp) for h in self.holdings]
        # Both kinds in one assignment: one round for metadata, and one connection that asks for
        # offsets at once, where the group's consumer would answer behind its long poll.
        await self._know(consumer, {tp.topic for tp in (*by_state, *sources)})
        self._check_counts(consumer)
        consumer.assign([*by_state, *sources])
        consumer.pause(*sources)
        ends = await consumer.end_offsets([*by_state, *sources])
        starts = await consumer.beginning_offsets([*by_state, *sources])
        self._check_whole({state: starts[state] for state in by_state})

        if not await self._load(consumer, by_state, ends):
            return False
        for holding, source in zip(self.holdings, sources, strict=True):
            self._begin(holding, starts[source], ends[source])
        return True

    async def _know(self, consumer: AIOKafkaConsumer, topics: set[str]) -> None:
        """Wait until the consumer has the metadata of `topics`."""
        known = consumer._client.set_topics(topics)  # noqa: SLF001 - the public way backs off 0.5 s
        await asyncio.wait_for(known, self.settings.deadline_seconds)

    def _check_counts(self, consumer: AIOKafkaConsumer) -> None:
        """Refuse a source and a state topic whose partitions do not match."""
        for holding in self.holdings:
            source = len(consumer.partitions_for_topic(holding.tp.topic) or ())
            state = len(consumer.partitions_for_topic(holding.flow.state) or ())
            if state < source or (state > source and holding.flow.state not in self.shared):
                raise Fatal(
                    f"{holding.tp.topic} has {source} partitions and its state topic "
                    f"{holding.flow.state} has {state}: with another count, keys live elsewhere. "
                    "Operator action: put the count back, or replay into a new app id."
                )

    def _check_whole(self, starts: dict[TopicPartition, int]) -> None:
        """Refuse a state topic that lost rows: compaction leaves the log's start where it was."""
        for state, start in starts.items():
            if start > 0:
                raise Fatal(
                    f"{state.topic}/{state.partition}: the first {start} records were deleted from "
                    "the state topic, and with them what was known of some keys. Operator action: "
                    "restore the topic, or start over under a new app id with new state topics; "
                    "to keep it from happening again, leave cleanup.policy at compact."
                )

    async def _load(
        self,
        consumer: AIOKafkaConsumer,
        by_state: dict[TopicPartition, list[Holding]],
        ends: dict[TopicPartition, int],
    ) -> bool:
        """Hand every row to its fold; False if the partitions went elsewhere meanwhile."""
        todo = {tp for tp in by_state if ends[tp] > 0}
        counts: dict[TopicPartition, int] = defaultdict(int)
        before: dict[TopicPartition, int] = {}
        moved_at = time.monotonic()
        while todo:
            if not self.still_ours():
                return False
            fetched = await drain(
                consumer._fetcher,  # noqa: SLF001
                todo,
                seconds=0.2,
                records_max=_ROWS_AT_ONCE,
            )
            for tp, records in fetched.items():
                counts[tp] += len(records)
                for holding in by_state[tp]:
                    self._take(holding, records)
            for tp in list(todo):
                position = await asyncio.wait_for(
                    consumer.position(tp), self.settings.deadline_seconds
                )
                if position != before.get(tp):
                    before[tp], moved_at = position, time.monotonic()
                for holding in by_state[tp]:
                    self.progress(holding.tp, counts[tp], max(0, ends[tp] - position))
                if position >= ends[tp]:
                    todo.discard(tp)
            if time.monotonic() - moved_at > self.settings.stalled_seconds:
                raise Fatal(
                    f"Restoring made no progress for {self.settings.stalled_seconds:.0f} s at "
                    f"{sorted(todo)}. Starting again is safe.",
                    Exit.TEMPORARY,
                )
        return True

    def _take(self, holding: Holding, records: Sequence[Record]) -> None:
        """Load rows into one fold, and find its position among them."""
        load, key_here = holding.fold.load, position_key(holding.tp.topic)
        for record in records:
            key = record.key
            if key is None:
                continue
            if not is_position(key):
                load(key, record.value)
            elif key == key_here:
                self._found[holding.tp] = unpack_position(record.value or b"")

    def _begin(self, holding: Holding, start: int, end: int) -> None:
        """Give a partition its position, if the log still holds what follows it."""
        found = self._found.get(holding.tp)
        if found is None:
            holding.position = holding.saved = start
            holding.fold.begin(None)
            return
        where = f"{holding.tp.topic}/{holding.tp.partition}"
        if found.offset < start:
            raise Fatal(
                f"{where}: the saved position {found.offset} is below the log's start {start}: "
                f"up to {start - found.offset} records were deleted before they were read. "
                f"{_RESTART}; to keep it from happening again, raise retention.ms."
            )
        if found.offset > end:
            raise Fatal(
                f"{where}: the saved position {found.offset} is beyond the log's end {end}: the "
                f"topic was truncated or made anew. {_RESTART}."
            )
        holding.position = holding.saved = found.offset
        holding.fold.begin(found.progress)
