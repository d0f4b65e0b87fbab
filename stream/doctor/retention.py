"""Retention: whether Kafka could delete what was not yet read.

Kafka goes by a record's own time, which is when it was sent, unless its sender
said otherwise: whoever sends last year's events with last year's times has them
deleted as they come.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from stream.doctor.findings import Fault, Finding, ok, warning
from stream.doctor.positions import PartitionFacts
from stream.doctor.topics import HOUR_MS, TopicFacts
from stream.engine.connection import Connection
from stream.engine.rows import reader
from stream.engine.settings import EngineSettings

OUTAGE_MS = 24 * HOUR_MS  # a weekend's would be better; a night's is the least


@dataclass(frozen=True, slots=True)
class Unread:
    """What of a topic is still to be read, and is old."""

    total: int
    old: int
    """Older than half the retention."""
    over: int
    """Older than all of it: they may go any moment."""


async def ask(
    connection: Connection,
    engine: EngineSettings,
    partitions: Collection[PartitionFacts],
    topics: Mapping[str, TopicFacts],
    now_ms: int,
) -> dict[str, Unread]:
    """Ask how much of what is unread is old, without reading it."""
    limits = {fact.topic: topics[fact.topic].number("retention.ms") or -1 for fact in partitions}
    limited = [fact for fact in partitions if limits[fact.topic] > 0]
    # Each partition twice: from where on records are younger than all, and half, of the retention.
    old, over = [
        await _older(
            connection,
            engine,
            {fact: max(0, now_ms - limits[fact.topic] // share) for fact in limited},
        )
        for share in (2, 1)
    ]
    return {
        topic: Unread(
            sum(fact.end - fact.position for fact in partitions if fact.topic == topic),
            sum(count for fact, count in old.items() if fact.topic == topic),
            sum(count for fact, count in over.items() if fact.topic == topic),
        )
        for topic in sorted(limits)
    }


async def _older(
    connection: Connection, engine: EngineSettings, moments: Mapping[PartitionFacts, int]
) -> dict[PartitionFacts, int]:
    """Count what is unread of each partition and older than its moment."""
    if not moments:
        return {}
    consumer = reader(connection, engine)
    await consumer.start()
    try:
        found = await consumer.offsets_for_times(
            {TopicPartition(fact.topic, fact.partition): at for fact, at in moments.items()}
        )
    finally:
        await consumer.stop()
    younger = {fact: found[TopicPartition(fact.topic, fact.partition)] for fact in moments}
    return {
        fact: max(0, (fact.end if place is None else place.offset) - fact.position)
        for fact, place in younger.items()
    }


def judge(facts: TopicFacts, unread: Unread) -> Iterator[Finding]:
    """Say whether a source keeps what is to be read from it."""
    check = f"retention {facts.name}"
    limit, size = facts.number("retention.ms"), facts.number("retention.bytes")
    if limit is None:
        return  # the configuration may not be read, which has been said
    longer = (
        f"kafka-configs --alter --topic {facts.name} --add-config retention.ms=-1, until it is"
        " read; or have it sent with message.timestamp.type=LogAppendTime"
    )
    if unread.over:
        yield warning(
            check,
            f"{unread.over} records that are still to be read are older than retention.ms={limit}:"
            " Kafka may delete them any moment",
            Fault.TOPIC,
            longer,
        )
    elif unread.old:
        yield warning(
            check,
            f"{unread.old} records that are still to be read are older than half of"
            f" retention.ms={limit}",
            Fault.TOPIC,
            f"start a worker soon, or {longer}",
        )
    elif 0 <= limit < OUTAGE_MS:
        yield warning(
            check,
            f"retention.ms={limit} is less than a day: a longer outage of the workers loses events",
            Fault.TOPIC,
            f"kafka-configs --alter --topic {facts.name} --add-config retention.ms=604800000",
        )
    elif size is not None and size >= 0 and unread.total:
        yield warning(
            check,
            f"retention.bytes={size} deletes by size, read or not, and {unread.total} offsets are"
            " still to be read",
            Fault.TOPIC,
            f"kafka-configs --alter --topic {facts.name} --add-config retention.bytes=-1",
        )
    else:
        kept = "for ever" if limit < 0 else f"for {limit / HOUR_MS / 24:.0f} days"
        yield ok(check, f"kept {kept}; nothing unread is near its end")
