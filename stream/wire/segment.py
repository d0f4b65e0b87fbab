"""Segment's messages (and RudderStack's): what most products' events already look like.

`timestamp` is the customer's clock, corrected for skew by whoever collected the
message.  Where it is absent the same correction is made here, from the two
clocks that the message itself carries; the broker's clock is never mixed in, or
a replayed log would differ from the live one.

Nearly every message is faultless: those are read by type, in a quarter of the
time.  Whatever is not goes the careful way, which knows
every form and names every fault; both ways say the same of the same message.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import orjson

from stream.detector.errors import BadEvent
from stream.detector.events import UsageEvent
from stream.wire import fields
from stream.wire.times import TimeReader

TYPES = frozenset({"track", "page", "screen", "identify", "group", "alias"})


_FAST_BYTES_MAX = 4_096
"""Longer messages are read with care: only they can be deep enough to hurt."""

_Id = Annotated[str, msgspec.Meta(max_length=fields.SHORT_CHARACTERS)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=fields.SHORT_CHARACTERS)]


class _Properties(msgspec.Struct, gc=False):
    count: int | float | None = None


class _Context(msgspec.Struct, gc=False, rename={"group_id": "groupId"}):
    group_id: _Id = ""


class _Message(msgspec.Struct, gc=False, rename={"user_id": "userId", "message_id": "messageId"}):
    """What a faultless message says, as far as anybody here asks."""

    type: Literal["track", "page", "screen", "identify", "group", "alias"]
    user_id: _Name
    timestamp: _Name
    event: _Name | None = None
    message_id: _Id = ""
    properties: _Properties | None = None
    context: _Context | None = None
    slipaway: None = None  # a message with our own form's tag is none of Segment's


_decode = msgspec.json.Decoder(_Message).decode


class SegmentReader:
    """Reads Segment messages; remembers the times it has parsed."""

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._times = TimeReader()

    def read_fast(self, value: bytes, received_at: int) -> UsageEvent | None:
        """Read a faultless message; None leaves `value` to the careful way and its reasons."""
        if len(value) > _FAST_BYTES_MAX or fields.may_hold_null(value):
            return None
        try:
            message = _decode(value)
            occurred_at = self._times.read(message.timestamp, "timestamp")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadEvent):
            return None
        customer_id = message.user_id
        name = message.event if message.type == "track" else message.type
        if name is None or customer_id.isspace():
            return None
        properties, context = message.properties, message.context
        count = properties.count if properties else None
        return UsageEvent(
            customer_id,
            name,
            occurred_at,
            received_at,
            message.message_id,
            1.0 if count is None else fields.volume(count),
            context.group_id if context else "",
        )

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
