"""Model snapshots to JSON and back: everything learned, in a form an operator can read.

A snapshot decides about every customer, so one that is torn, of another type or
of another version is refused whole.  The digest is over the body's bytes: JSON
cut at a lucky place can still be JSON.
"""

import hashlib
import math
from typing import Any, TypeVar

import msgspec

VERSION = "snapshot.v1"

S = TypeVar("S", bound=msgspec.Struct)


class SnapshotError(Exception):
    """A snapshot that must not be used: keep the one before, or start cold."""


class _Envelope(msgspec.Struct):
    slipaway: str
    type: str
    sha256: str
    body: msgspec.Raw


def encode(snapshot: msgspec.Struct) -> bytes:
    """Write any Struct as a snapshot; infinities survive, which JSON alone would turn to null."""
    body = msgspec.json.encode(_spelled(msgspec.to_builtins(snapshot, str_keys=True)))
    envelope = _Envelope(
        slipaway=VERSION,
        type=type(snapshot).__name__,
        sha256=hashlib.sha256(body).hexdigest(),
        body=msgspec.Raw(body),
    )
    return msgspec.json.encode(envelope)


def decode(value: bytes | None, kind: type[S]) -> S:
    """Read a snapshot of type `kind`, or raise SnapshotError."""
    if not value:
        raise SnapshotError("the snapshot is empty")
    try:
        envelope = msgspec.json.decode(value, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"no snapshot, or a torn one: {error}") from error
    if envelope.slipaway != VERSION:
        raise SnapshotError(
            f"a snapshot of form {envelope.slipaway!r}, where this program reads {VERSION!r}. "
            "Operator action: update slipaway, or delete the newer snapshot to learn afresh"
        )
    if envelope.type != kind.__name__:
        raise SnapshotError(f"a snapshot of type {envelope.type!r}: expected {kind.__name__!r}")
    body = bytes(envelope.body)
    if hashlib.sha256(body).hexdigest() != envelope.sha256:
        raise SnapshotError(
            "the snapshot's digest does not match its body: it was torn or edited. "
            "Operator action: restore the one before it"
        )
    try:
        # Not strict only because an infinity is spelled out; the digest vouches for the rest.
        return msgspec.convert(msgspec.json.decode(body), kind, strict=False, str_keys=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"the snapshot does not hold what it should: {error}") from error


def _spelled(value: Any) -> Any:
    """Spell infinities and NaN out as text."""
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
