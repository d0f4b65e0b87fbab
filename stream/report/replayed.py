"""Replayed: what a replay came to, for its report: all that needs no judging.

What the alerts would have been worth is `backtest`'s to say.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from stream.detector.alerts import Alert
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.replay.run import Summary
from stream.report import log, raised
from stream.report.cost import Cost
from stream.report.log import Log
from stream.report.raised import Raised
from stream.report.reliability import Reliability, of_silences

VERSION: Final = 1
"""Of this format: fields are added to it, and none ever changes its meaning."""


class Stayed(msgspec.Struct, frozen=True, kw_only=True):
    """Who stayed over the last whole period."""

    every: str
    at_start: int
    kept: int


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything; times are ISO 8601, UTC."""

    version: int = VERSION
    source: list[str]
    """Names of the files without their folders, or of the topic."""
    policy_version: str
    horizon_days: float
    dial: float
    """As it is set: false alarms per customer-month."""
    model_version: str
    """That answered last."""
    customers: int
    """Who have visited."""
    segments: dict[str, int]
    """Customers by segment at the log's end; empty where the policy has none."""
    log: Log
    raised: Raised
    reliability: Reliability | None
    """Of the risks of silences; None: nothing was learned, or nothing has matured."""
    stayed: Stayed | None
    """None: there is no whole period yet."""
    cost: Cost | None = None


class Hearing:
    """Hears of a replay, as its audience."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing; `policy` says what is use."""
        self._policy = policy
        self._log, self._raised = log.Recorder(policy), raised.Recorder()

    def read(self, file: str, batch: EventBatch) -> None:
        """Hear of events as they stand in a file."""
        self._log.read(file, batch)

    def take(self, batch: EventBatch) -> None:
        """Hear of events in the order of their times."""
        self._log.take(batch)

    def raised(self, alerts: Sequence[Alert]) -> None:
        """Hear of alerts, in the order in which they were decided."""
        self._raised.take(alerts)

    def came_to(self, source: Sequence[str], summary: Summary) -> Replayed:
        """Say what the replay came to, once it is over."""
        policy, counts = self._policy, summary.retained
        found = self._log.log(summary.refusals, summary.results)
        return Replayed(
            source=list(source),
            policy_version=policy.version,
            horizon_days=policy.horizon_ms / DAY_MS,
            dial=policy.false_alarms_per_customer_month,
            model_version=summary.model_version,
            customers=summary.customers,
            segments=summary.segments if len(summary.segments) > 1 else {},
            log=found,
            raised=self._raised.raised(
                self._log.buckets(),
                since=found.first,
                kinds=summary.alerts,
                withheld=summary.withheld,
            ),
            reliability=of_silences(summary.calibration),
            stayed=Stayed(
                every=policy.retention.every.value, at_start=counts.at_start, kept=counts.kept
            )
            if counts
            else None,
        )


def encode(found: Replayed) -> bytes:
    """Write it as JSON, to be read by people, too."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
