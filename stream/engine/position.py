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
_VERSION = 2
_HEAD = struct.Struct(">BqI")  # version, next source offset, partitions of the source
_VERSION_BEFORE = 1
_HEAD_BEFORE = struct.Struct(">Bq")  # which did not say how many partitions there were


class Position(NamedTuple):
    """How far a partition's state speaks."""

    offset: int  # the source offset that comes next
    progress: bytes  # the fold's own word on the partition as a whole
    partitions: int = 0  # of the source as it was saved: where a key lives; 0: nobody noted it


def position_key(source: str) -> bytes:
    """Return the key of the position row of `source`; it differs from every other source's."""
    return _MARK + source.encode()


def is_position(key: bytes) -> bool:
    """Return whether `key` is that of a position row, whatever the source."""
    return key.startswith(_MARK)


def pack_position(position: Position) -> bytes:
    """Return a position as the value of its row."""
    return _HEAD.pack(_VERSION, position.offset, position.partitions) + position.progress


def unpack_position(row: bytes) -> Position:
    """Return the position that `row` holds.

    Raises `Fatal` where a version of this software that we do not know wrote it.
    """
    version = row[0] if row else None
    if version == _VERSION and len(row) >= _HEAD.size:
        _, offset, partitions = _HEAD.unpack_from(row)
        return Position(offset, row[_HEAD.size :], partitions)
    if version == _VERSION_BEFORE and len(row) >= _HEAD_BEFORE.size:
        _, offset = _HEAD_BEFORE.unpack_from(row)
        return Position(offset, row[_HEAD_BEFORE.size :])
    found = f"{len(row)} bytes of version {version}" if row else "an empty record"
    raise Fatal(
        f"The saved position is {found}; this release reads versions {_VERSION_BEFORE} and "
        f"{_VERSION}. Operator action: run the release that wrote it, or replay into a new app id "
        "with new state topics."
    )
