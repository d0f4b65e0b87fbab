"""Visits: bursts of events, so that rhythm is measured between comings, not between clicks.

A Poisson test on raw events false-alarms every twenty gaps where it promises
one in four hundred, because events come in bursts.  Events closer than the
policy's visit gap are therefore one visit, and every gap is between visits.
"""

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


def merge(
    waiting: tuple[Visit, ...], at: int, volume: float, kinds: int, gap_ms: int
) -> tuple[Visit, ...]:
    """Put one event into the waiting visits, which stay sorted and at least a gap apart.

    The result does not depend on the order in which events arrive.
    """
    if waiting and waiting[-1].begin <= at < waiting[-1].end + gap_ms:
        last = waiting[-1]
        last.end = max(last.end, at)
        last.volume += volume
        last.kinds |= kinds
        return waiting
    merged = Visit(at, at, volume, kinds)
    before, after = [], []
    for visit in waiting:
        if merged.begin - visit.end >= gap_ms:
            before.append(visit)
        elif visit.begin - merged.end >= gap_ms:
            after.append(visit)
        else:
            merged = Visit(
                min(visit.begin, merged.begin),
                max(visit.end, merged.end),
                visit.volume + merged.volume,
                visit.kinds | merged.kinds,
            )
    return (*before, merged, *after)
