"""Erasures: the word that a customer is to be forgotten, in the log among its events.

It stands where the events do and under the same key, so it has its place in
their order: whoever reads the log again comes to the same end, and nobody has
to be told apart from it.
"""

from collections.abc import Mapping

import msgspec

from stream.detector.errors import BadEvent, Code
from stream.wire import fields
from stream.wire.times import LATEST_MS

TAG = "erase.v1"


class Erasure(msgspec.Struct, frozen=True, gc=False):
    """Nothing of this customer is to be kept, as far as it happened up to a moment."""

    customer_id: str
    requested_at: int | None = None
    """Event time: milliseconds since 1970 UTC.  Later events are of a new customer; None: those
    behind it in the log are."""


_encode = msgspec.json.Encoder().encode


def encode_erasure(erasure: Erasure) -> bytes:
    """Write an erasure in the canonical form, version 1."""
    return _encode({"slipaway": TAG, **msgspec.structs.asdict(erasure)})


def from_record(record: Mapping[str, object]) -> Erasure:
    """Read an erasure from its JSON object, or raise BadEvent."""
    customer_id = fields.customer(record.get("customer_id"), "customer_id")
    at = record.get("requested_at")
    if at is None:
        return Erasure(customer_id)
    if isinstance(at, bool) or not isinstance(at, int):
        found = fields.shown(at)
        raise BadEvent(Code.WRONG_TYPE, f"requested_at is {found}: expected integer milliseconds")
    if not 0 <= at <= LATEST_MS:
        raise BadEvent(Code.BAD_TIME, f"requested_at is {at}: not within 1970 to 9999")
    return Erasure(customer_id, at)
