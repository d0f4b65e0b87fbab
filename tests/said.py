"""Alerts for tests: one that is whole, with whatever a test cares about said anew."""

from dataclasses import dataclass
from typing import Any

import msgspec

from stream.detector.alerts import Alert, Kind, Severity, Trigger
from stream.detector.events import DAY_MS
from stream.wire.alerts import encode_alert

NOON_MS = 20_000 * DAY_MS + DAY_MS // 2

_ALERT = Alert(
    customer_id="ann",
    time=NOON_MS,
    kind=Kind.OPENED,
    alert_id="5b1f00aa-opened",
    episode_id="5b1f00aa",
    account_id="",
    severity=Severity.HIGH,
    trigger=Trigger.SILENCE,
    risk=0.834,
    silent_for_seconds=639_360,
    usual_gap_seconds=181_440,
    expected_by=NOON_MS - DAY_MS,
    drop_ratio=None,
    reason_1="silence",
    reason_1_text="Usually back every 2.1 days, silent for 7.4 days.",
    reason_2="less_use",
    reason_2_text="Used less on the last visit.",
    reason_3="",
    reason_3_text="",
    backfill=False,
    model_version="cold",
    policy_version="p",
)


def alert(**fields: Any) -> Alert:
    """Return an alert in which these fields differ."""
    return msgspec.structs.replace(_ALERT, **fields)


@dataclass(frozen=True)
class Record:
    """A record of the topic of alerts."""

    value: bytes | None
    offset: int = 0
    partition: int = 0
    topic: str = "alerts"
    timestamp: int = NOON_MS
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def records(*alerts: Alert) -> list[Record]:
    """Return the records of alerts, in their order."""
    return [
        Record(encode_alert(one), number, key=one.customer_id.encode())
        for number, one in enumerate(alerts)
    ]
