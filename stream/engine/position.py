"""Position: how far the state of a partition has come.

State lives in memory and its changelog in a compacted topic.  A row says what
is known of one key; one row more, the position, says up to which source offset
all of them speak.  Rows and position are written in one transaction, so
whoever reads them back finds them in step.
"""

import struct
from typing import NamedTuple

from stream.engine.exits import Fatal

# No customer id, nor any other key of text, begins with a null byte.
_MARK = b"\x00position\x00"
_VERSION = 3
_HEAD = struct.Struct(">BqIqI")  # version, next offset, partitions, published, times passed
_PASSED = struct.Struct(">qq")  # before which offset, up to when
_HEADS_BEFORE = {
    1: struct.Struct(">Bq"),  # did not say how many partitions there were
    2: struct.Struct(">BqI"),  # outputs were never ahead of the rows
}


class Passed(NamedTuple):
    """Time that passed between two records."""

    offset: int  # of the record that came next
    moment: int  # ms since 1970, up to which it passed


class Position(NamedTuple):
    """How far a partition's state speaks, and how far its outputs are published."""

    offset: int  # the source offset that comes next
    progress: bytes  # the fold's own word on the partition as a whole
    partitions: int = 0  # of the source as it was saved: where a key lives; 0: nobody noted it
    published: int = 0  # outputs of all records before this offset are out; not below `offset`
    passed: tuple[Passed, ...] = ()  # between `offset` and `published`


def position_key(source: str) -> bytes:
    """Return the key of the position row of `source`; it differs from every other source's."""
    return _MARK + source.encode()


def is_position(key: bytes) -> bool:
    """Return whether `key` is that of a position row, whatever the source."""
    return key.startswith(_MARK)


def pack_position(position: Position) -> bytes:
    """Return a position as the value of its row."""
    offset, progress, partitions, published, passed = position
    head = _HEAD.pack(_VERSION, offset, partitions, max(offset, published), len(passed))
    return head + b"".join([_PASSED.pack(*each) for each in passed]) + progress


def unpack_position(row: bytes) -> Position:
    """Return the position that `row` holds.

    Raises `Fatal` where a version of this software that we do not know wrote it.
    """
    version = row[0] if row else None
    if version == _VERSION and len(row) >= _HEAD.size:
        _, offset, partitions, published, count = _HEAD.unpack_from(row)
        end = _HEAD.size + count * _PASSED.size
        if len(row) >= end:
            passed = tuple(map(Passed._make, _PASSED.iter_unpack(row[_HEAD.size : end])))
            return Position(offset, row[end:], partitions, published, passed)
    before = _HEADS_BEFORE.get(version or 0)
    if before is not None and len(row) >= before.size:
        _, offset, *partitions = before.unpack_from(row)
        return Position(offset, row[before.size :], sum(partitions), offset)
    found = f"{len(row)} bytes of version {version}" if row else "an empty record"
    raise Fatal(
        f"The saved position is {found}; this release reads versions {min(_HEADS_BEFORE)} to "
        f"{_VERSION}. Operator action: run the release that wrote it, or replay into a new app id "
        "with new state topics."
    )
