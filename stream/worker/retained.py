"""Retained: what the partitions of this worker count of the period that is over, added up.

A series for each partition would be many, and a rate is a ratio of sums in any case.
Partitions are not at the same time everywhere, so a period is told apart from the next
one by a label, and shown while any partition here still says something of it.
"""

from collections.abc import Mapping, Sequence

from faust.types import TP
from prometheus_client import Gauge

from stream.detector.calendar import LocalTime, date_of
from stream.detector.turnover import Counts, Turnover

Figures = dict[tuple[str, str, str], int]
"""(period, segment or age, of) -> customers."""

_OF = ("at_start", "kept", "lapsed", "ended", "new", "back")
_OF_THOSE_AT_START = _OF[:4]


class Retained:
    """The sums that the gauges show."""

    def __init__(self, by_segment: Gauge, by_age: Gauge) -> None:
        """Show them by these gauges."""
        self._by_segment = _Sums(by_segment)
        self._by_age = _Sums(by_age)

    def tell(self, tp: TP, counted: Turnover, known: frozenset[str], local: LocalTime) -> None:
        """Take what a partition has counted.

        Segments that are not `known` are shown as one; a period is called by its first `local` day.
        """
        over = counted.told
        if over is None:
            self.forget(tp)
            return
        begin = date_of(local.day(over.begin)).isoformat()
        segments = _figures(begin, over.segments, _OF)
        self._by_segment.tell(tp, _renamed(segments, known))
        self._by_age.tell(tp, _figures(begin, counted.told_by_age, _OF_THOSE_AT_START))

    def forget(self, tp: TP) -> None:
        """Take out a partition that is no longer worked on here, or knows nothing any more."""
        self._by_segment.tell(tp, {})
        self._by_age.tell(tp, {})


class _Sums:
    """One gauge, and what each partition adds to it."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._parts: dict[TP, Figures] = {}
        self._shown: set[tuple[str, str, str]] = set()

    def tell(self, tp: TP, figures: Figures) -> None:
        """Take what a partition adds from now on."""
        if not figures and tp not in self._parts:
            return
        self._parts[tp] = figures
        sums: Figures = {}
        for part in self._parts.values():
            for place, customers in part.items():
                sums[place] = sums.get(place, 0) + customers
        for place in self._shown - sums.keys():
            self._gauge.remove(*place)
        for place, customers in sums.items():
            self._gauge.labels(*place).set(customers)
        self._shown = set(sums)


def _figures(period: str, counted: Mapping[str, Counts], names: Sequence[str]) -> Figures:
    """Give figures by their places."""
    return {
        (period, kind, name): getattr(counts, name)
        for kind, counts in counted.items()
        for name in names
    }


def _renamed(figures: Figures, known: frozenset[str]) -> Figures:
    """Give figures with the segments beyond those known as one."""
    found: Figures = {}
    for (period, name, of), customers in figures.items():
        place = period, label_of(name, known), of
        found[place] = found.get(place, 0) + customers
    return found


def label_of(segment: str, known: frozenset[str]) -> str:
    """Give the label of a segment: its name, empty for none, one for all beyond those known."""
    return segment if not segment or segment in known else "(other)"
