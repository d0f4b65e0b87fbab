"""Duplicates: the same message delivered twice counts once.

Senders retry, so a repeated message follows its original closely among the
events of its customer.  The last few ids per customer are therefore enough,
and bounded.  Each is kept as its CRC-32: a new message is taken for an old one
about once in 430 million, never where ids differ in four neighbouring bytes only.
"""

from zlib import crc32

REMEMBERED = 10
"""Message ids kept per customer; more: longer retries are caught, state grows by 4 bytes each."""
MARK_BYTES = 4


def remember(recent: bytes, message_id: str) -> bytes:
    """Give the remembered marks with this id's among them; the very same if it already was."""
    try:
        text = message_id.encode()
    except UnicodeEncodeError:
        text = message_id.encode("utf-8", "surrogatepass")
    mark = crc32(text).to_bytes(MARK_BYTES, "big")
    found = recent.find(mark)
    while found > 0 and found % MARK_BYTES:  # the end of one and the begin of the next
        found = recent.find(mark, found + 1)
    return recent if found >= 0 else (recent + mark)[-REMEMBERED * MARK_BYTES :]
