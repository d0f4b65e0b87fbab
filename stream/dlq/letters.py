"""Letters: the records of the dead-letter topic, each with its place, its reason and its fate.

A letter is named by its place in the topic, `partition:offset`: the one name that cannot be
mistaken, whatever it holds.  That it was sent again stands in the same partition, behind it.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from stream.engine.connection import Connection
from stream.engine.present import Range, present, present_from
from stream.wire.dead_letters import DeadLetter, Header, read_headers, replayed_offset


class Place(NamedTuple):
    """Where a letter stands."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """Write it as it is given on the command line."""
        return f"{self.partition}:{self.offset}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Read it; ValueError for anything else."""
        partition, colon, offset = text.partition(":")
        if not (colon and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{text!r} is no place: write it as PARTITION:OFFSET, such as 3:17")
        return cls(int(partition), int(offset))


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter."""

    place: Place
    written_at: int
    """When it was put aside (ms since 1970 UTC)."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    """All of them: the sender's, and the reason's."""
    reason: DeadLetter


class Mark(NamedTuple):
    """That the letter of a place has been sent again."""

    of: Place


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters somebody asked for; what is empty asks for nothing."""

    codes: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    """They came from."""
    partitions: frozenset[int] = frozenset()
    """Of these topics."""
    since: int | None = None
    """Put aside at this moment (ms) or later."""
    until: int | None = None
    """Put aside before this moment (ms)."""

    def __call__(self, letter: Letter) -> bool:
        """Say whether the letter is one of them."""
        return (
            (not self.codes or letter.reason.code in self.codes)
            and (not self.topics or letter.reason.topic in self.topics)
            and (not self.partitions or letter.reason.partition in self.partitions)
            and (self.since is None or letter.written_at >= self.since)
            and (self.until is None or letter.written_at < self.until)
        )


async def letters(
    connection: Connection, topic: str, *, since: int | None = None
) -> AsyncGenerator[Letter | Mark, None]:
    """Give what the topic holds, in the order of each partition; what is neither is passed over.

    `since` (ms): nothing that was written before.  Raises `Fatal`.
    """
    async with aclosing(present(connection, topic, Range(since_ms=since))) as records:
        async for record in records:
            found = read(record)
            if found is not None:
                yield found


async def letter_at(connection: Connection, topic: str, place: Place) -> tuple[Letter | None, bool]:
    """Give the letter of a place, None where there is none; and whether it was sent again."""
    letter, replayed = None, False
    there = present_from(connection, topic, place.partition, place.offset)
    async with aclosing(there) as records:
        async for record in records:
            found = read(record)
            if isinstance(found, Letter) and found.place == place:
                letter = found
            if letter is None:
                break
            replayed |= found == Mark(place)
    return letter, replayed


def read(record: Any) -> Letter | Mark | None:
    """Read a record of the topic; None is somebody else's.

    What has a reason is a letter, whatever its sender wrote into its headers.
    """
    headers = record.headers
    place = Place(record.partition, record.offset)
    reason = read_headers(headers)
    if reason is None:
        offset = replayed_offset(headers)
        return None if offset is None else Mark(Place(place.partition, offset))
    return Letter(
        place=place,
        written_at=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(headers),
        reason=reason,
    )
