"""What one customer's state says to another's, which may live in another partition.

An event that came under an old id, sent on to the new one, and the state of an id
that has moved.  They travel in the usage topic and are the detector's own: each names
the application that wrote it, for another that reads the same topic has its own say.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from stream.detector.customer import Customer
from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.detector.identity import Handover, Sent
from stream.wire import fields, usage
from stream.wire.alias import encode_alias
from stream.wire.customers import CustomerCodec
from stream.wire.fields import shown
from stream.wire.state import StateError

FORWARDED = "forwarded.v1"
HANDOVER = "handover.v1"

_CODES = frozenset(code.value for code in Code)
_CUSTOMERS = CustomerCodec()
_encode = msgspec.json.Encoder().encode


class Travelled(msgspec.Struct, frozen=True):
    """What was sent from one partition to another."""

    app: str
    """The application that sent it."""
    what: UsageEvent | Handover


class _Handover(msgspec.Struct, frozen=True):
    """A handover as it is written; the state is a row in base64."""

    app: str
    previous_id: str
    customer_id: str
    at: int
    row: bytes | None = None
    refused: str = ""
    back: bool = False
    hops: int = 0


def encode_sent(sent: Sent, app: str) -> tuple[bytes, bytes]:
    """Write what is for another customer, as (key, value) of a record of the usage topic."""
    key = sent.customer_id.encode()
    if isinstance(sent, Handover):
        row = None if sent.state is None else _CUSTOMERS.encode(sent.state)
        written = _Handover(
            app,
            sent.previous_id,
            sent.customer_id,
            sent.at,
            row,
            sent.refused,
            sent.back,
            sent.hops,
        )
        return key, _encode({"slipaway": HANDOVER, **msgspec.structs.asdict(written)})
    if usage.is_usage(sent):
        return key, _encode({"slipaway": FORWARDED, "app": app, **msgspec.structs.asdict(sent)})
    return key, encode_alias(sent)


def from_record(record: Mapping[str, Any], received_at: int) -> Travelled:
    """Read what `encode_sent` wrote from its JSON object, or raise BadEvent."""
    app = record.get("app")
    if not isinstance(app, str):
        raise BadEvent(Code.WRONG_TYPE, f"app is {shown(app)}: expected the application's id")
    if record["slipaway"] == FORWARDED:
        return Travelled(app, usage.from_record(record, received_at))
    try:
        found = msgspec.convert(record, _Handover)
    except msgspec.ValidationError as error:
        raise BadEvent(Code.WRONG_TYPE, f"no handover: {error}") from error
    if found.refused and found.refused not in _CODES:
        raise BadEvent(Code.WRONG_TYPE, f"refused is {shown(found.refused)}: no reason of ours")
    state, refused = _state(found.row)
    return Travelled(
        app,
        Handover(
            previous_id=fields.customer(found.previous_id, "previous_id"),
            customer_id=fields.customer(found.customer_id, "customer_id"),
            at=usage.moment(record, "at"),
            state=state,
            refused=refused or found.refused,
            back=found.back,
            hops=found.hops,
        ),
    )


def _state(row: bytes | None) -> tuple[Customer | None, str]:
    """Read a state; one that cannot be read is none, so that nobody waits for it."""
    if row is None:
        return None, ""
    try:
        return _CUSTOMERS.decode(row), ""
    except StateError:
        return None, Code.BAD_HANDOVER.value
