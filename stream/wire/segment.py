"""Segment's messages (and RudderStack's): what most products' events already look like.

`timestamp` is the customer's clock, corrected for skew by whoever collected the
message.  Where it is absent the same correction is made here, from the two
clocks that the message itself carries; the broker's clock is never mixed in, or
a replayed log would differ from the live one.
"""

from collections.abc import Mapping

import orjson

from stream.detector.events import UsageEvent
from stream.wire import fields
from stream.wire.times import TimeReader

TYPES = frozenset({"track", "page", "screen", "identify", "group", "alias"})


class SegmentReader:
    """Reads Segment messages; remembers the times it has parsed."""

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._times = TimeReader()

    def read(self, record: Mapping[str, object], received_at: int) -> UsageEvent:
        """Give the usage event of a message of one of `TYPES`, or raise BadEvent."""
        kind = str(record["type"])
        who = record.get("userId")
        if who is None or who == "":
            who = record.get("anonymousId")
        customer_id = fields.customer(who, "userId (or anonymousId)")
        name = fields.event(record.get("event"), "event") if kind == "track" else kind
        return UsageEvent(
            customer_id,
            name,
            self._occurred_at(record),
            received_at,
            fields.optional(record.get("messageId"), "messageId"),
            fields.volume(_within(record.get("properties"), "count")),
            fields.optional(_within(record.get("context"), "groupId"), "context.groupId"),
        )

    def _occurred_at(self, record: Mapping[str, object]) -> int:
        timestamp = record.get("timestamp")
        if not _absent(timestamp):
            return self._times.read(timestamp, "timestamp")
        original, sent, received = (
            record.get(key) for key in ("originalTimestamp", "sentAt", "receivedAt")
        )
        if _absent(original):
            return self._times.read(None, "timestamp (or originalTimestamp)")
        original_at = self._times.read(original, "originalTimestamp")
        if _absent(sent) or _absent(received):
            return original_at
        skew = self._times.read(received, "receivedAt") - self._times.read(sent, "sentAt")
        return self._times.read_ms(original_at + skew, "originalTimestamp, corrected,")


def _absent(value: object) -> bool:
    return value is None or value == ""


def _within(parent: object, key: str) -> object:
    """Look into an object; in a table it is a column of JSON text."""
    if isinstance(parent, str) and parent.startswith("{"):
        try:
            parent = orjson.loads(parent)
        except orjson.JSONDecodeError:
            return None
    return parent.get(key) if isinstance(parent, dict) else None
