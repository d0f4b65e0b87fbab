"""Feed: a log sent to the usage topic, as the same replay that a file would be.

Events go out in the order of the log, each customer's in one partition, with
the time of sending as their records' time.  A partition's own last event is no
end of the log: what the others hold may be later.  So every partition is told
how far the whole log went, by a heartbeat.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import chain, islice
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from models.snapshots import Snapshot
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.identity import ALIAS
from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import Fatal
from stream.settings import Settings
from stream.wire import snapshots
from stream.wire.alias import encode_alias, sides
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.events import Heartbeat, encode_heartbeat, encode_usage
from stream.wire.usage import is_usage
from stream.worker.allowed import require
from stream.worker.connection import connection
from stream.worker.permissions import Kind, Permission

BATCH_BYTES = 256 << 10
REPORT_EVENTS = 10_000  # between two words on the progress


class Sent(NamedTuple):
    """What was sent."""

    events: int
    watermark: int
    """How far the log went, in event time (ms since 1970 UTC); 0 for an empty log."""


class _Partition:
    """The batch being filled for one partition."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, number: int) -> None:
        self._producer = producer
        self._topic = topic
        self._number = number
        self._batch = producer.create_batch()

    async def send(self, key: bytes | None, value: bytes) -> None:
        """Add one record; send the batch it no longer fits into."""
        if self._batch.append(key=key, value=value, timestamp=None) is None:
            await self.flush()
            self._batch.append(key=key, value=value, timestamp=None)

    async def flush(self) -> None:
        """Send what is there; a failure shows when the producer is flushed or stopped."""
        if self._batch.record_count():
            batch, self._batch = self._batch, self._producer.create_batch()
            await self._producer.send_batch(batch, self._topic, partition=self._number)


async def feed(
    settings: Settings,
    events: Iterable[UsageEvent],
    *,
    models: Sequence[bytes] = (),
    erasures: Sequence[Erasure] = (),
    on_sent: Callable[[int], object] = lambda _: None,
) -> Sent:
    """Send `models` to the model topic, then `events` to the usage topic; both must exist.

    `erasures` are looked at, and go out, once the first event is known: whoever reads a log in
    order has read all of it by then.
    `on_sent` hears the number of events, now and then.
    """
    link = connection(settings)
    usage, model = settings.topics.usage, settings.topics.model
    counts = await wait_for_broker(link, [usage, model])
    batches = {"compression_type": "lz4", "max_batch_size": BATCH_BYTES}
    async with _sending(link, [usage, *[model] * bool(models)], **batches) as producer:
        await _publish(producer, model, models)
        partitions = [_Partition(producer, usage, number) for number in range(counts[usage])]
        sent, latest = 0, 0
        following = iter(events)
        first = list(islice(following, 1))
        for erasure in erasures:
            key = erasure.customer_id.encode()
            await partitions[_hash(key) % len(partitions)].send(key, encode_erasure(erasure))
        for event in chain(first, following):
            for key, value in _records(event):
                await partitions[_hash(key) % len(partitions)].send(key, value)
            latest = max(latest, event.occurred_at)
            sent += 1
            if sent % REPORT_EVENTS == 0:
                on_sent(sent)
        # The end of the last day, as where a replay of a file ends.
        watermark = (latest // DAY_MS + 1) * DAY_MS if sent else 0
        for partition in partitions:
            await partition.send(None, encode_heartbeat(Heartbeat(watermark)))
            await partition.flush()
        await producer.flush()
        on_sent(sent)
        return Sent(sent, watermark)


def _records(event: UsageEvent) -> Iterator[tuple[bytes, bytes]]:
    """Yield what is sent of an event; of an alias, both ids are told."""
    if is_usage(event):
        yield event.customer_id.encode(), encode_usage(event)
    else:
        for side in sides(event) if event.name == ALIAS else (event,):
            yield side.customer_id.encode(), encode_alias(side)


async def publish(settings: Settings, models: Sequence[bytes]) -> int:
    """Send snapshots to the model topic; return how many."""
    link = connection(settings)
    await wait_for_broker(link, [settings.topics.model])
    async with _sending(link, [settings.topics.model]) as producer:
        await _publish(producer, settings.topics.model, models)
    return len(models)


@asynccontextmanager
async def _sending(
    link: Connection, topics: Sequence[str], **options: Any
) -> AsyncIterator[AIOKafkaProducer]:
    """Give a producer for these topics; raise `Fatal` where we may not, before anything is sent."""
    await require(link, [Permission(Kind.TOPIC, topic, "WRITE") for topic in topics], [])
    producer = AIOKafkaProducer(**link.client(), enable_idempotence=True, acks="all", **options)
    await producer.start()
    try:
        yield producer
    except KafkaError as error:
        raise Fatal(
            f"Not all was sent: {error!r}. Operator action: see what is wrong (`slipaway doctor`),"
            " then begin again; what of a log was sent is in the topic, so send it to an empty one."
        ) from error
    finally:
        await producer.stop()


async def _publish(producer: AIOKafkaProducer, topic: str, models: Sequence[bytes]) -> None:
    """Send each snapshot under its version, and wait until all are there."""
    for model in models:
        key = snapshots.decode(model, Snapshot).version.encode()
        await producer.send_and_wait(topic, model, key=key, partition=0)


@lru_cache(maxsize=1 << 16)  # the hash is plain Python, and the same customers come again
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF
