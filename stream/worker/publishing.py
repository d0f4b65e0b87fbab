"""Publishing: which alerts go out, and as what; and the latest of each customer.

While a backlog is worked off the detector decides about last month; a platform
that got those alerts would write to customers who are long back.  By the wall
clock an alert is live if its time is recent, and held back if not.  In event
time, where replays and simulations live, now is when the event says it is.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from stream.detector.alerts import Alert
from stream.engine.flow import Output
from stream.wire.alerts import alert_headers, encode_alert
from stream.worker.metrics import Metrics

Header = tuple[str, bytes]
Traced = Mapping[str, Sequence[Header]]
"""Headers of traces, by alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Decides about each alert whether it is live, backfill, or no news at all.

    Those on the holdout go to a topic of their own: nobody delivers them by mistake.
    """

    topic: str
    holdout_topic: str
    clock_kind: Literal["wall", "event"]
    max_age_ms: int
    publish_backfill: bool
    lateness_ms: int
    metrics: Metrics
    clock: Callable[[], int]
    trace: Callable[[Alert], Sequence[Header]] | None = None
    """Gives headers by which whoever reads an alert goes on with its trace; None: nobody traces."""
    customers: str = ""
    """Topic of each customer's latest alert; empty: none."""

    def outputs(self, alerts: Sequence[Alert]) -> list[Output]:
        """Return the records of the alerts that go out."""
        if not alerts:
            return []
        going = list(alerts) if self.clock_kind == "event" else self._news(alerts)
        self.metrics.said(going)
        self.metrics.moved(alerts)
        trace = self.trace
        traced = {} if trace is None else {alert.alert_id: trace(alert) for alert in going}
        said = [
            _record(self.holdout_topic if alert.holdout else self.topic, alert, traced)
            for alert in going
        ]
        return [*said, *self._latest(alerts, going, traced)]

    def erase(self, customer_id: str) -> list[Output]:
        """Return the tombstones that tell every reader of alerts to drop a customer."""
        key = customer_id.encode()
        topics = (self.topic, self.holdout_topic, self.customers)
        return [Output(topic, None, key, None) for topic in topics if topic]

    def _latest(
        self, alerts: Sequence[Alert], going: Sequence[Alert], traced: Traced
    ) -> list[Output]:
        """Return the records of how customers stand now, held back or not: that is no news.

        But for the holdout: nobody is to know of them what nobody is to act on.
        """
        if not self.customers:
            return []
        live = {alert.alert_id: alert for alert in going}
        latest = {
            alert.customer_id: live.get(alert.alert_id, alert)
            for alert in alerts
            if not alert.holdout
        }
        latest.pop("", None)  # a notice is about everybody
        return [_record(self.customers, alert, traced) for alert in latest.values()]

    def _news(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Call recent alerts live, and hold back the others unless they are asked for."""
        now = self.clock()
        going = []
        held_back: Counter[str] = Counter()
        for alert in alerts:
            if now - alert.time <= self.max_age_ms:
                going.append(msgspec.structs.replace(alert, backfill=False))
                due_at = alert.time + self.lateness_ms
                self.metrics.alert_delay.observe(max(0, now - due_at) / 1000)
            elif self.publish_backfill:
                going.append(alert)
            else:
                held_back[alert.kind.value] += 1
        for kind, count in held_back.items():
            self.metrics.alerts_held_back.labels(kind).inc(count)
        return going


def _record(topic: str, alert: Alert, traced: Traced) -> Output:
    """Write an alert for a topic."""
    headers = [*alert_headers(alert), *traced.get(alert.alert_id, ())]
    return Output(topic, None, alert.customer_id.encode(), encode_alert(alert), headers)
