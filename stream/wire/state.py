"""State to bytes and back: MessagePack by type, behind a version byte.

The state topic outlives every release.  State of an unknown version is refused
before anything is taken over: a customer silently started afresh would be
judged as new, and everybody's cadence lost with one roll-out.
"""

from typing import Generic, TypeVar

import msgspec

VERSION = 1

S = TypeVar("S")


class StateError(Exception):
    """State that this version cannot take over; the worker must not go on without it."""


class StateCodec(Generic[S]):
    """Writes and reads the state of one type; made once, used for every row."""

    def __init__(self, kind: type[S], version: int = VERSION) -> None:
        """Take the type, and the version (1 to 255) of its layout."""
        self._kind = kind
        self._version = version
        self._prefix = bytes([version])
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def encode(self, state: S) -> bytes:
        """Write a state."""
        return self._prefix + self._encode(state)

    def decode(self, value: bytes) -> S:
        """Read a state, or raise StateError with what an operator does."""
        if value[:1] != self._prefix:
            raise _unknown(value, self._version)
        try:
            return self._decode(memoryview(value)[1:])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise broken(self._kind, error) from error


def _unknown(value: bytes, version: int) -> StateError:
    if not value:
        return StateError("empty state: a tombstone is no state, and must not be decoded")
    return StateError(
        f"state of version {value[0]}, where this program reads {version}. Operator "
        "action: go back to the version of slipaway that wrote it, or delete the state "
        "topic and replay the usage topic to rebuild it"
    )


def broken(kind: type, error: Exception) -> StateError:
    """Say that bytes of the right version are not what they should be."""
    return StateError(
        f"state that is no {kind.__name__}: {error}. Operator action: stop, keep the state topic "
        "for examination, and rebuild it by replaying the usage topic"
    )
