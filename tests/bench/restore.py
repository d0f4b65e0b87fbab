"""A restore: a real worker takes over a state topic that holds so many customers.

The rows are those of customers between visits, as `tests.bench.memory` makes
them, under many names.  The time is the engine's own, from the assignment to
work: producers are started, rows read, decoded and taken over, timers set.  In
a state topic that was not compacted lately every customer has several rows.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from faust.types import TP

from stream.engine.position import Position, pack_position, position_key
from stream.worker.app import Worker, read_policy
from stream.worker.detect import DetectFold
from stream.worker.engine_report import EngineReport
from stream.worker.metrics import Metrics
from stream.worker.topics import COMPACT
from tests.bench import memory
from tests.bench.child import YARDSTICK, call
from tests.bench.figure import Figure, Size, rounded
from tests.bench.folds import clones
from tests.bench.topic import create, fill, unique
from tests.bench.tracks import Track
from tests.bench.watched import Clocks, run_to_end, stop, worker_settings

PARTITIONS = 4
CUSTOMERS = {Size.TINY: 1_000, Size.QUICK: 20_000, Size.NORMAL: 100_000, Size.FULL: 1_000_000}
ROUNDS = {Size.TINY: 1, Size.QUICK: 1, Size.NORMAL: 3, Size.FULL: 3}
TEMPLATES = 500
STOP_SECONDS = 0.5  # after the assignment: Faust must be through with it to end in order


def measure(size: Size, bootstrap: str) -> Iterator[Figure]:
    """Give customers and rows a second, with one row a customer and with three."""
    customers = CUSTOMERS[size]
    with TemporaryDirectory() as folder:
        file = str(Path(folder) / "rows")
        kind = "between visits"
        call(memory.save, kind=kind, customers=TEMPLATES, among=TEMPLATES, file=file)
        saved = Path(file).read_bytes()
        for copies in (1, 3):
            run_id = unique("restore")
            usage = f"{run_id}.usage"
            asyncio.run(_fill(bootstrap, run_id, usage, saved, customers, copies))
            took = [
                call(restored, bootstrap=bootstrap, usage=usage, run_id=run_id)
                for _ in range(ROUNDS[size])
            ]
            assert {one["rows"] for one in took} == {customers * copies}, took
            seconds = median(one["wall_s"] for one in took)
            detail = {
                "seconds": rounded(seconds),
                "cpu_s": rounded(median(one["cpu_s"] for one in took)),
                YARDSTICK: median(one[YARDSTICK] for one in took),
            }
            suffix = "" if copies == 1 else ".uncompacted"
            yield Figure(
                name=f"restore{suffix}",
                value=customers / seconds,
                unit="customers/s",
                target=">= 200,000",
                detail={**detail, "customers": customers},
            )
            yield Figure(
                name=f"restore{suffix}.rows", value=customers * copies / seconds, unit="rows/s"
            )


async def _fill(
    bootstrap: str, run_id: str, usage: str, saved: bytes, customers: int, copies: int
) -> None:
    """Write the state of so many customers, each `copies` times, and where every partition is."""
    rows, progress = msgspec.msgpack.decode(saved, type=tuple[dict[bytes, bytes], bytes])
    state = f"{run_id}.state"
    await create(bootstrap, usage, PARTITIONS)
    await create(bootstrap, state, PARTITIONS, COMPACT)
    for _ in range(copies):
        tracks = (Track(key, value, 1) for key, value in clones(rows, customers))
        await fill(bootstrap, state, PARTITIONS, tracks)
    row = Track(position_key(usage), pack_position(Position(0, progress)), 1)
    for partition in range(PARTITIONS):
        await fill(bootstrap, state, PARTITIONS, [row], to=partition)


class _Watch(EngineReport):
    """The worker's own observer; it ends the worker once that has been assigned its work."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self.rows: dict[TP, int] = {}
        self.seconds = 0.0
        self.end: Clocks

    def restoring(self, tp: TP, records: int, remaining: int) -> None:
        """Note how far it is."""
        super().restoring(tp, records, remaining)
        self.rows[tp] = records

    def assigned(self, kept: Sequence[TP], restored: Sequence[TP], seconds: float) -> None:
        """Stop the watch."""
        super().assigned(kept, restored, seconds)
        self.seconds, self.end = seconds, Clocks()
        asyncio.get_running_loop().call_later(STOP_SECONDS, stop)


class _Worker(Worker):
    """The worker, which notes when it begins to make its folds."""

    begin: Clocks | None = None

    def _detect(self, tp: TP) -> DetectFold:
        self.begin = self.begin or Clocks()
        return super()._detect(tp)


def restored(bootstrap: str, usage: str, run_id: str) -> dict[str, Any]:
    """Run a worker until its partitions are restored; give what that took."""
    settings = worker_settings(bootstrap, usage, run_id, model="pinned")
    worker = _Worker(settings, read_policy(settings))
    worker.report = watch = _Watch(worker.metrics)
    run_to_end(worker)
    assert worker.begin is not None
    return {
        "rows": sum(watch.rows.values()) - PARTITIONS,  # each has one that is its position
        "wall_s": watch.seconds,
        "cpu_s": watch.end.cpu - worker.begin.cpu,
    }
