"""Event-time order for logs in any order and of any size.

A log that fits one chunk is sorted in memory and never touches the disk.  A
larger one is sorted chunk by chunk into temporary files that are merged while
they are read: the memory is a chunk's, whatever the log's.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from stream.detector.events import UsageEvent

CHUNK_EVENTS = 500_000  # larger: fewer files to merge, 250 bytes of memory an event
_BLOCK_EVENTS = 1_000  # larger: fewer reads, more memory for every file that is merged
_RUNS_MAX = 64  # open files at a time, well below what any system allows
_LENGTH_BYTES = 8

_at = attrgetter("occurred_at")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[UsageEvent]).decode


def in_order(
    events: Iterable[UsageEvent],
    *,
    chunk_events: int = CHUNK_EVENTS,
    folder: Path | None = None,
) -> Iterator[UsageEvent]:
    """Yield `events` by `occurred_at`; those of one moment in the order they came.

    `folder` takes the temporary files (default: the system's place for them);
    they are gone when the iterator ends or is closed.
    """
    source = iter(events)
    chunk = sorted(islice(source, chunk_events), key=_at)
    following = list(islice(source, 1))
    if not following:
        yield from chunk
        return
    with tempfile.TemporaryDirectory(prefix="slipaway-replay-", dir=folder) as place:
        spill = _Spill(Path(place))
        spill.add(chunk)
        while following:
            chunk = following + list(islice(source, chunk_events - 1))
            chunk.sort(key=_at)
            spill.add(chunk)
            following = list(islice(source, 1))
        del chunk
        yield from spill.merged()


class _Run(NamedTuple):
    """Sorted events on disk."""

    path: Path
    first: int
    """Event time of the first and the last (ms)."""
    last: int

    def read(self) -> Iterator[UsageEvent]:
        """Yield the events."""
        with self.path.open("rb") as file:
            while length := file.read(_LENGTH_BYTES):
                yield from _decode(file.read(int.from_bytes(length, "big")))


class _Spill:
    """Runs, in the order of the log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[_Run] = []
        self._written = 0

    def add(self, events: Iterable[UsageEvent]) -> None:
        """Write one more run; when there are many, merge them into one, the earliest."""
        if len(self._runs) == _RUNS_MAX:
            merged = self._write(self.merged())
            for run in self._runs:
                run.path.unlink()
            self._runs = [merged]
        self._runs.append(self._write(events))

    def merged(self) -> Iterator[UsageEvent]:
        """Yield all events in order; of one moment, those of the earlier run first.

        Runs that follow each other, as those of a log in order do, are only read:
        merging takes as long as all that is decided of an event.
        """
        for together in self._overlapping():
            runs = [run.read() for run in together]
            yield from runs[0] if len(runs) == 1 else heapq.merge(*runs, key=_at)

    def _overlapping(self) -> list[list[_Run]]:
        """Group runs, in order, so that every event of a group comes before all of the next."""
        groups: list[list[tuple[int, _Run]]] = []
        until, newest = -1, -1
        for number, run in sorted(enumerate(self._runs), key=lambda entry: entry[1].first):
            follows = run.first > until or (run.first == until and number > newest)
            if follows or not groups:
                groups.append([])
            groups[-1].append((number, run))
            until, newest = max(until, run.last), max(newest, number)
        return [[run for _, run in sorted(group)] for group in groups]

    def _write(self, events: Iterable[UsageEvent]) -> _Run:
        path = self._folder / f"{self._written:06d}.run"
        self._written += 1
        source = iter(events)
        first, last = None, 0
        with path.open("wb") as file:
            while block := list(islice(source, _BLOCK_EVENTS)):
                first = block[0].occurred_at if first is None else first
                last = block[-1].occurred_at
                packed = _encode(block)
                file.write(len(packed).to_bytes(_LENGTH_BYTES, "big"))
                file.write(packed)
        return _Run(path, first or 0, last)
