"""A customer's row in the state topic, and how rows of earlier releases are read.

| version | since | differs from the next |
| --- | --- | --- |
| 1 | 0.1 | no `due`; marks of message ids are long numbers, which are forgotten |
| 2 | 0.2 | |

A row of an earlier version is read as it stands and written anew when its
customer is next touched: an upgrade needs no migration, a downgrade is refused.
"""

from struct import Struct
from typing import Any, Final

import msgspec

from stream.detector.customer import Customer
from stream.wire.state import StateCodec, broken

FIRST: Final = 1
VERSION: Final = 2
_FIRST: Final = bytes([FIRST])


_HEAD = Struct(">4xBQ")
"""Of a row: version, MessagePack's 3 bytes for a long array, its mark for 64 bits, and `due`."""
_64_BITS = 0xCF


class CustomerCodec:
    """Writes rows of this version, reads rows of every version so far."""

    def __init__(self) -> None:
        """Prepare."""
        self._codec = StateCodec(Customer, VERSION)
        self._first = StateCodec(list[Any], FIRST)
        self.encode = self._codec.encode

    def decode(self, row: bytes) -> Customer:
        """Read a customer, or raise StateError with what an operator does."""
        if not row.startswith(_FIRST):
            return self._codec.decode(row)
        try:
            *fields, _marks = self._first.decode(row)
            return msgspec.convert([0, *fields], Customer)
        except (msgspec.ValidationError, ValueError) as error:
            raise broken(Customer, error) from error

    def due(self, row: bytes) -> int | None:
        """Read when a customer is next due; None where that has to be reckoned."""
        if row.startswith(_FIRST):
            return None
        mark, due = _HEAD.unpack_from(row)
        return due if mark == _64_BITS else self.decode(row).due
