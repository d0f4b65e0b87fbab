"""Metrics: everything Prometheus is told of a worker, declared in this one file.

Base units; moments rather than ages, because an age goes stale with its scrape;
and never a customer's id, which would be a series each.  Counters are raised
once a block, not once an event.

A metric that is added here, below its question, is described in deploy/METRICS.md
as well; a test says which line is missing there.
"""

import time
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from math import nan
from typing import Any, Literal, TypeVar

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
from stream.detector.alerts import Alert, Kind
from stream.detector.calendar import Calendar, local_time
from stream.detector.errors import Code
from stream.detector.events import SECOND_MS
from stream.detector.policy import Policy
from stream.detector.turnover import Turnover
from stream.worker.retained import Retained, label_of

Role = Literal["source", "usage", "examples"]
"""What a topic is read for: raw events, keyed events, or lessons."""

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
LONG = (*SECONDS, 60.0, 600.0)

SEGMENTS_MAX = 20
"""Segments with series of their own, the policy's first; the others are one together."""


Metric = TypeVar("Metric", Counter, Gauge, Histogram)


class Series:
    """Series that were found once: to find one by its labels takes four times as long as to set it.

    For what is said of every turn; all else asks the metric itself.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._found: dict[tuple[object, ...], Any] = {}

    def __call__(self, metric: Metric, *labels: object) -> Metric:
        """Return the series of a metric with these labels."""
        key = (metric, *labels)
        if key not in self._found:
            self._found[key] = metric.labels(*labels)
        found: Metric = self._found[key]
        return found

    def forget(self) -> None:
        """Ask anew: some have been taken out of their metrics."""
        self._found.clear()


class Metrics:
    """The metrics of one worker."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Declare all of them in `registry`, a fresh one by default."""
        self.registry = registry or CollectorRegistry()
        # They would double the series, and rates need none of them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        place: dict[str, Any] = {"namespace": "slipaway", "registry": self.registry}
        self.series = Series()
        self._segments: frozenset[str] = frozenset()
        self._local = local_time(Calendar())
        self._declare_work(place)
        self._declare_judgement(place)
        self._declare_what_runs(place)
        self.trains_no_more()

    # ------------------------------------------------------------ all there are, by question

    def _declare_work(self, place: dict[str, Any]) -> None:
        """Declare what is said of partitions: what came in, where they stand, how long it takes."""
        where = ("topic", "partition")

        # What came in, and what became of it.
        self.events = Counter(
            "events",
            "Events read, by topic and result: applied, ignored, duplicate, late, heartbeat,"
            " ingested, alias, forwarded, handover, erasure, erased (what came late of an erased"
            " customer), dead_letter.",
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
        self.ready = Gauge(
            "ready",
            "1 while /readyz says so: partitions are restored, and caught up with their logs.",
            **place,
        )
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
        self.customers_here = Gauge(
            "customers_here", "Customers whose visit is under way.", where, **place
        )

        # How long it takes.
        self.event_wait = Histogram(
            "event_wait_seconds",
            "Wall time from a record's own time, as Kafka has it, to its being folded; the first"
            " record of each turn.",
            ("topic",),
            buckets=LONG,
            **place,
        )
        self.publish_delay = Histogram(
            "publish_delay_seconds",
            "End to end: wall time from a record's own time to the commit of what it led to; the"
            " first record of each turn, where anything was published.",
            ("topic",),
            buckets=LONG,
            **place,
        )
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
            buckets=LONG,
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
        self.topic_partitions = Gauge(
            "topic_partitions",
            "Partitions that the workers share, by topic and role: source, usage, examples (the"
            " trainer's).",
            ("topic", "role"),
            **place,
        )
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
        self.episodes = Counter(
            "episodes",
            "Episodes that were opened, recovered, lapsed or retracted, by segment and trigger;"
            " also those on the holdout, and those too old to be news.",
            ("kind", "segment", "trigger"),
            **place,
        )
        self.retention = Gauge(
            "retention_customers",
            "Customers of the last whole period of event time, by its first day, and by segment:"
            " at_start (of it), of those kept, lapsed, ended; and those new and back at its end.",
            ("period", "segment", "of"),
            **place,
        )
        self.retention_by_age = Gauge(
            "retention_by_age_customers",
            "Customers at the start of the last whole period of event time, by its first day and by"
            " how many periods before it they came for the first time: at_start, and of those kept,"
            " lapsed, ended.",
            ("period", "age", "of"),
            **place,
        )
        self.retained = Retained(self.retention, self.retention_by_age)
        self.alerts_held_back = Counter(
            "alerts_held_back",
            "Alerts too old to be news, by kind: see publish_backfill.",
            ("kind",),
            **place,
        )
        self.alerts_withheld = Counter(
            "alerts_withheld",
            "Episodes that were due and did not open, by reason: the policy's segments say which.",
            ("reason",),
            **place,
        )

        self.account_alerts = Counter(
            "account_alerts",
            "Alerts on accounts published, by kind and trigger.",
            ("kind", "trigger"),
            **place,
        )
        self.accounts = Gauge("accounts", "Accounts whose state is held.", where, **place)

    def _declare_judgement(self, place: dict[str, Any]) -> None:
        """Declare what is said of models, the trainer and the guard."""
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
            "trainer_turns", "Event days turned into snapshots by this worker.", **place
        )
        self.trained_until = Gauge(
            "trainer_day_timestamp_seconds", "Event time of the last day trained on.", **place
        )

        self.suspended = Gauge(
            "alerts_suspended",
            "1 while use has collapsed, and silence and decline alert on nobody; at the trainer.",
            **place,
        )
        self.suspended_since = Gauge(
            "alerts_suspended_since_timestamp_seconds",
            "Event time from which on use had collapsed; NaN while it has not. At the trainer.",
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
            "Log-loss of P(lapse) on matured labels, faded: newton answers, the others run along."
            " By the horizon of segments with one of their own; empty: the policy's.",
            ("model", "horizon"),
            **place,
        )
        self.calibration_error = Gauge(
            "calibration_error",
            "Mean distance of P(lapse), as said, from the share that lapsed, by tenths of it, on"
            " matured labels, faded; 0 to 1. By horizon, likewise. At the trainer.",
            ("horizon",),
            **place,
        )
        self.false_alarms = Gauge(
            "false_alarms_per_customer_month",
            "False alarms per customer-month: as set in the policy, as expected at the threshold,"
            " and as own silence alerts came to (those open by their chance), faded by the horizon."
            " By the segment that has a dial of its own; empty: the policy's. At the trainer.",
            ("of", "segment"),
            **place,
        )
        self.decline_level = Gauge(
            "decline_level_nats",
            "Evidence from which on a fall is told of, by fall; NaN: its record does not bear it"
            " out. By horizon, likewise. At the trainer.",
            ("fall", "horizon"),
            **place,
        )
        self.decline_true = Gauge(
            "decline_true_share",
            "Share that used the product as little a horizon later: of those who had fallen, and"
            " of others. By horizon, likewise. At the trainer.",
            ("fall", "of", "horizon"),
            **place,
        )
        self.drifts = Counter(
            "drifts",
            "Times the log-loss of matured labels changed, by target; target returns: times the"
            " returns changed against those expected. By horizon, likewise.",
            ("target", "horizon"),
            **place,
        )

    def _declare_what_runs(self, place: dict[str, Any]) -> None:
        """Declare what is said of the process, and the rules it works by."""
        self.settings_info = Info("settings", "App id, clock and model, as set.", **place)
        self.policy_info = Info("policy", "The policy in force.", **place)
        self.horizon = Gauge(
            "policy_horizon_seconds", "Silence that counts as a lapse, by the policy.", **place
        )
        self.allowed_lateness = Gauge(
            "policy_allowed_lateness_seconds",
            "How long decisions wait for stragglers, by the policy: a watermark is never nearer.",
            **place,
        )
        self.policy_loaded = Gauge(
            "policy_loaded_timestamp_seconds",
            "Wall time since when the policy in force has been so.",
            **place,
        )
        self.policy_file_in_force = Gauge(
            "policy_file_in_force",
            "1 while the policy file says what is in force; 0: it was refused, the log says why.",
            **place,
        )
        self.policies_refused = Counter(
            "policies_refused", "Changes of the policy file that were refused.", **place
        )

        self.build = Info("build", "What runs.", **place)
        self.build.info({"version": version("slipaway")})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    # ------------------------------------------------------------ what is known from the start

    def serves(self, *, app_id: str, clock: str, model: str, policy: Policy) -> None:
        """Say by which settings and policy this worker works."""
        self.settings_info.info({"app_id": app_id, "clock": clock, "model": model})
        self._segments = frozenset(one.name for one in policy.segments[:SEGMENTS_MAX])
        self._local = local_time(policy.calendar)
        self.horizon.set(policy.horizon_ms / SECOND_MS)
        self.allowed_lateness.set(policy.allowed_lateness_ms / SECOND_MS)

    def shares(self, topic: str, role: Role, partitions: int) -> None:
        """Say how many partitions of a topic there are, none of them here yet."""
        self.topic_partitions.labels(topic, role).set(partitions)
        self.partitions.labels(topic)

    def obeys(self, policy_version: str) -> None:
        """Say which policy is in force from now on."""
        self.policy_info.info({"version": policy_version})
        self.policy_loaded.set(time.time())
        self.policy_file_in_force.set(1)

    # ------------------------------------------------------------ what the folds report

    def took(self, topic: str, results: Mapping[str, int]) -> None:
        """Count events of one block by what became of them."""
        for result, count in results.items():
            series = self.series(self.events, topic, result)
            if count:
                series.inc(count)

    def identified(self, aliases: Sequence[str]) -> None:
        """Count aliases by what became of them."""
        for result in aliases:
            self.aliases.labels(result).inc()

    def put_aside(self, topic: str, codes: Mapping[Code, int]) -> None:
        """Count dead letters of one block."""
        for code, count in codes.items():
            self.dead_letters.labels(topic, code.value).inc(count)
            self.events.labels(topic, "dead_letter").inc(count)

    def stands(self, tp: TP, watermark_ms: int, customers: int, here: int) -> None:
        """Say where a partition stands after a block or a tick."""
        self.series(self.watermark, tp.topic, tp.partition).set(watermark_ms / 1000)
        self.series(self.customers, tp.topic, tp.partition).set(customers)
        self.series(self.customers_here, tp.topic, tp.partition).set(here)

    def rolls_up(self, tp: TP, watermark_ms: int, accounts: int) -> None:
        """Say where a partition of accounts stands."""
        self.series(self.watermark, tp.topic, tp.partition).set(watermark_ms / 1000)
        self.series(self.accounts, tp.topic, tp.partition).set(accounts)

    def guards(self, ratio: float | None, *, suspended_since: int) -> None:
        """Say what the guard has found in the last hour it judged; since when (ms), 0: not."""
        self.suspended.set(suspended_since > 0)
        self.suspended_since.set(suspended_since / SECOND_MS if suspended_since else nan)
        self.use_ratio.set(nan if ratio is None else ratio)

    def dials(
        self,
        segment: str,
        *,
        asked: float | None,
        expected: float | None,
        measured: float | None,
    ) -> None:
        """Say false alarms per customer-month, as set, as expected, and as they came to.

        `segment` has a dial of its own; empty: the policy's.
        """
        for of, rate in (("set", asked), ("expected", expected), ("measured", measured)):
            self.false_alarms.labels(of, segment).set(nan if rate is None else rate)

    def calibrated(self, error: float | None, horizon: str) -> None:
        """Say how far chances of a lapse, as said, were from what came."""
        self.calibration_error.labels(horizon).set(nan if error is None else error)

    def trains_no_more(self) -> None:
        """Say nothing of what only the trainer knows: it is another worker, or nobody yet."""
        for gauge in (
            self.suspended,
            self.suspended_since,
            self.use_ratio,
            self.trained_until,
        ):
            gauge.set(nan)
        for gauges in (
            self.matured_log_loss,
            self.calibration_error,
            self.false_alarms,
            self.decline_level,
            self.decline_true,
        ):
            gauges.clear()

    def taught(self, lessons: Sequence[Lesson]) -> None:
        """Count lessons by kind."""
        for kind, count in Counts(type(lesson).__name__.lower() for lesson in lessons).items():
            self.lessons.labels(kind).inc(count)

    def said(self, alerts: Sequence[Alert]) -> None:
        """Count alerts that go out."""
        for alert in alerts:
            self.alerts.labels(alert.kind.value, alert.trigger.value).inc()

    def moved(self, alerts: Sequence[Alert]) -> None:
        """Count episodes by what alerts say became of them, whoever is told."""
        for alert in alerts:
            if alert.kind in _OF_EPISODES:
                segment = label_of(alert.segment, self._segments)
                self.episodes.labels(alert.kind.value, segment, alert.trigger.value).inc()

    def turned(self, tp: TP, turnover: Turnover) -> None:
        """Say what a partition counted of the period that is over."""
        self.retained.tell(tp, turnover, self._segments, self._local)

    def withheld(self, reasons: Mapping[str, int]) -> None:
        """Count episodes that were due and did not open."""
        for reason, count in reasons.items():
            self.alerts_withheld.labels(reason).inc(count)


_OF_EPISODES = (Kind.OPENED, Kind.RECOVERED, Kind.LAPSED, Kind.RETRACTED)
