"""Metrics: everything Prometheus is told, declared in this one file.

Base units; moments rather than ages, because an age goes stale with its scrape;
and never a customer's id, which would be a series each.  Counters are raised
once a block, not once an event.
"""

import time
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from math import nan
from typing import Any

from faust.types import TP
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from models.protocol import Lesson
from stream.detector.alerts import Alert
from stream.detector.errors import Code

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)


class Metrics:
    """The metrics of one worker."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Declare all of them in `registry`, a fresh one by default."""
        self.registry = registry or CollectorRegistry()
        # They would double the series, and rates need none of them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        place: dict[str, Any] = {"namespace": "slipaway", "registry": self.registry}
        where = ("topic", "partition")

        # What came in, and what became of it.
        self.events = Counter(
            "events",
            "Events read, by topic and result: applied, ignored, duplicate, late, heartbeat,"
            " ingested, alias, forwarded, handover, dead_letter.",
            ("topic", "result"),
            **place,
        )
        self.aliases = Counter(
            "aliases",
            "Aliases decided on, by result: merged, unknown (nothing was known of the old id),"
            " repeated, kept (the old id goes by another one already), alias_cycle, alias_chain,"
            " alias_storm, bad_handover.",
            ("result",),
            **place,
        )
        self.dead_letters = Counter(
            "dead_letters", "Events put aside, by topic and error code.", ("topic", "code"), **place
        )
        self.records_dropped = Counter(
            "records_dropped",
            "Records of blocks fetched before a rebalance; they are read again.",
            ("topic",),
            **place,
        )

        # Where it stands.
        self.watermark = Gauge(
            "watermark_timestamp_seconds",
            "Event time up to which a partition has decided.",
            where,
            **place,
        )
        self.processed = Gauge(
            "last_processed_timestamp_seconds",
            "Wall time at which a partition last applied a record.",
            where,
            **place,
        )
        self.lag = Gauge(
            "lag_records",
            "Records from the last applied to the end of the log.",
            where,
            **place,
        )
        self.caught_up = Gauge(
            "caught_up",
            "1 while a partition has applied all of its log: the wall clock may move it.",
            where,
            **place,
        )
        self.customers = Gauge("customers", "Customers whose state is held.", where, **place)

        # How long it takes.
        self.block_seconds = Histogram(
            "block_seconds",
            "Time to fold one fetched block.",
            ("topic",),
            buckets=SECONDS,
            **place,
        )
        self.alert_delay = Histogram(
            "alert_delay_seconds",
            "Wall time from the moment an alert was due (its time plus the allowed lateness) to"
            " its decision; live alerts only.",
            buckets=(*SECONDS, 60.0, 600.0),
            **place,
        )
        self.checkpoint_seconds = Histogram(
            "checkpoint_seconds",
            "Time of one transaction of one partition.",
            ("topic",),
            buckets=SECONDS,
            **place,
        )
        self.checkpoint_rows = Counter(
            "checkpoint_rows", "State rows written by checkpoints.", ("topic",), **place
        )
        self.checkpoint_outputs = Counter(
            "checkpoint_outputs",
            "Records published by checkpoints: alerts, examples, events, dead letters.",
            ("topic",),
            **place,
        )
        self.checkpointed = Gauge(
            "last_checkpoint_timestamp_seconds",
            "Wall time of a partition's last committed transaction.",
            where,
            **place,
        )

        # Taking over partitions.
        self.partitions = Gauge(
            "partitions_assigned", "Partitions this worker works on.", ("topic",), **place
        )
        self.assignments = Counter(
            "assignments",
            "Assignments, by what became of each partition: kept, restored, revoked.",
            ("outcome",),
            **place,
        )
        self.restore_seconds = Gauge(
            "restore_duration_seconds", "How long the last assignment took.", **place
        )
        self.restore_records = Gauge(
            "restore_records", "State records read while restoring a partition.", where, **place
        )
        self.restore_remaining = Gauge(
            "restore_remaining_records", "State records still to read, at most.", where, **place
        )

        # What it said.
        self.alerts = Counter(
            "alerts", "Alerts published, by kind and trigger.", ("kind", "trigger"), **place
        )
        self.alerts_held_back = Counter(
            "alerts_held_back",
            "Alerts too old to be news, by kind: see publish_backfill.",
            ("kind",),
            **place,
        )

        # What judges.
        self.lessons = Counter("lessons", "Lessons for the trainer, by kind.", ("kind",), **place)
        self.model_info = Info("model", "The newest model in use.", **place)
        self.model_effective = Gauge(
            "model_effective_timestamp_seconds",
            "Event time from which the newest model answers.",
            **place,
        )
        self.snapshots = Counter(
            "model_snapshots",
            "Snapshots read from the model topic, by result: loaded, older, refused.",
            ("result",),
            **place,
        )
        self.days_trained = Counter(
            "trainer_days", "Event days turned into snapshots by this worker.", **place
        )
        self.trained_until = Gauge(
            "trainer_day_timestamp_seconds", "Event time of the last day trained on.", **place
        )

        self.suspended = Gauge(
            "alerts_suspended",
            "1 while use has collapsed, and silence and decline alert on nobody; at the trainer.",
            **place,
        )
        self.use_ratio = Gauge(
            "use_ratio",
            "Returns of all customers in the last hours, over those that are usual; at the trainer."
            " NaN while too little is known.",
            **place,
        )
        self.matured_log_loss = Gauge(
            "matured_log_loss",
            "Log-loss of P(lapse) on matured labels, faded: newton answers, the others run along.",
            ("model",),
            **place,
        )
        self.decline_level = Gauge(
            "decline_level_nats",
            "Evidence from which on a fall is told of, by fall; NaN: its record does not bear it"
            " out. At the trainer.",
            ("fall",),
            **place,
        )
        self.decline_true = Gauge(
            "decline_true_share",
            "Share that used the product as little a horizon later: of those who had fallen, and"
            " of others. At the trainer.",
            ("fall", "of"),
            **place,
        )
        self.drifts = Counter(
            "drifts",
            "Times the log-loss of matured labels changed, by target.",
            ("target",),
            **place,
        )

        self.build = Info("build", "What runs.", **place)
        self.build.info({"version": version("slipaway")})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    # ------------------------------------------------------------ what the folds report

    def took(self, topic: str, results: Mapping[str, int]) -> None:
        """Count events of one block by what became of them."""
        for result, count in results.items():
            self.events.labels(topic, result).inc(count)

    def identified(self, aliases: Sequence[str]) -> None:
        """Count aliases by what became of them."""
        for result in aliases:
            self.aliases.labels(result).inc()

    def put_aside(self, topic: str, codes: Mapping[Code, int]) -> None:
        """Count dead letters of one block."""
        for code, count in codes.items():
            self.dead_letters.labels(topic, code.value).inc(count)
            self.events.labels(topic, "dead_letter").inc(count)

    def stands(self, tp: TP, watermark_ms: int, customers: int) -> None:
        """Say where a partition stands after a block or a tick."""
        self.watermark.labels(tp.topic, tp.partition).set(watermark_ms / 1000)
        self.customers.labels(tp.topic, tp.partition).set(customers)

    def guards(self, ratio: float | None, *, suspended: bool) -> None:
        """Say what the guard has found in the last hour it judged."""
        self.suspended.set(suspended)
        self.use_ratio.set(nan if ratio is None else ratio)

    def taught(self, lessons: Sequence[Lesson]) -> None:
        """Count lessons by kind."""
        for kind, count in Counts(type(lesson).__name__.lower() for lesson in lessons).items():
            self.lessons.labels(kind).inc(count)

    def said(self, alerts: Sequence[Alert]) -> None:
        """Count alerts that go out."""
        for alert in alerts:
            self.alerts.labels(alert.kind.value, alert.trigger.value).inc()


