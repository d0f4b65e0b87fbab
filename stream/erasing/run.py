"""Erasing over Kafka: the request into the log, and the topics read until they say that it is done.

The request goes where the customer's events go, so whoever works on them comes
upon it in its place, whether anybody works just now or not.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import KafkaError

from stream.engine.checkpoint import partition_for
from stream.engine.connection import Connection, describe, wait_for_broker
from stream.engine.exits import Fatal, judge
from stream.erasing.findings import Customer, Findings, Place, Remains
from stream.erasing.lifetimes import gone_by
from stream.settings import Settings
from stream.wire.customers import CustomerCodec
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.state import StateError
from stream.wire.times import iso
from stream.worker.connection import connection
from stream.worker.topics import knobs

READ_MS = 300
ANSWER_SECONDS = 60

_ROWS = CustomerCodec()

Told = Callable[[int, int], object]
"""Hears how many tombstones can be read, of how many."""

_REMAINS = {
    "usage": "events as they were read, and this request: both with the customer's id",
    "dead_letters": "events that could not be used and alerts that could not be delivered, as they"
    " came",
    "members": "days of use told to the customer's account; the account itself has forgotten it",
    "account_alerts": "alerts on its account, where it was the member who was missed",
    "account_holdout": "the same, of accounts in the holdout",
    "examples": "what the trainer learned from, under a number made of the id (CRC-32)",
}


@dataclass(slots=True)
class _Trace:
    """What a partition says of one customer."""

    customer_id: str
    since: int
    """Offset from which on a tombstone answers this request."""
    records: int = 0
    latest: int = 0
    """When the last of the records was written (ms)."""
    erased: bool = False
    goes_by: str = ""
    """The id that an alias moved its state to; empty: it did not."""


async def erase(
    settings: Settings,
    customer_ids: Sequence[str],
    *,
    wait_seconds: float | None,
    told: Told = lambda *_: None,
) -> Findings:
    """Ask for the erasure of customers, and say what became of them within `wait_seconds`.

    None: do not wait, and do not look.  Raises `Fatal` where there is no topic to
    ask in, or the broker does not answer, or refuses.
    """
    try:
        return await _erase(settings, customer_ids, wait_seconds, told)
    except (KafkaError, OSError, TimeoutError) as error:
        raise judge(error, "erasing") from error


async def _erase(
    settings: Settings, customer_ids: Sequence[str], wait_seconds: float | None, told: Told
) -> Findings:
    now = time.time_ns() // 1_000_000
    link = connection(settings)
    try:
        async with asyncio.timeout(wait_seconds or ANSWER_SECONDS):
            await wait_for_broker(link)
    except TimeoutError as error:
        raise Fatal(f"{settings.bootstrap_servers} does not answer: nothing was asked.") from error
    everywhere = [*_named(settings), *_unnamed(settings)]
    async with _admin(link) as admin:
        counts = await _counts(admin, everywhere)
        config = await knobs(admin, ConfigResourceType.TOPIC, sorted(counts))
    if settings.topics.usage not in counts:
        raise Fatal(
            f"There is no topic {settings.topics.usage}: nothing was asked. Operator action: give"
            " the settings of the workers (--config, --set topics.usage=...)."
        )
    at = now if settings.clock == "wall" else None
    async with _reader(link) as consumer:
        traces = await _traces(consumer, settings, counts, customer_ids)
        await _ask(link, settings, counts, [Erasure(who, at) for who in customer_ids])
        if wait_seconds is not None:
            deadline = time.monotonic() + wait_seconds
            await _follow(consumer, traces, deadline, told, settings.topics.state)
    return Findings(
        requested_at=iso(now),
        waited=wait_seconds is not None,
        customers=[_customer(who, traces, config) for who in customer_ids],
        remains=list(_remains(settings, config, now)),
    )


def _named(settings: Settings) -> Iterable[str]:
    """Name the topics in which customers have records under their ids."""
    topics = settings.topics
    return topics.state, topics.customers, topics.alerts, topics.holdout


def _unnamed(settings: Settings) -> Iterable[str]:
    """Name the others in which something of a customer may stand."""
    topics = settings.topics
    return topics.usage, *topics.sources, topics.dead_letters, topics.examples


async def _counts(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Give the partitions of those topics that exist."""
    found = await describe(admin, list(names))
    return {topic["topic"]: len(topic["partitions"]) for topic in found if topic["partitions"]}


