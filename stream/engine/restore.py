"""Restore: from the state topic back to where the last transaction left off.

Fence first, read second: only after the old producer is shut out is the state
topic sure not to grow behind our back, and its last open transaction settled.

A partition of which nothing was saved is new, or nothing ever came, or it was
added to topics in use.  Only the others' positions tell: keys are then looked
for there before work begins.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from stream.engine import failpoints
from stream.engine.checkpoint import Holding
from stream.engine.connection import Connection
from stream.engine.flow import Record
from stream.engine.placement import check_counts, check_home, check_offset, check_whole
from stream.engine.position import Position
from stream.engine.rows import know, load_rows, read_rows, reader
from stream.engine.settings import EngineSettings


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
        self._keyed: set[TP] = set()  # partitions of sources of whose keys something is known

    async def fence(self) -> None:
        """Start the producers: whoever had these partitions can write no more.

        Raises Kafka's errors and `TimeoutError` where the broker does not let us.
        """
        opening = [h.open(self.app_id, self.connection, self.settings) for h in self.holdings]
        await asyncio.wait_for(asyncio.gather(*opening), self.settings.deadline_seconds)
        failpoints.reach("in_restore")

    async def read(self) -> bool:
        """Bring every partition back; False, and nothing to use, if they went elsewhere.

        Raises `Fatal` where the data do not allow it, and as `fence` does.
        """
        consumer = reader(self.connection, self.settings)
        try:
            await asyncio.wait_for(consumer.start(), self.settings.deadline_seconds)
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
        await know(consumer, {tp.topic for tp in (*by_state, *sources)}, self.settings)
        self._count(consumer)
        consumer.assign([*by_state, *sources])
        consumer.pause(*sources)
        ends = await consumer.end_offsets([*by_state, *sources])
        starts = await consumer.beginning_offsets([*by_state, *sources])
        for state in by_state:
            check_whole(f"{state.topic}/{state.partition}", starts[state])

        if not (await self._load(consumer, by_state, ends) and await self._search(consumer)):
            return False
        self._check_homes()
        for holding, source in zip(self.holdings, sources, strict=True):
            self._begin(holding, starts[source], ends[source])
        return True

    def _count(self, consumer: AIOKafkaConsumer) -> None:
        """Note how many partitions there are; refuse topics that do not match."""
        for holding in self.holdings:
            source, state = holding.tp.topic, holding.flow.state
            holding.partitions = _partitions(consumer, source)
            check_counts(
                source,
                holding.partitions,
                state,
                _partitions(consumer, state),
                shared=state in self.shared,
            )

    async def _load(
        self,
        consumer: AIOKafkaConsumer,
        by_state: dict[TopicPartition, list[Holding]],
        ends: dict[TopicPartition, int],
    ) -> bool:
        """Hand every row to its fold; False if the partitions went elsewhere meanwhile."""
        counts: dict[TopicPartition, int] = defaultdict(int)

        def take(tp: TopicPartition, records: Sequence[Record]) -> None:
            counts[tp] += len(records)
            for holding in by_state[tp]:
                self._take(holding.tp, records, holding.fold.load)

        def told(tp: TopicPartition, remaining: int) -> None:
            for holding in by_state[tp]:
                self.progress(holding.tp, counts[tp], remaining)

        return await read_rows(
            consumer,
            {tp: ends[tp] for tp in by_state},
            take=take,
            told=told,
            wanted=self.still_ours,
            settings=self.settings,
        )

    def _take(
        self, tp: TP, records: Sequence[Record], load: Callable[[bytes, bytes | None], None]
    ) -> None:
        """Load rows into one fold, and note its position and whether there were keys."""
        found, keys = load_rows(tp.topic, records, load)
        if found is not None:
            self._found[tp] = found
        if keys:
            self._keyed.add(tp)

    async def _search(self, consumer: AIOKafkaConsumer) -> bool:
        """Look for keys elsewhere if a partition has no position; False as `_load`."""
        new = {
            h.tp.topic: h
            for h in self.holdings
            if h.tp not in self._found and h.flow.state not in self.shared  # those hold no keys
        }
        sources = {
            TopicPartition(holding.flow.state, partition): TP(source, partition)
            for source, holding in new.items()
            for partition in range(holding.partitions)
            if TP(source, partition) not in {holding.tp for holding in self.holdings}
        }
        if not sources:
            return True
        consumer.assign(list(sources))
        return await read_rows(
            consumer,
            await consumer.end_offsets(list(sources)),
            take=lambda tp, records: self._take(sources[tp], records, lambda *_: None),
            wanted=self.still_ours,
            settings=self.settings,
        )

    def _check_homes(self) -> None:
        """Refuse keys that were given their places among another number of partitions."""
        counts = {holding.tp.topic: holding.partitions for holding in self.holdings}
        for tp, saved in self._found.items():
            check_home(tp.topic, counts[tp.topic], saved, keyed=tp in self._keyed)

    def _begin(self, holding: Holding, start: int, end: int) -> None:
        """Give a partition its position, if the log still holds what follows it."""
        found = self._found.get(holding.tp)
        if found is None:
            # Its first save says that it is known, and among how many, though nothing came.
            holding.position = start
            holding.fold.begin(None)
            return
        check_offset(f"{holding.tp.topic}/{holding.tp.partition}", found, start, end)
        holding.restore(found)


def _partitions(consumer: AIOKafkaConsumer, topic: str) -> int:
    return len(consumer.partitions_for_topic(topic) or ())
