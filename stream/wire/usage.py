"""Canonical usage events: what `ingest` writes and the detector's worker reads.

Our own form, so it is flat, typed and versioned, and its times are integers.
The tag stands first in what we write: one comparison tells our own bytes from
everybody else's, and typed decoding reads them in about a microsecond.
"""

from collections.abc import Mapping

import msgspec

from stream.detector.errors import BadEvent, Code
from stream.detector.events import EARLIEST_MS, UsageEvent
from stream.wire import fields
from stream.wire.times import LATEST_MS

TAG = "usage.v1"
PREFIX = b'{"slipaway":"usage.v1",'

_FAST_BYTES_MAX = 4_096  # what we write is shorter; larger: unknown fields of any depth skipped

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(UsageEvent)


def encode_usage(event: UsageEvent) -> bytes:
    """Write an event in the canonical form, version 1."""
    return PREFIX + _ENCODER.encode(event)[1:]


def read_fast(value: bytes, received_at: int) -> UsageEvent | None:
    """Read a faultless canonical event; None leaves `value` to the careful way and its reasons."""
    if len(value) > _FAST_BYTES_MAX or fields.may_hold_null(value):
        return None
    try:
        event = _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    customer_id, name = event.customer_id, event.name
    if (
        EARLIEST_MS <= event.occurred_at <= LATEST_MS
        and 0 < event.volume <= fields.VOLUME_MAX
        and 0 < len(customer_id) <= fields.SHORT_CHARACTERS
        and 0 < len(name) <= fields.SHORT_CHARACTERS
        and len(event.message_id) <= fields.SHORT_CHARACTERS
        and len(event.account_id) <= fields.SHORT_CHARACTERS
        and 0 <= event.received_at <= received_at
        and not customer_id.isspace()
    ):
        return event
    return None


def from_record(record: Mapping[str, object], received_at: int) -> UsageEvent:
    """Read a canonical event from its JSON object, or raise BadEvent.

    The earlier of the two receipts counts: the first hop's, and `received_at`,
    the last one's.  A sender cannot vouch for its own future by claiming that
    it was received there.
    """
    occurred_at = _time(record, "occurred_at")
    if occurred_at is None:
        raise BadEvent(Code.NO_TIME, "occurred_at is missing")
    if occurred_at < EARLIEST_MS:
        raise BadEvent(Code.TOO_OLD, f"occurred_at is {occurred_at}: before 1990, a broken clock")
    first_received_at = _time(record, "received_at")
    if first_received_at is not None:
        received_at = min(received_at, first_received_at)
    return UsageEvent(
        customer_id=fields.customer(record.get("customer_id"), "customer_id"),
        name=fields.event(record.get("name"), "name"),
        occurred_at=occurred_at,
        received_at=received_at,
        message_id=fields.optional(record.get("message_id"), "message_id"),
        volume=fields.volume(record.get("volume")),
        account_id=fields.optional(record.get("account_id"), "account_id"),
    )


def _time(record: Mapping[str, object], key: str) -> int | None:
    value = record.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        found = fields.shown(value)
        raise BadEvent(Code.WRONG_TYPE, f"{key} is {found}: expected integer milliseconds")
    if not 0 <= value <= LATEST_MS:
        raise BadEvent(Code.BAD_TIME, f"{key} is {value}: not within 1970 to 9999")
    return value
