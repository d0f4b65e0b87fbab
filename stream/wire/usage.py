"""Canonical usage events: what `ingest` writes and the detector's worker reads.

Our own form, so it is flat, typed and versioned, and its times are integers.
The tag stands first in what we write: one comparison tells our own bytes from
everybody else's.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from stream.detector.batch import EventBatch, Moments
from stream.detector.errors import BadEvent, Code
from stream.detector.events import EARLIEST_MS, INTERNAL, UsageEvent
from stream.wire import fields
from stream.wire.identity import plain_traits
from stream.wire.lines import as_lines, count_lines
from stream.wire.times import LATEST_MS

TAG = "usage.v1"
PREFIX = b'{"slipaway":"usage.v1",'

_ENCODER = msgspec.json.Encoder()
_decode_lines = msgspec.json.Decoder(UsageEvent).decode_lines


def encode_usage(event: UsageEvent) -> bytes:
    """Write an event in the canonical form, version 1."""
    return PREFIX + _ENCODER.encode(event)[1:]


def is_usage(event: UsageEvent) -> bool:
    """Tell whether an event is one, and not what is said of ids among them."""
    return not event.name.startswith(INTERNAL)


def read_many(values: Sequence[bytes | None], received_at: Sequence[int]) -> EventBatch | None:
    """Read faultless canonical events; None leaves them to the careful way and its reasons."""
    lines = as_lines(values, PREFIX)
    return None if lines is None else _read_lines(lines, np.array(received_at))


def read_text(text: bytes, received_at: int) -> EventBatch | None:
    """Read faultless canonical events, a line each, as `read_many` does."""
    count = count_lines(text, PREFIX)
    return None if count is None else _read_lines(text, np.full(count, received_at))


def _read_lines(lines: bytes, received_at: Moments) -> EventBatch | None:
    try:
        batch = EventBatch.of(_decode_lines(lines))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return None
    ids = batch.customer_ids
    times, volumes = batch.occurred_at, batch.volumes
    faultless = (
        len(batch) == len(received_at)
        and fields.short(ids, batch.names)
        and fields.short_or_empty(batch.message_ids, batch.account_ids)
        and not any(map(str.isspace, ids))
        and ((times >= EARLIEST_MS) & (times <= LATEST_MS)).all()
        and ((volumes >= 0) & (volumes <= fields.VOLUME_MAX)).all()
        and ((batch.received_at >= 0) & (batch.received_at <= received_at)).all()
        and all(told is None or plain_traits(told) == told for told in batch.traits or ())
    )
    return batch if faultless else None


def from_record(record: Mapping[str, object], received_at: int) -> UsageEvent:
    """Read a canonical event from its JSON object, or raise BadEvent.

    The earlier of the two receipts counts: the first hop's, and `received_at`,
    the last one's.  A sender cannot vouch for its own future by claiming that
    it was received there.
    """
    occurred_at = moment(record, "occurred_at")
    received_at = min(received_at, moment(record, "received_at", or_else=received_at))
    return UsageEvent(
        customer_id=fields.customer(record.get("customer_id"), "customer_id"),
        name=fields.event(record.get("name"), "name"),
        occurred_at=occurred_at,
        received_at=received_at,
        message_id=fields.optional(record.get("message_id"), "message_id"),
        volume=_volume(record.get("volume")),
        account_id=fields.optional(record.get("account_id"), "account_id"),
        traits=plain_traits(record.get("traits")) or None,
    )


def _volume(value: object) -> float:
    """Give a volume; of our own writing 0 is no mistake, but an event without the customer."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
        return 0.0
    return fields.volume(value)


def moment(record: Mapping[str, object], key: str, or_else: int | None = None) -> int:
    """Give a time (ms) of a canonical record; `or_else` where there is none, or raise BadEvent.

    Where a time has to be there, it is an event's, and no older than events are.
    """
    value = record.get(key)
    if value is None:
        if or_else is None:
            raise BadEvent(Code.NO_TIME, f"{key} is missing")
        return or_else
    if isinstance(value, bool) or not isinstance(value, int):
        found = fields.shown(value)
        raise BadEvent(Code.WRONG_TYPE, f"{key} is {found}: expected integer milliseconds")
    if not 0 <= value <= LATEST_MS:
        raise BadEvent(Code.BAD_TIME, f"{key} is {value}: not within 1970 to 9999")
    if or_else is None and value < EARLIEST_MS:
        raise BadEvent(Code.TOO_OLD, f"{key} is {value}: before 1990, a broken clock")
    return value
