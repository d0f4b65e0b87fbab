"""Kafka batches as the engine holds them before it unpacks them, made by hand."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from stream.engine.records import Packed


class Handmade(list[Any]):
    """Stands for aiokafka's batch: its records, and the offset behind it."""

    def __init__(self, offsets: Sequence[int], end: int) -> None:
        """Make bare records."""
        super().__init__(SimpleNamespace(offset=offset, timestamp=0) for offset in offsets)
        self.next_offset = end


def packed(first: int, offsets: Sequence[int], end: int) -> Packed:
    """Return a batch of bare records, to be read from `first` on."""
    return Packed(first, Handmade(offsets, end))
