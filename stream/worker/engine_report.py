"""The engine's report: what the engine tells whoever observes it, said in metrics."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from faust.types import TP
from prometheus_client import Gauge

from stream.detector.events import SECOND_MS
from stream.engine.flow import Told
from stream.worker.metrics import Metrics
from stream.worker.tracing import Traces

NEAR_RECORDS = 10_000
"""A partition no further from its log's end is caught up: one fetched block, well below a second
of work.  None at all would mean that a busy worker is never ready."""
HEARD_SECONDS = 15.0
"""Where a log ends is told once a second; after so long without, nobody knows."""


class EngineReport:
    """The engine's observer: what it sees, said in metrics."""

    def __init__(
        self,
        metrics: Metrics,
        examples: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[TP, Sequence[Told]], object] = lambda *_: None,
        traces: Traces | None = None,
    ) -> None:
        """Report to `metrics`; whoever reads the topic `examples` trains.

        `told` hears of outputs that can be read, of those topics that are told of; `traces`
        makes spans of turns and transactions.
        """
        self._traces = traces
        self._tell = told
        self._metrics = metrics
        self._examples = examples
        self._clock = clock
        self._assigned = False
        self._lags: dict[TP, tuple[float, int] | None] = {}  # when heard of, and what
        # Turns that were folded since the last commit: when, and their first record's time (ms).
        self._turns: dict[TP, deque[tuple[float, int]]] = {}
        metrics.ready.set_function(lambda: not self.unready())

    def unready(self) -> str:
        """Say what keeps this worker from being ready; empty: nothing does."""
        if not self._assigned:
            return "restoring or waiting for partitions"
        since = self._clock() - HEARD_SECONDS
        near = all(
            heard is not None and heard[0] >= since and heard[1] <= NEAR_RECORDS
            for heard in self._lags.values()
        )
        return "" if near else "catching up, or waiting for the broker"

    def assigned(self, kept: Sequence[TP], restored: Sequence[TP], seconds: float) -> None:
        """Partitions are worked on from now on."""
        metrics = self._metrics
        metrics.assignments.labels("kept").inc(len(kept))
        metrics.assignments.labels("restored").inc(len(restored))
        metrics.restore_seconds.set(seconds)
        for tp in (*kept, *restored):
            metrics.partitions.labels(tp.topic).inc()
            metrics.restore_remaining.labels(tp.topic, tp.partition).set(0)
            self._lags[tp] = None
        self._assigned = True

    def revoked(self, partitions: Sequence[TP], seconds: float) -> None:  # noqa: ARG002
        """Partitions are no longer worked on: what is said of them here would go stale."""
        metrics = self._metrics
        self._assigned = False
        metrics.assignments.labels("revoked").inc(len(partitions))
        # Also of partitions that went elsewhere before they were restored.
        for gauge in (metrics.restore_records, metrics.restore_remaining):
            gauge.clear()
        for tp in partitions:
            self._lags.pop(tp, None)
            self._turns.pop(tp, None)
            metrics.retained.forget(tp)
            metrics.partitions.labels(tp.topic).dec()
            if tp.topic == self._examples:
                metrics.trains_no_more()
            for gauge in (
                metrics.lag,
                metrics.caught_up,
                metrics.processed,
                metrics.checkpointed,
                metrics.watermark,
                metrics.customers,
                metrics.accounts,
                metrics.customers_here,
            ):
                _forget(gauge, tp.topic, tp.partition)
        metrics.series.forget()  # whoever is given a partition again is shown anew

    def restoring(self, tp: TP, records: int, remaining: int) -> None:
        """Restoring goes on."""
        self._metrics.restore_records.labels(tp.topic, tp.partition).set(records)
        self._metrics.restore_remaining.labels(tp.topic, tp.partition).set(remaining)

    def applied(self, tp: TP, records: int, seconds: float, first_ms: int) -> None:
        """Note that a turn was folded."""
        metrics, now = self._metrics, time.time()
        series = metrics.series
        series(metrics.block_seconds, tp.topic).observe(seconds)
        series(metrics.processed, tp.topic, tp.partition).set(now)
        series(metrics.event_wait, tp.topic).observe(max(0.0, now - first_ms / SECOND_MS))
        self._turns.setdefault(tp, deque()).append((self._clock(), first_ms))
        if self._traces is not None:
            self._traces.folded(tp, records, seconds)

    def dropped(self, tp: TP, records: int) -> None:
        """Note that a block from before a seek was dropped."""
        self._metrics.records_dropped.labels(tp.topic).inc(records)

    def checkpointed(self, tp: TP, seconds: float, rows: int, outputs: int) -> None:
        """Note that a transaction was committed."""
        metrics, now = self._metrics, time.time()
        if self._traces is not None:
            self._traces.committed(tp, rows, outputs, seconds)
        series = metrics.series
        series(metrics.checkpoint_seconds, tp.topic).observe(seconds)
        series(metrics.checkpoint_rows, tp.topic).inc(rows)
        series(metrics.checkpoint_outputs, tp.topic).inc(outputs)
        series(metrics.checkpointed, tp.topic, tp.partition).set(now)
        turns, began = self._turns.get(tp, deque()), self._clock() - seconds
        while turns and turns[0][0] <= began:  # what came later is of the next one
            _, first_ms = turns.popleft()
            if outputs:
                delay = max(0.0, now - first_ms / SECOND_MS)
                series(metrics.publish_delay, tp.topic).observe(delay)

    def published(self, tp: TP, told: Sequence[Told]) -> None:
        """Pass on what can be read now."""
        self._tell(tp, told)

    def lag(self, tp: TP, records: int, *, caught_up: bool) -> None:
        """Note how far the end of the log is."""
        self._lags[tp] = self._clock(), records
        self._metrics.lag.labels(tp.topic, tp.partition).set(records)
        self._metrics.caught_up.labels(tp.topic, tp.partition).set(caught_up)


def _forget(gauge: Gauge, *labels: object) -> None:
    """Stop showing one series; it may never have been shown."""
    with suppress(KeyError):
        gauge.remove(*labels)
