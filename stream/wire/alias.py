"""Aliases in our own form: what `ingest` tells both ids of a customer, each in its partition.

One that names no side is for both, and may be written by whoever knows better than
Segment's messages who is who.
"""

from collections.abc import Mapping

import msgspec

from stream.detector.errors import BadEvent, Code
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.identity import ALIAS, JOINS, MOVES
from stream.wire import fields, usage

TAG = "alias.v1"

_encode = msgspec.json.Encoder().encode
_NAMES = {"": ALIAS, "previous": MOVES, "customer": JOINS}
_SIDES = {name: side for side, name in _NAMES.items()}


def sides(alias: UsageEvent) -> tuple[UsageEvent, UsageEvent]:
    """Give what the new id is told, and what the old one is, of one alias; in this order."""
    return (
        msgspec.structs.replace(alias, name=JOINS),
        msgspec.structs.replace(
            alias, name=MOVES, customer_id=alias.account_id, account_id=alias.customer_id
        ),
    )


def encode_alias(event: UsageEvent) -> bytes:
    """Write an alias, or a side of one, in the canonical form, version 1."""
    new, old = event.customer_id, event.account_id
    if event.name == MOVES:
        new, old = old, new
    return _encode(
        {
            "slipaway": TAG,
            "customer_id": new,
            "previous_id": old,
            "side": _SIDES[event.name],
            "occurred_at": event.occurred_at,
            "received_at": event.received_at,
        }
    )


def from_record(record: Mapping[str, object], received_at: int) -> UsageEvent | None:
    """Read an alias from its JSON object, or raise BadEvent; None: it is one to itself.

    Both sides were written with one receipt, and it counts as it stands: a
    clock must not be believed by one of them alone.  Only one of tomorrow is not.
    """
    new = fields.customer(record.get("customer_id"), "customer_id")
    old = fields.customer(record.get("previous_id"), "previous_id")
    side = record.get("side", "")
    if not isinstance(side, str) or side not in _NAMES:
        raise BadEvent(
            Code.WRONG_TYPE,
            f"side is {fields.shown(side)}: expected one of {list(_SIDES.values())}",
        )
    at = usage.moment(record, "occurred_at")
    first_received_at = usage.moment(record, "received_at", or_else=received_at)
    if new == old:
        return None
    name = _NAMES[side]
    if name == MOVES:
        new, old = old, new
    received_at = min(first_received_at, received_at + DAY_MS)
    return UsageEvent(new, name, at, received_at, account_id=old)
