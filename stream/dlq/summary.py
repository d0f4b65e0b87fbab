"""The summary: dead letters counted by what is wrong with them and where they came from."""

from collections.abc import AsyncIterator

import msgspec

from stream.dlq.letters import Letter, Mark, Place, Wanted
from stream.wire.times import from_iso, iso

VERSION = 1
"""Of this format."""


class Kind(msgspec.Struct, kw_only=True):
    """The letters of one code, stage and topic."""

    code: str
    stage: str
    """What was being done: "decode", "detect", "deliver"."""
    topic: str
    """They came from."""
    letters: int
    replayed: int
    """Of these, sent again."""
    first: str
    """When the first and the last were put aside (ISO 8601)."""
    last: str
    latest: str
    """Place of the last: `slipaway dlq show` takes it."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All letters that were asked for."""

    version: int = VERSION
    topic: str
    """Of the letters themselves."""
    letters: int
    replayed: int
    kinds: list[Kind]
    """The most frequent first."""


_Sort = tuple[str, str, str]


async def summary(topic: str, found: AsyncIterator[Letter | Mark], wanted: Wanted) -> Summary:
    """Count the letters wanted; a million of them take the memory of their places."""
    kinds: dict[_Sort, Kind] = {}
    counted: dict[Place, _Sort] = {}
    async for one in found:
        if isinstance(one, Mark):
            sort = counted.pop(one.of, None)
            if sort is not None:
                kinds[sort].replayed += 1
        elif wanted(one):
            sort = one.reason.code, one.reason.stage, one.reason.topic
            counted[one.place] = sort
            _count(kinds, sort, one)
    found_kinds = sorted(kinds.values(), key=lambda kind: (-kind.letters, kind.code, kind.topic))
    return Summary(
        topic=topic,
        letters=sum(kind.letters for kind in found_kinds),
        replayed=sum(kind.replayed for kind in found_kinds),
        kinds=found_kinds,
    )


def _count(kinds: dict[_Sort, Kind], sort: _Sort, letter: Letter) -> None:
    """Add a letter to its kind."""
    at, place = iso(letter.written_at), str(letter.place)
    kind = kinds.get(sort)
    if kind is None:
        code, stage, topic = sort
        kinds[sort] = Kind(
            code=code, stage=stage, topic=topic, letters=1, replayed=0,
            first=at, last=at, latest=place,
        )  # fmt: skip
        return
    kind.letters += 1
    if letter.written_at < from_iso(kind.first):
        kind.first = at
    if letter.written_at >= from_iso(kind.last):
        kind.last, kind.latest = at, place
