"""Event-time order for logs in any order and of any size.

A log that fits one chunk is sorted in memory and never touches the disk.  A
larger one is sorted chunk by chunk into temporary files that are merged while
they are read: the memory is a chunk's, whatever the log's.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from stream.detector.batch import EventBatch, Traits
from stream.detector.events import UsageEvent

CHUNK_EVENTS = 500_000  # larger: fewer files to merge, 350 bytes of memory an event
_BLOCK_EVENTS = 2_000  # larger: fewer reads, more memory for every file that is merged
_RUNS_MAX = 64  # open files at a time, well below what any system allows
_LENGTH_BYTES = 8

_at = attrgetter("occurred_at")
_Columns = tuple[
    list[str], list[str], bytes, bytes, list[str], bytes, list[str], list[Traits | None] | None
]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Columns).decode


def in_order(
    batches: Iterable[EventBatch],
    *,
    chunk_events: int = CHUNK_EVENTS,
    folder: Path | None = None,
) -> Iterator[EventBatch]:
    """Yield the events of `batches` by `occurred_at`; those of one moment in the order they came.

    `folder` takes the temporary files (default: the system's place for them);
    they are gone when the iterator ends or is closed.
    """
    chunks = map(_sorted, _chunks(batches, chunk_events))
    first = next(chunks, None)
    if first is None:
        return
    second = next(chunks, None)
    if second is None:
        yield first
        return
    with tempfile.TemporaryDirectory(prefix="slipaway-replay-", dir=folder) as place:
        spill = _Spill(Path(place))
        spill.add(first)
        spill.add(second)
        del first, second
        for chunk in chunks:
            spill.add(chunk)
        yield from spill.merged()


def _chunks(batches: Iterable[EventBatch], size: int) -> Iterator[EventBatch]:
    """Cut and join the batches into chunks of `size` events; the last may be smaller."""
    waiting: list[EventBatch] = []
    count = 0
    for batch in batches:
        begin = 0
        while count + len(batch) - begin >= size:
            end = begin + size - count
            yield EventBatch.joined([*waiting, batch.part(begin, end)])
            waiting, count, begin = [], 0, end
        if begin < len(batch):
            waiting.append(batch.part(begin, len(batch)))
            count += len(batch) - begin
    if waiting:
        yield EventBatch.joined(waiting)


def _sorted(chunk: EventBatch) -> EventBatch:
    at = chunk.occurred_at
    if (at[1:] >= at[:-1]).all():
        return chunk
    return chunk.taken(np.argsort(at, kind="stable"))


class _Run(NamedTuple):
    """Sorted events on disk."""

    path: Path
    first: int
    """Event time of the first and the last (ms)."""
    last: int

    def read(self) -> Iterator[EventBatch]:
        """Yield the events."""
        with self.path.open("rb") as file:
            while length := file.read(_LENGTH_BYTES):
                yield _unpacked(file.read(int.from_bytes(length, "big")))


class _Spill:
    """Runs, in the order of the log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[_Run] = []
        self._written = 0

    def add(self, chunk: EventBatch) -> None:
        """Write one more run; when there are many, merge them into one, the earliest."""
        if len(self._runs) == _RUNS_MAX:
            merged = self._write(self.merged())
            for run in self._runs:
                run.path.unlink()
            self._runs = [merged]
        self._runs.append(self._write([chunk]))

    def merged(self) -> Iterator[EventBatch]:
        """Yield all events in order; of one moment, those of the earlier run first.

        Runs that follow each other, as those of a log in order do, are only read:
        merging takes longer than all that is decided of an event.
        """
        for together in self._overlapping():
            if len(together) == 1:
                yield from together[0].read()
            else:
                runs = [chain.from_iterable(run.read()) for run in together]
                yield from _batches(heapq.merge(*runs, key=_at))

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

    def _write(self, batches: Iterable[EventBatch]) -> _Run:
        path = self._folder / f"{self._written:06d}.run"
        self._written += 1
        first, last = None, 0
        with path.open("wb") as file:
            for batch in batches:
                first = int(batch.occurred_at[0]) if first is None else first
                last = int(batch.occurred_at[-1])
                for begin in range(0, len(batch), _BLOCK_EVENTS):
                    packed = _packed(batch.part(begin, begin + _BLOCK_EVENTS))
                    file.write(len(packed).to_bytes(_LENGTH_BYTES, "big"))
                    file.write(packed)
        return _Run(path, first or 0, last)


def _batches(events: Iterator[UsageEvent]) -> Iterator[EventBatch]:
    while block := list(islice(events, _BLOCK_EVENTS)):
        yield EventBatch.of(block)


def _packed(batch: EventBatch) -> bytes:
    return _encode(
        (
            batch.customer_ids,
            batch.names,
            batch.occurred_at.tobytes(),
            batch.received_at.tobytes(),
            batch.message_ids,
            batch.volumes.tobytes(),
            batch.account_ids,
            batch.traits,
        )
    )


def _unpacked(packed: bytes) -> EventBatch:
    customers, names, occurred_at, received_at, ids, volumes, accounts, traits = _decode(packed)
    return EventBatch(
        customers,
        names,
        np.frombuffer(occurred_at, np.int64),
        np.frombuffer(received_at, np.int64),
        ids,
        np.frombuffer(volumes, np.float64),
        accounts,
        traits,
    )
