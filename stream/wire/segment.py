"""Segment's messages (and RudderStack's): what most products' events already look like.

`timestamp` is the customer's clock, corrected for skew by whoever collected the
message.  Where it is absent the same correction is made here, from the two
clocks that the message itself carries; the broker's clock is never mixed in, or
a replayed log would differ from the live one.

`context.active` false says that the customer was not there: the message is known of,
and stands for no use.
https://segment.com/docs/connections/spec/common/
https://www.rudderstack.com/docs/event-spec/standard-events/common-fields/

Nearly every message is faultless: those are read by type, many at a time, in an
eighth of the time.  Whatever is not goes the careful way, which knows every form
and names every fault; both ways say the same of the same message.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import orjson

from stream.detector.batch import EventBatch, Traits
from stream.detector.errors import BadEvent
from stream.detector.events import UsageEvent
from stream.wire import fields, identity
from stream.wire.lines import as_lines
from stream.wire.times import TimeReader

TYPES = frozenset({"track", "page", "screen", "identify", "group", "alias"})
_Id = Annotated[str, msgspec.Meta(max_length=fields.SHORT_CHARACTERS)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=fields.SHORT_CHARACTERS)]


class _Properties(msgspec.Struct, gc=False):
    count: int | float | None = None


class _Context(msgspec.Struct, gc=False, rename={"group_id": "groupId"}):
    group_id: _Id = ""
    active: bool = True


class _Message(
    msgspec.Struct,
    gc=False,
    rename={"user_id": "userId", "message_id": "messageId", "group_id": "groupId"},
):
    """What a faultless message says, as far as anybody here asks."""

    type: Literal["track", "page", "screen", "identify", "group", "alias"]
    user_id: _Name
    timestamp: _Name
    event: _Name | None = None
    message_id: _Id = ""
    properties: _Properties | None = None
    context: _Context | None = None
    group_id: _Id = ""
    slipaway: None = None  # a message with our own form's tag is none of Segment's,
    specversion: None = None  # nor may it be a CloudEvent


class _ToldContext(_Context, gc=False):
    traits: dict[str, Any] | None = None


class _Telling(_Message, gc=False):
    """A message that may say who the customer is, where anybody asks."""

    context: _ToldContext | None = None
    traits: dict[str, Any] | None = None


_decode_lines = msgspec.json.Decoder(_Message).decode_lines
_decode_telling = msgspec.json.Decoder(_Telling).decode_lines


class SegmentReader:
    """Reads Segment messages; remembers the times it has parsed."""

    def __init__(self, traits: frozenset[str] = frozenset()) -> None:
        """Start with nothing remembered; only these traits are asked for."""
        self._times = TimeReader()
        self._asked = traits

    def read_many(
        self, values: Sequence[bytes | None], received_at: Sequence[int]
    ) -> EventBatch | None:
        """Read faultless messages; None leaves `values` to the careful way and its reasons."""
        lines = as_lines(values)
        if lines is None:
            return None
        try:
            messages: Sequence[_Message] = (
                _decode_telling(lines) if self._asked else _decode_lines(lines)
            )
            if len(messages) != len(values):
                return None
            occurred_at = self._times.read_many([m.timestamp for m in messages], "timestamp")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadEvent):
            return None
        customer_ids = [m.user_id for m in messages]
        names = [m.event if m.type == "track" else m.type for m in messages]
        if None in names or any(map(str.isspace, customer_ids)):
            return None
        volumes = [
            (1.0 if (p := m.properties) is None or p.count is None else fields.volume(p.count))
            if (c := m.context) is None or c.active
            else 0.0
            for m in messages
        ]
        return EventBatch(
            customer_ids,
            names,  # type: ignore[arg-type] # none is None
            occurred_at,
            np.array(received_at, np.int64),
            [m.message_id for m in messages],
            np.array(volumes),
            [m.group_id or ("" if (c := m.context) is None else c.group_id) for m in messages],
            self._told_by(messages) if self._asked else None,
        )

    def read(self, record: Mapping[str, object], received_at: int) -> UsageEvent:
        """Give the usage event of a message of one of `TYPES`, or raise BadEvent."""
        kind = str(record["type"])
        who = record.get("userId")
        if who is None or who == "":
            who = record.get("anonymousId")
        customer_id = fields.customer(who, "userId (or anonymousId)")
        name = fields.event(record.get("event"), "event") if kind == "track" else kind
        context = record.get("context")
        account_id = fields.optional(record.get("groupId"), "groupId")
        if not account_id:
            account_id = fields.optional(_within(context, "groupId"), "context.groupId")
        active = _within(context, "active") is not False
        return UsageEvent(
            customer_id,
            name,
            self._occurred_at(record),
            received_at,
            fields.optional(record.get("messageId"), "messageId"),
            fields.volume(_within(record.get("properties"), "count")) if active else 0.0,
            account_id,
            self._told(identity.told_of_customer(record)) if self._asked else None,
        )

    def _told_by(self, messages: Sequence[_Message]) -> list[Traits | None] | None:
        """Give what messages tell of who their customers are; None: none tells anything."""
        told = [
            self._told(identity.told_of_customer(_as_record(m)))
            if isinstance(m, _Telling) and m.type in ("identify", "group")
            else None
            for m in messages
        ]
        return told if any(told) else None

    def _told(self, traits: dict[str, identity.Value]) -> Traits | None:
        """Give of these traits those that are asked for; None: there are none."""
        return {name: traits[name] for name in traits if name in self._asked} or None

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


def _as_record(message: _Telling) -> dict[str, object]:
    """Give of a message what says who its customer is, as it came."""
    in_context = message.context and message.context.traits
    return {
        "type": message.type,
        "traits": message.traits,
        "context": {"traits": in_context},
    }


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
