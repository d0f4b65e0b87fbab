"""Records: what fetches brought, taken a Kafka batch at a time.

aiokafka hands records over one by one, each wrapped once more: that is two
thirds of what reading costs.  Here a batch becomes a list in one step, of the
objects aiokafka's C parser makes anyway, and not before somebody wants them: a
record made by one thread and read by another costs both of them their caches.
What may not be seen is skipped as aiokafka skips it: control batches, aborted
transactions, and whatever lies before the position in a compressed batch.
"""

import asyncio
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import CorruptRecordException

from stream.engine.flow import Record


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch as it came."""

    first: int  # records before this offset were read already
    batch: Any  # aiokafka's; may be unpacked once

    @property
    def end(self) -> int:
        """The offset behind it."""
        return int(self.batch.next_offset)

    @property
    def count(self) -> int:
        """How many records it has, at most."""
        size = getattr(self.batch, "last_offset_delta", self.end - self.first - 1) + 1
        return int(min(size, self.end - self.first))

    def unpack(self) -> list[Record]:
        """Return its records; where a log was compacted, there may be none."""
        records = list(self.batch)
        if records and records[0].offset < self.first:
            return [record for record in records if record.offset >= self.first]
        return records


Drained = dict[TopicPartition, list[Packed]]


async def drain(
    fetcher: Fetcher, wanted: Container[TopicPartition], *, seconds: float, records_max: int
) -> Drained:
    """Give what was fetched for the `wanted` partitions, and move their positions behind it.

    Waits up to `seconds` for something to come.  Stops after the batch with
    which there may be `records_max`; what is left is given next time.  Raises what
    the broker answered instead of records, as `getmany` does.
    """
    subscriptions = fetcher._subscriptions  # noqa: SLF001
    deadline = time.monotonic() + seconds
    while True:
        if subscriptions.reassignment_in_progress:
            await subscriptions.wait_for_assignment()
        drained = _take(fetcher, wanted, records_max)
        left = deadline - time.monotonic()
        if drained or left <= 0:
            return drained
        waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
        done, _ = await asyncio.wait([waiter], timeout=left)
        if not done:
            waiter.cancel()
            return {}
        waiter.result()  # raises where the broker forbids the topic


def _take(fetcher: Fetcher, wanted: Container[TopicPartition], records_max: int) -> Drained:
    """Take up to `records_max` records, and a batch's rest, out of what waits."""
    waiting: dict[TopicPartition, Any] = fetcher._records  # noqa: SLF001
    drained: Drained = {}
    room = records_max
    for tp in list(waiting):
        if tp not in wanted:
            if not fetcher._subscriptions.is_assigned(tp):  # noqa: SLF001
                del waiting[tp]
            continue
        result = waiting[tp]
        if not isinstance(result, FetchResult):
            if drained:
                break  # what came before the error is given first
            _fetch_on(fetcher, tp)
            result.check_raise()
        batches = _advance(result, room) if result.check_assignment(tp) else []
        if not result.has_more():
            _fetch_on(fetcher, tp)
        if batches:
            drained[tp] = batches
            room -= sum(packed.count for packed in batches)
            if room <= 0:
                break
    return drained


def _fetch_on(fetcher: Fetcher, tp: TopicPartition) -> None:
    """Let the next fetch of a partition begin: its last one has been used up."""
    del fetcher._records[tp]  # noqa: SLF001
    fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001


def _advance(result: FetchResult, room: int) -> list[Packed]:
    """Take batches until there are `room` records, and move the position behind them."""
    found = result._partition_records  # noqa: SLF001
    batches = found._records  # noqa: SLF001
    taken: list[Packed] = []
    while room > 0 and batches.has_next():
        batch = batches.next_batch()
        if found._check_crcs and not batch.validate_crc():  # noqa: SLF001
            raise CorruptRecordException(f"Invalid CRC - {found._tp}")  # noqa: SLF001
        packed = Packed(found.next_fetch_offset, batch)
        found.next_fetch_offset = packed.end
        if _is_data(found, batch):
            taken.append(packed)
            room -= packed.count
    result._update_position()  # noqa: SLF001
    if not batches.has_next():
        result._partition_records = None  # noqa: SLF001
    return taken


def _is_data(found: Any, batch: Any) -> bool:
    """Tell whether a batch holds records a reader of committed data may see."""
    if batch.producer_id is not None:
        found._consume_aborted_up_to(batch.base_offset)  # noqa: SLF001
        if batch.is_control_batch and found._contains_abort_marker(batch):  # noqa: SLF001
            found._aborted_producers.discard(batch.producer_id)  # noqa: SLF001
        if batch.is_transactional and batch.producer_id in found._aborted_producers:  # noqa: SLF001
            return False
    return not batch.is_control_batch