async def _traces(
    consumer: AIOKafkaConsumer,
    settings: Settings,
    counts: Mapping[str, int],
    customer_ids: Iterable[str],
) -> dict[TopicPartition, dict[bytes, _Trace]]:
    """Give what is to be followed: where each customer's records are, and how long it is now."""
    places: dict[TopicPartition, list[str]] = defaultdict(list)
    for customer_id in customer_ids:
        for topic in _named(settings):
            # A customer's state is where its events are.
            count = counts.get(settings.topics.usage if topic == settings.topics.state else topic)
            if topic in counts and count:
                where = TopicPartition(topic, partition_for(customer_id.encode(), count))
                places[where].append(customer_id)
    tps = list(places)
    consumer.assign(tps)
    ends = await consumer.end_offsets(tps) if tps else {}
    return {
        tp: {customer_id.encode(): _Trace(customer_id, ends[tp]) for customer_id in there}
        for tp, there in places.items()
    }


async def _ask(
    link: Connection, settings: Settings, counts: Mapping[str, int], erasures: Iterable[Erasure]
) -> None:
    """Write the requests, each where its customer's events are."""
    usage = settings.topics.usage
    producer = AIOKafkaProducer(**link.client(), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for erasure in erasures:
            key = erasure.customer_id.encode()
            where = partition_for(key, counts[usage])
            await producer.send_and_wait(usage, encode_erasure(erasure), key=key, partition=where)
    finally:
        await producer.stop()


async def _follow(
    consumer: AIOKafkaConsumer,
    traces: Mapping[TopicPartition, Mapping[bytes, _Trace]],
    deadline: float,
    told: Told,
    state: str,
) -> None:
    """Read every place from its beginning until each customer's tombstone is there, or too long.

    In the topic `state` stands where customers' states have gone, too.
    """
    if traces:
        await consumer.seek_to_beginning(*traces)
    everyone = [trace for there in traces.values() for trace in there.values()]
    while (left := deadline - time.monotonic()) > 0:
        done = sum(trace.erased for trace in everyone)
        told(done, len(everyone))
        if done == len(everyone):
            return
        fetched = await consumer.getmany(timeout_ms=min(READ_MS, max(1, round(left * 1_000))))
        for tp, records in fetched.items():
            for record in records:
                trace = traces[tp].get(record.key)
                if trace is not None:
                    _note(trace, record)
                    if tp.topic == state and not trace.erased:
                        trace.goes_by = moved_to(record.value)


def _note(trace: _Trace, record: Any) -> None:
    """Take a record of a customer; what follows its erasure is of a new one."""
    if record.value is None:
        trace.erased |= record.offset >= trace.since
    elif not trace.erased:
        trace.records += 1
        trace.latest = max(trace.latest, record.timestamp)


def moved_to(row: bytes | None) -> str:
    """Give the id that goes on in a customer's place, by its row; empty: it is still its own."""
    try:
        customer = None if row is None else _ROWS.decode(row)
    except StateError:
        return ""  # of a newer release: the worker, which is to erase it, knows
    return customer.identity.moved_to if customer and customer.identity else ""


def _customer(
    customer_id: str,
    traces: Mapping[TopicPartition, Mapping[bytes, _Trace]],
    config: Mapping[str, Mapping[str, str]],
) -> Customer:
    """Say what was found of one customer."""
    places, goes_by = [], ""
    for tp, there in traces.items():
        trace = there.get(customer_id.encode())
        if trace is None:
            continue
        goes_by = goes_by or trace.goes_by
        until = gone_by(config.get(tp.topic, {}), trace.latest, replaced=trace.erased)
        places.append(
            Place(
                topic=tp.topic,
                records=trace.records,
                erased=trace.erased,
                gone_by=iso(until) if trace.records and until is not None else None,
            )
        )
    return Customer(customer_id=customer_id, places=places, goes_by=goes_by)


def _remains(
    settings: Settings, config: Mapping[str, Mapping[str, str]], now: int
) -> Iterable[Remains]:
    """Say what no tombstone reaches, and until when it stays."""

    def there(topic: str, what: str) -> Remains:
        until = gone_by(config.get(topic, {}), now, replaced=False)
        return Remains(where=topic, what=what, gone_by=None if until is None else iso(until))

    topics = settings.topics
    for source in topics.sources:
        yield there(source, "events as they were sent")
    for name, what in _REMAINS.items():
        topic = getattr(topics, name)
        if topic in config:
            yield there(topic, what)
    yield Remains(
        where=topics.state,
        what="a digest of the id, for 30 days of event time: what comes late is known by it",
        gone_by=None,
    )
    yield Remains(
        where=f"{topics.model}, {topics.trainer_state}",
        what="weights learned from many customers: they hold no id, and are not learned anew",
        gone_by=None,
    )
    yield Remains(
        where="readers of alerts",
        what="their copies: the tombstone tells them to drop what they hold; what was delivered to"
        " endpoints has to be asked for there",
        gone_by=None,
    )


@asynccontextmanager
async def _admin(link: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**link.client(), request_timeout_ms=10_000)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _reader(link: Connection) -> AsyncIterator[AIOKafkaConsumer]:
    """Give a consumer of no group that sees what was committed."""
    consumer = AIOKafkaConsumer(
        **link.client(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
