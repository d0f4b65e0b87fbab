"""Following: what the topics hold and what is added, record by record, without a group."""

from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine.connection import Connection
from stream.engine.reading import reader

WAIT_MS: Final = 100
AT_ONCE: Final = 2_000
"""Records between two turns of the loop: a page that is asked for meanwhile is not kept waiting."""

Take = Callable[[bytes, bytes | None], None]
"""Takes one record's key and value in."""


class Following:
    """Reads topics from their beginning, and says how far it has come."""

    def __init__(self, connection: Connection, takers: Mapping[str, Take]) -> None:
        """Hand the records of each topic in `takers` to its taker, from `run` on."""
        self._connection = connection
        self._takers = takers
        self._ends: dict[TopicPartition, int] = {}
        self._behind: set[TopicPartition] | None = None

    @property
    def caught_up(self) -> bool:
        """Say whether all that was there at the beginning has been taken in."""
        return self._behind is not None and not self._behind

    async def run(self, changed: Callable[[], None]) -> None:
        """Read for ever; call `changed` after what was read. Raises `Fatal`."""
        async with reader(self._connection, list(self._takers)) as (consumer, found):
            partitions = [one for of_topic in found.values() for one in of_topic]
            consumer.assign(partitions)
            self._ends = await consumer.end_offsets(partitions)
            self._behind = set(partitions)
            while True:
                batches = await consumer.getmany(timeout_ms=WAIT_MS, max_records=AT_ONCE)
                for partition, records in batches.items():
                    take = self._takers[partition.topic]
                    for record in records:
                        take(record.key or b"", record.value)
                was_behind = not self.caught_up
                if was_behind:
                    await self._look(consumer)
                if batches or was_behind:
                    changed()

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Cross off the partitions that have been read up to where they were."""
        assert self._behind is not None
        for partition in sorted(self._behind):
            if await consumer.position(partition) >= self._ends[partition]:
                self._behind.discard(partition)
