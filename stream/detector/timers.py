"""Timers: who has something due, when, and what.

Churn is silence, so nothing arrives when it happens: every customer keeps one
timer, for the first thing that has to be decided about it.
"""

from enum import IntEnum
from heapq import heappop, heappush


class Due(IntEnum):
    """What can fall due on a customer's time line, in the order of one moment."""

    VISIT_ENDS = 0
    VISIT_BEGINS = 1
    SIGNAL = 2
    LABEL = 3
    LANDMARK = 4
    DECLINE = 5
    LAPSE = 6


class Timers:
    """The first thing due of every customer, in order of (time, customer)."""

    def __init__(self) -> None:
        """Start with nobody due."""
        self._heap: list[tuple[int, str]] = []
        self._set: dict[str, tuple[int, Due]] = {}

    def set(self, customer_id: str, at: int, due: Due) -> None:
        """Let the customer come up at `at` (ms) for `due`, and at no other time."""
        before = self._set.get(customer_id)
        self._set[customer_id] = at, due
        if before is None or before[0] != at:
            heappush(self._heap, (at, customer_id))

    def peek(self) -> int | None:
        """Give the earliest moment at which somebody comes up; None: nobody does."""
        heap = self._heap
        while heap:
            at, customer_id = heap[0]
            current = self._set.get(customer_id)
            if current is not None and current[0] == at:
                return at
            heappop(heap)  # has been set to another time since
        return None

    def pop(self) -> tuple[int, str, Due]:
        """Take the first one out; call only after `peek` found one."""
        at, customer_id = heappop(self._heap)
        return at, customer_id, self._set.pop(customer_id)[1]
