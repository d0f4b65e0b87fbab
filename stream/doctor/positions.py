"""Positions: whether a worker could go on from what was saved.

Found out by rehearsal: the very folds of a worker are given the rows of each
partition, and begin; only nothing is fenced, and nothing written.  One partition
at a time, so that this needs no more memory than a worker would.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from stream.doctor.findings import Fault, Finding, ok, quoted
from stream.engine.connection import Connection
from stream.engine.exits import judge as as_fatal
from stream.engine.flow import Flow, Fold, Record
from stream.engine.placement import check_home, check_offset
from stream.engine.position import Position
from stream.engine.rows import know, load_rows, read_rows, reader
from stream.engine.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """One partition of a source, and what was saved of it."""

    topic: str
    partition: int
    start: int
    """The first offset the log still holds."""
    end: int
    saved: int | None = None
    """The offset that comes next; None: nothing was saved."""
    rows: int = 0
    refusal: str = ""
    """Why a worker would end here."""

    @property
    def position(self) -> int:
        """Where a worker would begin."""
        return self.start if self.saved is None else self.saved


class Rehearsal:
    """The restore of one partition, without the worker."""

    def __init__(self, flow: Flow, tp: TP, partitions: int) -> None:
        """Rehearse `tp`, of a topic of so many partitions."""
        self.source = TopicPartition(*tp)
        self.state = TopicPartition(flow.state, tp.partition)
        self._make: Callable[[], Fold] = lambda: flow.make(tp)
        self._partitions = partitions
        self._fold: Fold | None = None
        self._saved: Position | None = None
        self._rows = 0

    async def run(
        self,
        consumer: AIOKafkaConsumer,
        engine: EngineSettings,
        starts: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> PartitionFacts:
        """Read what was saved, and begin as a worker would."""
        start, end = starts[self.source], ends[self.source]
        refusal = ""
        consumer.resume(self.state)
        try:
            await read_rows(
                consumer, {self.state: ends[self.state]}, take=self._take, settings=engine
            )
            if self._saved is not None and self._saved.offset > end:
                end = await self._newest_end(consumer)
            self._begin(start, end)
        except Exception as error:  # noqa: BLE001 - whatever it is, a worker would end by it
            refusal = as_fatal(error, f"{self.source.topic}/{self.source.partition}").reason
        consumer.pause(self.state)
        saved = None if self._saved is None else self._saved.offset
        topic, partition = self.source
        return PartitionFacts(topic, partition, start, end, saved, self._rows, refusal)

    async def _newest_end(self, consumer: AIOKafkaConsumer) -> int:
        """Ask once more: where a worker is at work, its rows may be newer than the first answer."""
        consumer.pause(self.state)  # or the answer would wait behind a fetch
        ends: dict[TopicPartition, int] = await consumer.end_offsets([self.source])
        return ends[self.source]

    def _take(self, _: TopicPartition, records: Sequence[Record]) -> None:
        """Load rows, and find the position among them."""
        # Made here and not before: without rows the trainer need not be loaded.
        self._fold = self._fold or self._make()
        found, keys = load_rows(self.source.topic, records, self._fold.load)
        self._saved = found or self._saved
        self._rows += keys

    def _begin(self, start: int, end: int) -> None:
        """Begin where the position is; raise what a worker would."""
        if self._fold is None or self._saved is None:
            return
        topic, partition = self.source
        check_home(topic, self._partitions, self._saved, keyed=self._rows > 0)
        check_offset(f"{topic}/{partition}", self._saved, start, end)
        self._fold.begin(self._saved.progress)


async def ask(
    connection: Connection,
    engine: EngineSettings,
    flows: Collection[Flow],
    counts: Mapping[str, int],
) -> list[PartitionFacts]:
    """Rehearse every partition of the flows whose topics are there, as `counts` says."""
    rehearsals = [
        Rehearsal(flow, TP(flow.source, number), counts[flow.source])
        for flow in flows
        for number in range(min(counts.get(flow.source, 0), counts.get(flow.state, 0)))
    ]
    if not rehearsals:
        return []
    sources = [rehearsal.source for rehearsal in rehearsals]
    states = [rehearsal.state for rehearsal in rehearsals]
    consumer = reader(connection, engine)
    await asyncio.wait_for(consumer.start(), engine.deadline_seconds)
    try:
        await know(consumer, {tp.topic for tp in (*sources, *states)}, engine)
        # All at once, and before anything is fetched: answers wait behind a fetch.
        consumer.assign([*sources, *states])
        consumer.pause(*sources, *states)
        starts = await consumer.beginning_offsets(sources)
        ends = await consumer.end_offsets([*sources, *states])
        return [await each.run(consumer, engine, starts, ends) for each in rehearsals]
    finally:
        await consumer.stop()


def judge(facts: Sequence[PartitionFacts]) -> Iterator[Finding]:
    """Say of each source whether a worker could go on."""
    for topic in sorted({fact.topic for fact in facts}):
        mine = [fact for fact in facts if fact.topic == topic]
        refused = [fact for fact in mine if fact.refusal]
        check = f"position {topic}"
        for fact in refused:
            yield quoted(check, fact.refusal, Fault.SAVED)
        if not refused:
            saved = sum(fact.saved is not None for fact in mine)
            rows, to_go = (
                sum(fact.rows for fact in mine),
                sum(fact.end - fact.position for fact in mine),
            )
            yield ok(
                check,
                f"saved of {saved} of {len(mine)} partitions, with {rows} rows; {to_go} offsets"
                " to go",
            )
