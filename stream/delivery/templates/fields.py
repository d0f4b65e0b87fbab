"""What a template takes from an alert: the values of its published form, and whom it is about."""

from typing import Any

import orjson

from stream.detector.alerts import Alert
from stream.wire.alerts import encode_alert

Fields = dict[str, Any]


def published(alert: Alert) -> Fields:
    """Return the alert's data as it is published: flat, times as text, shares rounded."""
    fields: Fields = orjson.loads(encode_alert(alert))
    return fields


def said(alert: Alert, *without: str) -> Fields:
    """Return those of the published fields that say something, less some."""
    return {
        name: value
        for name, value in published(alert).items()
        if value not in {None, ""} and name not in without
    }


def event_name(alert: Alert, event: str) -> str:
    """Name the event for a receiver that knows events by name: "slipaway_opened" and the like."""
    return event or f"slipaway_{alert.kind.value}"


def seconds(alert: Alert) -> int:
    """Return the alert's time in whole seconds since 1970 UTC."""
    return alert.time // 1_000
