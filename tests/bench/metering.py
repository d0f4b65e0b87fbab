"""What the metrics cost on the hot path: their share of the CPU time of folding.

The worker's own metrics and report, every call of theirs clocked: those that a fold makes, and
those that the engine makes of each turn and each transaction.  A call counts as its median: in
the mean there is whoever else used the machine, and the clock of one's own CPU time takes longer
to read than most calls take.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median
from typing import Any

from faust.types import TP

from stream.detector.policy import Policy
from stream.engine.flow import Fold
from stream.settings import load
from stream.wire.policy_file import PolicyFile
from stream.worker.app import Worker
from tests.bench import tracks
from tests.bench.child import YARDSTICK, call
from tests.bench.figure import Figure, Size
from tests.bench.folds import SAVE_EVERY, SLICE, Record

TARGET = "below 2 %"
EVENTS = {Size.TINY: 2_000, Size.QUICK: 100_000, Size.NORMAL: 500_000, Size.FULL: 2_000_000}
WORKS = {"ingest": TP("raw", 0), "detect": TP("usage", 0)}


class Clocked:
    """A part of the worker whose methods are clocked."""

    def __init__(self, part: object) -> None:
        """Stand before `part`."""
        self._part = part
        self._took_ns: defaultdict[str, list[int]] = defaultdict(list)

    @property
    def seconds(self) -> float:
        """What all calls took."""
        return sum(median(took) * len(took) for took in self._took_ns.values()) / 1e9

    def __getattr__(self, name: str) -> Any:
        """Give what the part has; a method of it, clocked."""
        found = getattr(self._part, name)
        if not callable(found):
            return found

        def clocked(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter_ns()
            answer = found(*arguments, **options)
            self._took_ns[name].append(time.perf_counter_ns() - began)
            return answer

        return clocked


def measure(size: Size) -> Iterator[Figure]:
    """Give the metrics' share in ingest, and in the detector's fold."""
    for work in WORKS:
        took = call(cost, work=work, events=EVENTS[size])
        yield Figure(
            name=f"metrics.{work}",
            value=took["spent_s"] / took["all_s"],
            unit="of CPU",
            target=TARGET,
            detail={
                "events": took["events"],
                "us_per_turn": took["spent_s"] / took["turns"] * 1e6,
                "turn_events": SLICE,
                YARDSTICK: took[YARDSTICK],
            },
        )


def cost(work: str, events: int) -> dict[str, Any]:
    """Fold events, turn by turn as the engine does; give the CPU seconds, and the metrics'."""
    worker = Worker(load({"clock": "event"}), PolicyFile(policy=Policy()))
    metrics, report = Clocked(worker.metrics), Clocked(worker.report)
    worker.metrics = metrics  # type: ignore[assignment]
    tp = WORKS[work]
    make: dict[str, Callable[[TP], Fold]] = {"ingest": worker._ingest, "detect": worker._detect}
    fold = make[work](tp)
    fold.begin(None)
    report.assigned([], [tp], 0.1)
    log = (Record(t.value, t.key, t.at_ms) for t in tracks.workload(events))
    all_s, turns = 0.0, 0
    while turn := list(islice(log, SLICE)):
        began = time.thread_time()
        fold.apply(turn)
        report.applied(tp, len(turn), 0.001, turn[0].timestamp)
        turns += 1
        if turns % SAVE_EVERY == 0:
            batch = fold.collect()
            report.checkpointed(tp, 0.0, len(batch.rows), len(batch.outputs))
            report.lag(tp, 0, caught_up=True)
        all_s += time.thread_time() - began
    spent_s = metrics.seconds + report.seconds
    return {"spent_s": spent_s, "all_s": all_s, "turns": turns, "events": events}
