"""Alerts on accounts to bytes: flat JSON, CloudEvents in the headers, as alerts on customers are.

They have a topic of their own.  In that of customers, a reader who takes every
record for a customer's would find none; and an older `deliver` would put each of
them aside as no alert of its version.
"""

from typing import Any

import msgspec
import orjson

from stream.detector.accounts.alerts import AccountAlert
from stream.wire.alerts import CONTENT_TYPE, SOURCE
from stream.wire.times import from_iso, iso

_DIGITS = 2  # of a mean number of members
TIMES = ("time",)


def encode_account_alert(alert: AccountAlert) -> bytes:
    """Write an alert as one line of JSON: account_id, time, kind, then the rest as declared."""
    flat: dict[str, Any] = msgspec.structs.asdict(alert)
    flat["time"] = iso(alert.time)
    if alert.members_usual is not None:
        flat["members_usual"] = round(alert.members_usual, _DIGITS) + 0.0
    return orjson.dumps(flat)


def decode_account_alert(value: bytes) -> AccountAlert:
    """Read what `encode_account_alert` wrote; raise ValueError if it is not that."""
    flat = msgspec.json.decode(value, type=dict[str, Any])
    if flat.get("time") is not None:
        flat["time"] = from_iso(str(flat["time"]))
    return msgspec.convert(flat, AccountAlert)


def account_alert_type(alert: AccountAlert) -> str:
    """Name the CloudEvents type; a schema of another shape is another version, and topic."""
    return f"slipaway.account.slipping.{alert.kind.value}.v1"


def account_alert_headers(alert: AccountAlert, source: str = SOURCE) -> list[tuple[str, bytes]]:
    """Give the CloudEvents 1.0 headers (Kafka binding, binary mode) of an alert."""
    texts = (
        ("ce_specversion", "1.0"),
        ("ce_type", account_alert_type(alert)),
        ("ce_source", source),
        ("ce_id", alert.alert_id),
        ("ce_time", iso(alert.time)),
        ("ce_subject", alert.account_id),
        ("content-type", CONTENT_TYPE),
    )
    return [(name, text.encode()) for name, text in texts]
