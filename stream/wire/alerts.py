"""Alerts to bytes: flat JSON for platforms, CloudEvents in the headers.

The bytes are part of the promise (same log, same bytes), so the order of keys
is that of the type's declaration, numbers are rounded, and times are text.
"""

from typing import Any

import msgspec
import orjson

from stream.detector.alerts import Alert, Trigger
from stream.wire.times import from_iso, iso

CONTENT_TYPE = "application/json"
SOURCE = "slipaway"

_DIGITS = 6  # finer than any decision, coarser than the last bit of a float
TIMES = ("time", "expected_by")
SHARES = ("risk", "drop_ratio")


def encode_alert(alert: Alert) -> bytes:
    """Write an alert as one line of JSON: customer_id, time, kind, then the rest as declared."""
    flat: dict[str, Any] = msgspec.structs.asdict(alert)
    for name in TIMES:
        if flat[name] is not None:
            flat[name] = iso(flat[name])
    for name in SHARES:
        if flat[name] is not None:
            flat[name] = float(round(flat[name], _DIGITS)) + 0.0  # plus zero: never -0.0
    return orjson.dumps(flat)


def decode_alert(value: bytes) -> Alert:
    """Read what `encode_alert` wrote; raise ValueError if it is not that."""
    flat = msgspec.json.decode(value, type=dict[str, Any])
    for name in TIMES:
        if flat.get(name) is not None:
            flat[name] = from_iso(str(flat[name]))
    return msgspec.convert(flat, Alert)


def alert_type(alert: Alert) -> str:
    """Name the CloudEvents type; a schema of another shape is another version, and topic."""
    subject = "detection" if alert.trigger is Trigger.POPULATION else "customer.slipping"
    return f"slipaway.{subject}.{alert.kind.value}.v1"


def alert_headers(alert: Alert, source: str = SOURCE) -> list[tuple[str, bytes]]:
    """Give the CloudEvents 1.0 headers (Kafka binding, binary mode) of an alert."""
    texts = (
        ("ce_specversion", "1.0"),
        ("ce_type", alert_type(alert)),
        ("ce_source", source),
        ("ce_id", alert.alert_id),
        ("ce_time", iso(alert.time)),
        ("ce_subject", alert.customer_id),
        ("content-type", CONTENT_TYPE),
    )
    return [(name, text.encode()) for name, text in texts if text]
