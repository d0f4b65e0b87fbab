"""Visits: bursts of events, so that rhythm is measured between comings, not between clicks.

A Poisson test on raw events false-alarms every twenty gaps where it promises
one in four hundred, because events come in bursts.  Events closer than the
policy's visit gap are therefore one visit, and every gap is between visits.
"""

from bisect import bisect_right
from zlib import crc32

import msgspec


class Visit(msgspec.Struct, array_like=True, gc=False):
    """A burst of events that has not yet been folded into its customer."""

    begin: int
    """Event time of the first event (ms)."""
    end: int
    """Event time of the last event (ms)."""
    volume: float
    kinds: int
    """Set of event names, one bit each of a 62-bit hash: bounded, and popcount counts them."""


def kind_bit(name: str) -> int:
    """Give the bit that stands for an event name (62 bits fit every wire integer)."""
    return 1 << (crc32(name.encode()) % 62)


def merge(waiting: list[Visit], at: int, volume: float, kinds: int, gap_ms: int) -> None:
    """Put one event into the waiting visits, which stay sorted and at least a gap apart.

    The result does not depend on the order in which events arrive.
    """
    i = bisect_right(waiting, at, key=lambda visit: visit.begin)
    if i and at - waiting[i - 1].end < gap_ms:
        i -= 1
        visit = waiting[i]
        visit.end = max(visit.end, at)
        visit.volume += volume
        visit.kinds |= kinds
    elif i < len(waiting) and waiting[i].begin - at < gap_ms:
        visit = waiting[i]
        visit.begin = at
        visit.volume += volume
        visit.kinds |= kinds
    else:
        waiting.insert(i, Visit(at, at, volume, kinds))
    if i + 1 < len(waiting) and waiting[i + 1].begin - waiting[i].end < gap_ms:
        later = waiting.pop(i + 1)
        waiting[i].end = max(waiting[i].end, later.end)
        waiting[i].volume += later.volume
        waiting[i].kinds |= later.kinds
