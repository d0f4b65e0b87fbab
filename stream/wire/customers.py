"""A customer's row in the state topic, and how rows of earlier releases are read.

| version | what it lacks of the next |
| --- | --- |
| 1 | `due`; another order of fields; marks of message ids as long numbers, now forgotten |
| 2 | `due` counted fewer kinds of things |
| 3 | the last fields may be missing: rows written before there were any |

A row of an earlier version is read as it stands and written anew when its
customer is next touched: an upgrade needs no migration, a downgrade is refused.
"""

from struct import Struct
from typing import Any, Final

import msgspec

from stream.detector.customer import Customer
from stream.wire.state import StateCodec, broken

FIRST: Final = 1
SECOND: Final = 2
VERSION: Final = 3
_FIRST: Final = bytes([FIRST])
_SECOND: Final = bytes([SECOND])


_HEAD = Struct(">B3xBQ")
"""Of a row: version, MessagePack's 3 bytes for a long array, its mark for 64 bits, and `due`."""
_64_BITS = 0xCF


_FIRST_ORDER = (
    *("rhythm", "levels", "account_id", "first_at", "last_at", "frontier", "visits", "visit_at"),
    *("visit_open", "visit_gap_ms", "visit_volume", "visit_kinds", "volume", "volume_usual"),
    *("kinds", "kinds_usual", "volume_total", "rung", "best_value", "counted", "observed"),
    *("ended", "episode", "back_released", "landmarks", "waiting", "signals"),
)

_SINCE_FIRST = {
    "due": 0,
    "touched": False,
    "recent_ids": b"",
    "eligible_since": 0,
    "false_alarm_at": 0,
    "paused_ms": 0,
    "falling": None,
    "life": None,
    "moved": [],
    "identity": None,
    "tenure": None,
    "dial": "",
    "warned": [],
}


def _from_first(row: list[Any]) -> Customer:
    """Read a row of version 1, whose fields stood in another order."""
    named = _SINCE_FIRST | dict(zip(_FIRST_ORDER, row[: len(_FIRST_ORDER)], strict=True))
    return msgspec.convert([named[name] for name in Customer.__struct_fields__], Customer)


class CustomerCodec:
    """Writes rows of this version, reads rows of every version so far."""

    def __init__(self) -> None:
        """Prepare."""
        self._codec = StateCodec(Customer, VERSION)
        self._second = StateCodec(Customer, SECOND)
        self._first = StateCodec(list[Any], FIRST)
        self.encode = self._codec.encode

    def decode(self, row: bytes) -> Customer:
        """Read a customer, or raise StateError with what an operator does."""
        if row.startswith(_SECOND):
            return msgspec.structs.replace(self._second.decode(row), due=0)
        if not row.startswith(_FIRST):
            return self._codec.decode(row)
        try:
            return _from_first(self._first.decode(row))
        except (msgspec.ValidationError, ValueError, IndexError) as error:
            raise broken(Customer, error) from error

    def due(self, row: bytes) -> int | None:
        """Read when a customer is next due; None where that has to be reckoned."""
        if row.startswith((_FIRST, _SECOND)):
            return None
        if len(row) >= _HEAD.size:
            version, mark, due = _HEAD.unpack_from(row)
            if version == VERSION and mark == _64_BITS:
                return int(due)
        return self.decode(row).due