class EngineReport:
    """The engine's observer: what it sees, said in metrics."""

    def __init__(self, metrics: Metrics) -> None:
        """Report to `metrics`."""
        self._metrics = metrics
        self.ready = False  # partitions, if there are any for us, are restored and worked on

    def assigned(self, kept: Sequence[TP], restored: Sequence[TP], seconds: float) -> None:
        """Partitions are worked on from now on."""
        metrics = self._metrics
        metrics.assignments.labels("kept").inc(len(kept))
        metrics.assignments.labels("restored").inc(len(restored))
        metrics.restore_seconds.set(seconds)
        for tp in (*kept, *restored):
            metrics.partitions.labels(tp.topic).inc()
            metrics.restore_remaining.labels(tp.topic, tp.partition).set(0)
        self.ready = True

    def revoked(self, partitions: Sequence[TP], seconds: float) -> None:  # noqa: ARG002
        """Partitions are no longer worked on: what is said of them here would go stale."""
        metrics = self._metrics
        self.ready = False
        metrics.assignments.labels("revoked").inc(len(partitions))
        for tp in partitions:
            metrics.partitions.labels(tp.topic).dec()
            for gauge in (
                metrics.lag,
                metrics.caught_up,
                metrics.processed,
                metrics.checkpointed,
                metrics.watermark,
                metrics.customers,
            ):
                _forget(gauge, tp.topic, tp.partition)

    def restoring(self, tp: TP, records: int, remaining: int) -> None:
        """Restoring goes on."""
        self._metrics.restore_records.labels(tp.topic, tp.partition).set(records)
        self._metrics.restore_remaining.labels(tp.topic, tp.partition).set(remaining)

    def applied(self, tp: TP, records: int, seconds: float) -> None:  # noqa: ARG002
        """Note that a block was folded."""
        self._metrics.block_seconds.labels(tp.topic).observe(seconds)
        self._metrics.processed.labels(tp.topic, tp.partition).set(time.time())

    def dropped(self, tp: TP, records: int) -> None:
        """Note that a block from before a seek was dropped."""
        self._metrics.records_dropped.labels(tp.topic).inc(records)

    def checkpointed(self, tp: TP, seconds: float, rows: int, outputs: int) -> None:
        """Note that a transaction was committed."""
        metrics = self._metrics
        metrics.checkpoint_seconds.labels(tp.topic).observe(seconds)
        metrics.checkpoint_rows.labels(tp.topic).inc(rows)
        metrics.checkpoint_outputs.labels(tp.topic).inc(outputs)
        metrics.checkpointed.labels(tp.topic, tp.partition).set(time.time())

    def lag(self, tp: TP, records: int, *, caught_up: bool) -> None:
        """Note how far the end of the log is."""
        self._metrics.lag.labels(tp.topic, tp.partition).set(records)
        self._metrics.caught_up.labels(tp.topic, tp.partition).set(caught_up)


def _forget(gauge: Gauge, *labels: object) -> None:
    """Stop showing one series; it may never have been shown."""
    with suppress(KeyError):
        gauge.remove(*labels)
