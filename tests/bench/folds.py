"""The worker's own folds, wired as the worker wires them, and fed without Kafka.

What is measured here is what one partition's work costs, and nothing of what
carries it: no fetch, no transaction, no event loop.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import NamedTuple

import msgspec
from faust.types import TP

from models.snapshots import ALL_CUSTOMERS, cold, name
from stream.detector.events import DAY_MS
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.engine.flow import Batch, Fold, Row
from stream.settings import Topics, load
from stream.wire import snapshots
from stream.wire.heartbeat import Heartbeat, encode_heartbeat
from stream.wire.policy_file import PolicyFile
from stream.worker.app import Worker
from tests.bench.machine import Yardstick
from tests.bench.tracks import Track

EXAMPLES = Topics().examples
SLICE = 500  # events folded in one go, as by default
SAVE_EVERY = 20  # slices between two checkpoints: 0.3 s at 33,000 events/s


class Record(NamedTuple):
    """A record as the engine hands it over."""

    value: bytes
    key: bytes | None
    timestamp: int
    topic: str = "usage"
    partition: int = 0
    offset: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


def detect_fold(
    policy: Policy,
    rows: Iterable[Row] = (),
    progress: bytes | None = None,
    *,
    teaching: float = 1.0,
) -> Fold:
    """Return the detector's work on a partition that these rows tell of.

    `teaching` is the share of the customers that is learned from.
    """
    worker = _worker(policy)
    if teaching < 1:
        first = cold(policy.horizon_ms / DAY_MS, back_age_ms(policy) / DAY_MS)
        below = round(ALL_CUSTOMERS * teaching)
        model = msgspec.structs.replace(first, effective_from=DAY_MS, teach_below=below)
        worker.models.take(snapshots.encode(name(model)))
    fold = worker._detect(TP("usage", 0))
    for key, value in rows:
        fold.load(key, value)
    fold.begin(progress)
    return fold


def train_fold(policy: Policy) -> Fold:
    """Return the trainer's work."""
    worker = _worker(policy)
    worker.usage_partitions = 1
    fold = worker._train(TP("examples", 0))
    fold.begin(None)
    return fold


def _worker(policy: Policy) -> Worker:
    return Worker(load({"clock": "event"}), PolicyFile(policy=policy))


class Fed(NamedTuple):
    """What a fold was fed, and the CPU seconds it took; making the events is not in it."""

    events: int
    apply_s: float
    collect_s: float
    yardstick_us: float


def feed(
    fold: Fold, tracks: Iterable[Track], on_save: Callable[[Batch], object] = lambda _: None
) -> Fed:
    """Fold events slice by slice; collect what is unsaved as checkpoints would, for `on_save`."""
    events, apply_s, collect_s, yardstick = 0, 0.0, 0.0, Yardstick()
    for number, slice_ in enumerate(_slices(tracks), 1):
        began = time.process_time()
        fold.apply(slice_)
        applied = time.process_time()
        apply_s += applied - began
        events += len(slice_)
        if number % SAVE_EVERY == 0:
            batch = fold.collect()
            collect_s += time.process_time() - applied
            on_save(batch)
            yardstick.measure()
    on_save(fold.collect())
    yardstick.measure()
    return Fed(events, apply_s, collect_s, yardstick.us)


class Saved:
    """What checkpoints saved, as a state topic holds it: the last row of every customer."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.rows: dict[bytes, bytes] = {}
        self.progress = b""

    def __call__(self, batch: Batch) -> None:
        """Take one more checkpoint."""
        for key, value in batch.rows:
            if value is not None and not key.startswith(b"\0"):  # none of a customer's
                self.rows[key] = value
        self.progress = batch.progress


class Lessons(list[bytes]):
    """What checkpoints sent to the trainer."""

    def __call__(self, batch: Batch) -> None:
        """Take one more checkpoint."""
        self += [output.value or b"" for output in batch.outputs if output.topic == EXAMPLES]


def _slices(tracks: Iterable[Track]) -> Iterator[list[Record]]:
    source = iter(tracks)
    while slice_ := [Record(t.value, t.key, t.at_ms) for t in islice(source, SLICE)]:
        yield slice_


def pass_time(fold: Fold, until_ms: int) -> float:
    """Let event time pass without events; give the CPU seconds that what fell due took."""
    beat = Record(encode_heartbeat(Heartbeat(until_ms)), None, until_ms)
    began = time.process_time()
    fold.apply([beat])
    return time.process_time() - began


def clones(rows: Mapping[bytes, bytes], customers: int) -> Iterator[tuple[bytes, bytes]]:
    """Give the rows of so many customers: the same ones again, under names of their own."""
    # Each row a copy of its own, as a restore would find it: shared ones would weigh nothing.
    copies = (
        (b"%s-%d" % (key, n), bytes(bytearray(value)))
        for n in count()
        for key, value in rows.items()
    )
    return islice(copies, customers)


def learn(policy: Policy, lessons: Sequence[bytes]) -> float:
    """Teach a fresh trainer; give the CPU seconds it takes, snapshots included."""
    fold = train_fold(policy)
    began = time.process_time()
    for start in range(0, len(lessons), SLICE):
        fold.apply([Record(value, None, 0) for value in lessons[start : start + SLICE]])
    return time.process_time() - began
