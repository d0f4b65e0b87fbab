"""Duplicates: the same message delivered twice counts once.

Senders retry, so a repeated message follows its original closely among the
events of its customer.  The last few ids per customer are therefore enough,
and bounded; each is kept as 63 bits of BLAKE2b, so that a new message is taken
for an old one about once in 10^17.
"""

from hashlib import blake2b

REMEMBERED = 16
"""Message ids kept per customer; more: longer retries are caught, state grows by 9 bytes each."""


def is_duplicate(recent: list[int], message_id: str) -> bool:
    """Tell whether the id is among the remembered ones; remember it if it is not."""
    digest = blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    mark = int.from_bytes(digest, "big") >> 1
    if mark in recent:
        return True
    if len(recent) >= REMEMBERED:
        del recent[0]
    recent.append(mark)
    return False
