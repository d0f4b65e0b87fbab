"""Progress: what of a partition is settled, small enough to stand beside the offset committed.

The offset is that of the first alert not settled.  One that is refused for three days
must not have everything after it delivered again at each restart, so what is settled
beyond is written into the metadata of the commit: up to where was read, and which of
those are not settled.
"""

from collections.abc import Iterable
from typing import NamedTuple

BYTES_MAX = 4_000
"""Brokers take 4,096 (offset.metadata.max.bytes)."""
_VERSION = "1"


class Progress(NamedTuple):
    """Offsets of one partition."""

    read: int
    """Of the next record to read."""
    unsettled: tuple[int, ...] = ()
    """Before it, in their order."""

    @property
    def position(self) -> int:
        """The offset up to which everything is settled."""
        return self.unsettled[0] if self.unsettled else self.read

    def settled(self, offset: int) -> bool:
        """Say whether that record needs nothing any more."""
        return offset < self.read and offset not in self.unsettled


def joined(progress: Progress | None, read: int, unsettled: Iterable[int]) -> Progress:
    """Return how far it is, where a restart has come to `read` again of what was known."""
    now = tuple(unsettled)
    if progress is None or progress.read <= read:
        return Progress(read, now)
    return Progress(progress.read, now + tuple(at for at in progress.unsettled if at >= read))


def encode(progress: Progress) -> str:
    """Write progress as text: steps from the position on; what does not fit is read again."""
    words = [_VERSION]
    size, at = len(_VERSION), progress.position
    for offset in (*progress.unsettled, progress.read):
        word = f"{offset - at:x}"
        size += len(word) + 1
        if size > BYTES_MAX:
            break
        words.append(word)
        at = offset
    return " ".join(words)


def decode(position: int, text: str) -> Progress:
    """Read what `encode` wrote beside an offset; nothing is known beyond it if it did not."""
    version, *words = text.split(" ") if text else [""]
    if version != _VERSION or not words:
        return Progress(position)
    try:
        steps = [int(word, 16) for word in words]
    except ValueError:
        return Progress(position)
    offsets = []
    for step in steps:
        position += step
        offsets.append(position)
    return Progress(offsets[-1], tuple(offsets[:-1]))
