"""Retained: what the partitions of this worker count of the period that is over, added up.

A series for each partition would be many, and a rate is a ratio of sums in any case.
Partitions are not at the same time everywhere, so a period is told apart from the next
one by a label, and shown while any partition here still says something of it.
"""

from faust.types import TP
from prometheus_client import Gauge

from stream.detector.calendar import LocalTime, date_of
from stream.detector.turnover import Counted

Figures = dict[tuple[str, str, str], int]
"""(period, segment, of) -> customers."""


class Retained:
    """The sums that one gauge shows."""

    def __init__(self, gauge: Gauge) -> None:
        """Show them by `gauge`."""
        self._gauge = gauge
        self._parts: dict[TP, Figures] = {}
        self._shown: set[tuple[str, str, str]] = set()

    def tell(self, tp: TP, over: Counted | None, known: frozenset[str], local: LocalTime) -> None:
        """Take what a partition counted, None: nothing (any more).

        Segments that are not `known` are shown as one; a period is called by its first `local` day.
        """
        figures: Figures = {}
        self._parts[tp] = figures
        if over is not None:
            begin = date_of(local.day(over.begin)).isoformat()
            for name, counts in over.segments.items():
                segment = label_of(name, known)
                for of in ("at_start", "kept", "lapsed", "ended", "new", "back"):
                    place = begin, segment, of
                    figures[place] = figures.get(place, 0) + getattr(counts, of)
        self._show()

    def forget(self, tp: TP) -> None:
        """Take out a partition that is no longer worked on here."""
        if self._parts.pop(tp, None) is not None:
            self._show()

    def _show(self) -> None:
        sums: Figures = {}
        for figures in self._parts.values():
            for place, customers in figures.items():
                sums[place] = sums.get(place, 0) + customers
        for place in self._shown - sums.keys():
            self._gauge.remove(*place)
        for place, customers in sums.items():
            self._gauge.labels(*place).set(customers)
        self._shown = set(sums)


def label_of(segment: str, known: frozenset[str]) -> str:
    """Give the label of a segment: its name, empty for none, one for all beyond those known."""
    return segment if not segment or segment in known else "(other)"
