"""Who stayed: rates over periods, what became of episodes, and what alerts brought, for a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from stream.console.chronicle import Chronicle, Moves
from stream.detector.calendar import date_of
from stream.detector.events import DAY_MS
from stream.detector.periods import Every
from stream.uplift.figures import Uplift, by_trigger, uplift
from stream.uplift.terminal import sentences
from stream.wire.retained import Group, Retained

SEGMENTS_MAX: Final = 5
"""Shown by themselves, those with most customers or episodes; a drawing tells no more apart."""
SPANS: Final = {Every.WEEK: 26, Every.MONTH: 13}
"""How many weeks, or months, of episodes are shown."""
EVERYBODY: Final = "everybody"
NONE: Final = "no segment"


class Rate(NamedTuple):
    """Who stayed in one period; counts are customers, summed over the partitions that told."""

    first_day: str
    begin: int
    """Ms since 1970 UTC."""
    counts: Group
    partitions: int
    """Of the usage topic: so many have told."""

    @property
    def share(self) -> float | None:
        """Give the share kept of those at the start; None: there was nobody."""
        return self.counts.kept / self.counts.at_start if self.counts.at_start else None


class Cohort(NamedTuple):
    """Those who came for the first time in one period, and still were there at its end."""

    first_day: str
    size: int
    kept: list[float | None]
    """The share of them who are customers at the end of each later period; None: not told."""


class Rates(NamedTuple):
    """Periods that are counted by the same terms as the latest, the earliest first."""

    every: Every
    horizon_days: float
    everybody: list[Rate]
    segments: dict[str, list[Rate]]
    """By name, the largest first; none, where the policy has no segments."""
    cohorts: list[Cohort]
    """The earliest first."""
    left_out: int
    """Periods counted by another length or horizon."""

    @property
    def whole(self) -> int:
        """Give the place of the latest period that as many partitions have told of as ever did."""
        places = range(len(self.everybody) - 1, -1, -1)
        return next(place for place in places if self.everybody[place].partitions == self.most)

    @property
    def most(self) -> int:
        """Give the most partitions that have told of one period."""
        return max(rate.partitions for rate in self.everybody)

    @property
    def lines(self) -> dict[str, list[tuple[int, float]]]:
        """Give what is drawn: (ms since 1970, share kept)."""
        shown = {EVERYBODY: self.everybody, **self.segments}
        return {
            name: [(one.begin, one.share) for one in found if one.share is not None]
            for name, found in shown.items()
        }


class Span(NamedTuple):
    """What happened to episodes in a week or a month (UTC)."""

    first_day: str
    begin: int
    moves: Moves


class Course(NamedTuple):
    """Episodes over time."""

    every: Every
    spans: list[Span]
    """The earliest first; the last is not over."""
    segments: dict[str, Moves]
    """In all of them, by name, those with most opened first."""
    since: int | None
    """The first day (ms since 1970 UTC) that is told of at all; None: none is."""

    @property
    def lines(self) -> dict[str, list[tuple[int, float]]]:
        """Give what is drawn: (ms since 1970, episodes)."""
        return {
            name: [(span.begin, float(getattr(span.moves, name))) for span in self.spans]
            for name in ("opened", "recovered", "lapsed")
        }


class Brought(NamedTuple):
    """What alerts brought."""

    everybody: Uplift
    triggers: dict[str, Uplift]
    words: list[str]
    horizon_days: float
    episodes: int
    """Looked at, of which those old enough are judged."""


def rates(found: Chronicle) -> Rates | None:
    """Add up what the partitions told; None: nothing yet."""
    if not found.periods:
        return None
    latest = next(iter(found.periods[max(found.periods)].values()))
    every, horizon_days = latest.every, latest.horizon_days
    periods = [
        [one for one in told.values() if (one.every, one.horizon_days) == (every, horizon_days)]
        for _, told in sorted(found.periods.items())
    ]
    same = [told for told in periods if told]
    sizes: Counter[str] = Counter()
    for told in same:
        for one in told:
            sizes.update({name: group.at_start for name, group in one.segments.items()})
    named = sorted(sizes, key=lambda name: (-sizes[name], name)) if sizes.keys() - {""} else []
    return Rates(
        every=every,
        horizon_days=horizon_days,
        everybody=[_rate(told, None) for told in same],
        segments={
            name or NONE: [_rate(told, name) for told in same] for name in named[:SEGMENTS_MAX]
        },
        cohorts=_cohorts(same),
        left_out=len(periods) - len(same),
    )


def _rate(told: Sequence[Retained], segment: str | None) -> Rate:
    """Add up the counts of one period, of a segment or of everybody."""
    groups = [
        group
        for one in told
        for name, group in one.segments.items()
        if segment is None or name == segment
    ]
    sums = {name: sum(getattr(group, name) for group in groups) for name in Group.__struct_fields__}
    return Rate(told[0].first_day, told[0].begin, Group(**sums), len(told))


def _cohorts(periods: Sequence[Sequence[Retained]]) -> list[Cohort]:
    """Follow those who came in each period through the ones after it."""
    days = [told[0].first_day for told in periods]
    ends: list[Counter[str]] = []
    """Of each period: its customers at its end, by cohort."""
    for told in periods:
        counted: Counter[str] = Counter()
        for one in told:
            for day, group in one.cohorts.items():
                counted[day] += group.kept + group.new + group.back
        ends.append(counted)
    found = []
    for place, (day, at_end) in enumerate(zip(days, ends, strict=True)):
        if size := at_end[day]:
            later = [one[day] / size if day in one else None for one in ends[place + 1 :]]
            found.append(Cohort(day, size, later))
    return found


def course(found: Chronicle, every: Every, segment: str | None = None) -> Course:
    """Add up what happened to episodes by week or month, of a segment or of everybody."""
    spans: dict[date, Moves] = {}
    segments: dict[str, Moves] = {}
    days = sorted(found.days)
    if not days:
        return Course(every, [], {}, None)
    wanted = _begins(date_of(days[0]), date_of(days[-1]), every)[-SPANS[every] :]
    spans = {begin: Moves() for begin in wanted}
    for day in days:
        begin = _begin(date_of(day), every)
        if begin not in spans:
            continue
        for name, moves in found.days[day].items():
            segments.setdefault(name, Moves()).add(moves)
            if segment is None or name == segment:
                spans[begin].add(moves)
    named = sorted(segments, key=lambda name: (-segments[name].opened, name))
    epoch = date_of(0)
    return Course(
        every,
        [
            Span(begin.isoformat(), (begin - epoch).days * DAY_MS, moves)
            for begin, moves in spans.items()
        ],
        {name: segments[name] for name in named},
        days[0] * DAY_MS,
    )


def brought(found: Chronicle, horizon_days: float, own: Mapping[str, int]) -> Brought:
    """Hold those whom alerts reached against those held out.

    `own`: horizons (ms) that segments have of their own, by name.
    """
    judged = found.episodes.judged(lambda name: own.get(name, round(horizon_days * DAY_MS)))
    everybody = uplift(judged)
    return Brought(
        everybody,
        by_trigger(judged),
        list(sentences(everybody)),
        horizon_days,
        len(found.episodes),
    )


def _begin(day: date, every: Every) -> date:
    return day.replace(day=1) if every is Every.MONTH else day - timedelta(days=day.weekday())


def _begins(first: date, last: date, every: Every) -> list[date]:
    """Give every begin from the one of the first day to that of the last."""
    begin, found = _begin(first, every), []
    while begin <= last:
        found.append(begin)
        begin = _begin(begin + timedelta(days=32 if every is Every.MONTH else 7), every)
    return found
