"""Timers: who has something due, and when.

Churn is silence, so nothing arrives when it happens: every customer has one
timer, for the first thing that has to be decided about it.  Nearly all of a
million timers are days away, and each costs no more than a place in the list of
its hour; only the hours that have come are kept in exact order.

Where a timer is set anew, the old entry stays until its time comes and is told
by then: a customer knows when it is really due.
"""

from collections.abc import Callable
from enum import IntEnum
from heapq import heapify, heappop, heappush

from stream.detector.events import HOUR_MS


class Due(IntEnum):
    """What can fall due on a customer's time line, in the order of one moment."""

    VISIT_ENDS = 0
    VISIT_BEGINS = 1
    SIGNAL = 2
    LABEL = 3
    LANDMARK = 4
    STALL = 5
    CEILING = 6
    LAPSE = 7


class Timers:
    """The first thing due of every customer, in order of (time, customer)."""

    def __init__(self, due_at: Callable[[str], int]) -> None:
        """Start with nobody due; `due_at` gives a customer's moment (ms), exactly and cheaply."""
        self._due_at = due_at
        self._come: list[tuple[int, str]] = []  # a heap, of the hours begun
        self._begun = 0  # the first hour that is not among them
        self._hours: dict[int, list[str]] = {}  # those ahead
        self._ahead: list[int] = []  # a heap of their numbers

    def set(self, customer_id: str, at: int) -> None:
        """Let a customer come up at `at` (ms), which `due_at` must confirm then."""
        hour = at // HOUR_MS
        if hour < self._begun:
            heappush(self._come, (at, customer_id))
            return
        waiting = self._hours.get(hour)
        if waiting is None:
            self._hours[hour] = [customer_id]
            heappush(self._ahead, hour)
        else:
            waiting.append(customer_id)

    def pop_before(self, moment: int) -> tuple[int, str] | None:
        """Take out the first one due before `moment` (ms); None: nobody is."""
        while True:
            while self._come:
                at, customer_id = self._come[0]
                if at >= moment:
                    return None
                heappop(self._come)
                if self._due_at(customer_id) == at:
                    return at, customer_id
            if not self._ahead or self._ahead[0] * HOUR_MS >= moment:
                return None
            self._begin(heappop(self._ahead))

    def _begin(self, hour: int) -> None:
        """Put the customers of an hour in order; those who were set anew stand elsewhere."""
        due_at, until = self._due_at, (hour + 1) * HOUR_MS
        come = ((due_at(customer_id), customer_id) for customer_id in self._hours.pop(hour))
        self._come = [entry for entry in come if hour * HOUR_MS <= entry[0] < until]
        heapify(self._come)
        self._begun = hour + 1
