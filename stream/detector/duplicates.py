"""Duplicates: the same message delivered twice counts once.

Senders retry, so a repeated message follows its original closely among the
events of its customer.  The last few ids per customer are therefore enough,
and bounded.  Each is kept as its CRC-32: a new message is taken for an old one
about once in 430 million, never where ids differ in four neighbouring bytes only.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from stream.detector.customer import Customer

REMEMBERED = 10
"""Message ids kept per customer; more: longer retries are caught, state grows by 4 bytes each."""
MARK_BYTES = 4


def marks_of(message_ids: Sequence[str]) -> NDArray[np.uint32] | None:
    """Give the marks of many ids; None where one cannot be written as UTF-8."""
    try:
        return np.fromiter(map(crc32, map(str.encode, message_ids)), np.uint32, len(message_ids))
    except UnicodeEncodeError:
        return None


def is_new(customer: Customer, message_id: str) -> bool:
    """Tell whether a customer has not sent a message of this id lately, and remember it."""
    try:
        text = message_id.encode()
    except UnicodeEncodeError:
        text = message_id.encode("utf-8", "surrogatepass")
    return is_new_mark(customer, crc32(text).to_bytes(MARK_BYTES, "big"))


def is_new_mark(customer: Customer, mark: bytes) -> bool:
    """Do so with a mark as it is remembered, the highest byte first."""
    recent = customer.recent_ids
    found = recent.find(mark)
    while found > 0 and found % MARK_BYTES:  # the end of one and the begin of the next
        found = recent.find(mark, found + 1)
    if found >= 0:
        return False
    customer.recent_ids = (recent + mark)[-REMEMBERED * MARK_BYTES :]
    return True
