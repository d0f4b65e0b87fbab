"""Timers: who has something due, and when.

Churn is silence, so nothing arrives when it happens: every customer keeps one
timer, for the first moment at which something has to be decided.  Deadlines
mostly move later (a visit pushes them out), so an entry is only checked when it
comes up, and put back if it came too early.
"""

from heapq import heappop, heappush


class Timers:
    """The earliest due moment of every customer, in order of (time, customer)."""

    def __init__(self) -> None:
        """Start with nobody due."""
        self._heap: list[tuple[int, str]] = []
        self._queued: dict[str, int] = {}

    def set(self, customer_id: str, due: int) -> None:
        """Make sure the customer comes up at `due` or before."""
        queued = self._queued.get(customer_id)
        if queued is None or due < queued:
            self._queued[customer_id] = due
            heappush(self._heap, (due, customer_id))

    def peek(self) -> int | None:
        """Give the earliest moment at which somebody comes up; None: nobody does."""
        heap = self._heap
        while heap and self._queued.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def pop(self) -> tuple[int, str]:
        """Take the first one out; call only after `peek` found one."""
        due, customer_id = heappop(self._heap)
        del self._queued[customer_id]
        return due, customer_id
