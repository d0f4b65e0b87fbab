"""Erasures: which customers were to be forgotten, as long as word of them may still come.

Events travel by different ways, so some of a customer's may come after it was
erased, and would bring it back.  What is kept to know them by is no id, but a
number made of it that says nothing by itself, and not for ever.
"""

from collections.abc import Iterator
from hashlib import blake2b

from stream.detector.events import DAY_MS

KEPT_MS = 30 * DAY_MS
"""Event time for which an erasure is remembered: as long as any policy lets an event be late."""
_BYTES = 16


class Erasures:
    """The customers of one partition who were erased lately, by the digest of their ids."""

    __slots__ = ("_unsaved", "marks")

    def __init__(self) -> None:
        """Begin with nobody."""
        self.marks: dict[bytes, int] = {}
        """Up to when (ms) what happened is to be forgotten."""
        self._unsaved: set[bytes] = set()

    def note(self, customer_id: str, at: int) -> None:
        """Remember that a customer is to be forgotten up to a moment (ms)."""
        mark = _mark(customer_id)
        self.marks[mark] = max(at, self.marks.get(mark, at))
        self._unsaved.add(mark)

    def covers(self, customer_id: str, at: int, watermark: int) -> bool:
        """Tell whether what a customer did at a moment (ms) is to be forgotten.

        So it is until the watermark is so far beyond the erasure that no event
        from before it can be but late, whoever is asked and however often.
        """
        until = self.marks.get(_mark(customer_id))
        return until is not None and at <= until and watermark < until + KEPT_MS

    # ------------------------------------------------------------ as it is saved

    def load(self, mark: bytes, saved: bytes | None) -> None:
        """Take a mark as it was saved; None: it is forgotten."""
        if saved is None:
            self.marks.pop(mark, None)
        else:
            self.marks[mark] = int(saved)

    def save(self, watermark: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield the marks that are new, and None for those whose time is over."""
        over = [mark for mark, until in self.marks.items() if watermark >= until + KEPT_MS]
        for mark in sorted(self._unsaved.difference(over)):
            yield mark, b"%d" % self.marks[mark]
        for mark in over:
            del self.marks[mark]
            yield mark, None
        self._unsaved.clear()


def _mark(customer_id: str) -> bytes:
    return blake2b(customer_id.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
