"""Timers: who has something due, and when.

Churn is silence, so nothing arrives when it happens: every customer has one
timer, for the first thing that has to be decided about it.  Nearly all of a
million timers are days away, and each costs no more than a place in the list of
its hour; only the hours that have come are kept in exact order.

Where a timer is set anew, the old entry stays until its time comes and is told
by then: a customer knows when it is really due.
"""

from bisect import bisect_right
from collections.abc import Callable
from enum import IntEnum
from heapq import heappop, heappush

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


KINDS = len(Due)
"""`Customer.due` is a moment (ms), times this, and what falls due then."""


class Timers:
    """The first thing due of every customer, in order of (time, customer)."""

    def __init__(self, due: Callable[[str], int | None]) -> None:
        """Start with nobody due; `due` gives a customer's `Customer.due`, exactly and cheaply."""
        self._due = due
        self._come: list[tuple[int, str]] = []  # of the hours begun: sorted, the first one last
        self._since: list[tuple[int, str]] = []  # a heap: what was set in them after they begun
        self._begun = 0  # the first hour that is not among them
        self._hours: dict[int, list[str]] = {}  # those ahead
        self._ahead: list[int] = []  # a heap of their numbers

    def set(self, customer_id: str, at: int) -> None:
        """Let a customer come up at `at` (ms), which `due` must confirm then."""
        hour = at // HOUR_MS
        if hour < self._begun:
            heappush(self._since, (at, customer_id))
            return
        waiting = self._hours.get(hour)
        if waiting is None:
            self._hours[hour] = [customer_id]
            heappush(self._ahead, hour)
        else:
            waiting.append(customer_id)

    def pop_before(self, moment: int) -> tuple[int, str] | None:
        """Take out the first one set before `moment` (ms) in the hours begun; None: nobody is.

        Who was set anew meanwhile is given, too.
        """
        come, since = self._come, self._since
        if come and (not since or come[-1] <= since[0]):
            return come.pop() if come[-1][0] < moment else None
        return heappop(since) if since and since[0][0] < moment else None

    def coming_before(self, moment: int) -> list[tuple[int, str]]:
        """Give those set before `moment` (ms) in the hours begun, last first, but those set since.

        Who was set anew meanwhile is given, too.
        """
        return self._come[bisect_right(self._come, -moment, key=lambda entry: -entry[0]) :]

    def begin_before(self, moment: int) -> bool:
        """Let the next hour begin in which anybody is due, if it does before `moment` (ms)."""
        if not self._ahead or self._ahead[0] * HOUR_MS >= moment:
            return False
        self._begin(heappop(self._ahead))
        return True

    def _begin(self, hour: int) -> None:
        """Put the customers of an hour in order; those who were set anew stand elsewhere."""
        due, first, end = self._due, hour * HOUR_MS * KINDS, (hour + 1) * HOUR_MS * KINDS
        come = ((due(customer_id) or 0, customer_id) for customer_id in self._hours.pop(hour))
        self._come += [(at // KINDS, who) for at, who in come if first <= at < end]
        self._come.sort(reverse=True)
        self._begun = hour + 1
