"""Turnover: who was a customer when a period began, and what became of them by its end.

The figures of `slipaway retention`, kept as events come: of the period that runs, and of
the last one that is over.  A customer counts as it would if nothing more came of it;
whatever it does is taken into account by taking its count back before, and counting it
anew afterwards.  So nothing has to be looked for when a period ends, no lapse needs a
timer of its own, and an event that comes late corrects what was said.

Who will be a customer in later periods is known by when its silence ends: counted by the
boundary at which it is no longer one.

All of it is counted twice over: by segment, and by cohort, that is by the period in which a
customer came for the first time.  Cohorts would grow without end, so those of long ago are one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec

from stream.detector.calendar import local_time
from stream.detector.customer import Customer, begin_visit, complete_visit, prolong
from stream.detector.horizons import Horizons
from stream.detector.life import NOBODY_SPECIAL
from stream.detector.periods import Boundaries, Every
from stream.detector.policy import Decline, Policy
from stream.detector.segments import segment_of
from stream.detector.stays import STAYS_MAX, Close, Stay, Tenure, united
from stream.detector.visits import Visit

HERE: Final = 1 << 62
"""The end of a stay while its customer is here."""
LONG_AGO: Final = -HERE
"""The cohort of all who came before those that are told apart."""
COHORTS_MAX: Final = 14
"""Periods told apart by who came in them: the running one, the one before, and twelve more."""
_AGES_ALONE: Final = 3
_AGES_TOGETHER: Final = ((4, 6), (7, COHORTS_MAX - 2))

By = TypeVar("By", str, int)


class Counts(msgspec.Struct, array_like=True):
    """Customers of one segment in one period, as `stream.retention.figures.Period` has them."""

    at_start: int = 0
    lapsed: int = 0
    ended: int = 0
    new: int = 0
    back: int = 0

    @property
    def kept(self) -> int:
        """Of those at the start, those who still are at the end."""
        return self.at_start - self.lapsed - self.ended

    @property
    def at_end(self) -> int:
        """All who are customers at the end."""
        return self.kept + self.new + self.back


class Counted(msgspec.Struct, array_like=True):
    """One period; times in ms since 1970 UTC."""

    begin: int
    end: int
    segments: dict[str, Counts] = msgspec.field(default_factory=dict)
    cohorts: dict[int, Counts] = msgspec.field(default_factory=dict)
    """By the begin of the period in which they came for the first time; or `LONG_AGO`."""

    @property
    def everybody(self) -> Counts:
        """Add up the segments."""
        columns = zip(*map(msgspec.structs.astuple, self.segments.values()), strict=True)
        return Counts(*map(sum, columns))


class TurnoverState(msgspec.Struct, array_like=True):
    """What a checkpoint holds of it."""

    every: Every
    horizon_ms: int
    """The longest that anybody has."""
    since: int = 0
    """From when on (ms) all who are customers are known: a horizon after the first event."""
    running: Counted | None = None
    over: Counted | None = None
    """The period before the running one."""
    ends: dict[int, dict[str, int]] = msgspec.field(default_factory=dict)
    """Boundary (ms) -> segment -> customers who are none any more when it comes, if nothing more
    comes of them; `HERE`: while they are here."""
    time_zone: str = "UTC"
    """By whose midnights the periods begin."""
    cohort_ends: dict[int, dict[int, int]] = msgspec.field(default_factory=dict)
    """As `ends`, by cohort."""
    counts_cohorts: bool = False
    """False: written by a release that did not."""

    @classmethod
    def of(cls, policy: Policy, since: int = 0) -> "TurnoverState":
        """Begin with nobody counted, known from a moment on (ms)."""
        zone = policy.calendar.time_zone
        every, longest = policy.retention.every, policy.longest_horizon_ms
        return cls(every, longest, since, time_zone=zone, counts_cohorts=True)


class Turnover:
    """Counts the customers of one partition."""

    def __init__(self, policy: Policy, state: TurnoverState | None, horizons: Horizons) -> None:
        """Go on from a checkpoint's state, or begin with nobody counted."""
        fresh = TurnoverState.of(policy)
        self.state = fresh if state is None else state
        self._unknown = state is None  # a release that counted nobody was here before, or none
        self.changed = True
        """Something may be said of the period that is over which was not said yet."""
        self._passed: list[Counted] = []
        """Periods before that one of which the same holds: many, where a log is worked off."""
        self.until = self.state.running.end if self.state.running else HERE
        """When (ms) the running period is over; never, before the first visit."""
        self._policy = policy
        self._horizons = horizons
        self._calendar = Boundaries(policy.retention.every, local_time(policy.calendar))
        self._begins: list[int] = []
        """Of the periods whose cohorts are told apart, the running one last."""
        if self.state.running:
            self._begins = self._calendar.last(self.state.running.begin, COHORTS_MAX)

    @property
    def told(self) -> Counted | None:
        """Give the period that is over, if everybody was known by its begin."""
        over = self.state.over
        return over if over is not None and over.begin >= self.state.since else None

    @property
    def told_by_age(self) -> dict[str, Counts]:
        """Give its counts of those at its start, by how many periods before it they had come."""
        found: dict[str, Counts] = {}
        if self.told is not None:
            begins = self._begins[:-1]  # the period's own last
            for cohort, counts in self.told.cohorts.items():
                if age := len(begins) - bisect_right(begins, cohort):
                    _sum(found.setdefault(_age(age), Counts()), counts)
        return found

    def tell(self) -> list[Counted]:
        """Give the periods that are over and have changed since they were told, the latest last."""
        over = self.told if self.changed else None
        found = self._passed if over is None else [*self._passed, over]
        self.changed, self._passed = False, []
        return found

    def resume(
        self, everybody: Iterable[Customer], watermark: int, *, same_policy: bool
    ) -> TurnoverState:
        """Take up the work at a moment (ms); give the state that is counted in from now on.

        What another policy counted, or nobody did, is counted anew: of all `everybody` is.
        """
        same_counts = same_policy and self.state.counts_cohorts
        if watermark and (self._unknown or not same_counts):
            self._forget(watermark)
            for customer in everybody:
                self.count(customer, 1)
        self.state.counts_cohorts = True
        return self.state

    def _forget(self, watermark: int) -> None:
        """Forget all counts; with the same periods and horizon, what is known still is."""
        state = self.state
        fresh = TurnoverState.of(self._policy, watermark)
        if self._unknown or _terms(state) != _terms(fresh):
            state = fresh
        for counted in (state.running, state.over):
            if counted is not None:
                counted.segments, counted.cohorts = {}, {}
        state.ends, state.cohort_ends = {}, {}
        self.state = state
        self.roll(watermark)

    def roll(self, moment: int) -> None:
        """Let the periods end that are over at a moment (ms), before what is due then is done."""
        state = self.state
        if state.running is None:
            begin = self._calendar.begin(moment)
            state.running = Counted(begin, self._calendar.next(begin))
            state.since = state.since or moment + state.horizon_ms
            self._begins = self._calendar.last(begin, COHORTS_MAX)
        while state.running.end <= moment:
            begin = state.running.end
            self._passed = self.tell()
            state.over = state.running
            state.running = Counted(begin, self._calendar.next(begin))
            state.ends.pop(begin, None)
            state.cohort_ends.pop(begin, None)
            self._forget_cohort()
            _begin(state.ends, state.running.segments, state.running.end)
            _begin(state.cohort_ends, state.running.cohorts, state.running.end)
            self.changed = True
        self.until = state.running.end

    def _forget_cohort(self) -> None:
        """Tell one more cohort apart from now on, and the oldest one no longer."""
        state = self.state
        oldest = self._begins.pop(0)
        if state.running is not None:
            self._begins.append(state.running.begin)
        for ends in state.cohort_ends.values():
            if oldest in ends:
                ends[LONG_AGO] = ends.get(LONG_AGO, 0) + ends.pop(oldest)
        if state.over is not None and oldest in state.over.cohorts:
            older = state.over.cohorts.setdefault(LONG_AGO, Counts())
            _sum(older, state.over.cohorts.pop(oldest))

    # ------------------------------------------------------------ what customers do

    def count(self, customer: Customer, by: int, since: int = 0) -> None:
        """Count a customer as it stands (`by` 1), or take its count back (-1).

        `since` (ms): between the two, nothing of the time before changes.
        """
        stays = stays_of(customer, self._horizons.of(customer).ms)
        state = self.state
        if not stays or state.running is None:
            return
        kind = self.segment(customer), self._cohort(customer)
        if stays[-1].end > state.running.begin:
            self._count_end(stays[-1].end, kind, by)
        _add(state.running, customer, stays, kind, by)
        if state.over is not None and since < state.running.begin:
            self.changed |= _add(state.over, customer, stays, kind, by)

    def _count_end(self, end: int, kind: tuple[str, int], by: int) -> None:
        """Count the end (ms) of a stay, by the segment and the cohort of who stays."""
        place = HERE if end == HERE else self._calendar.reached(end)
        segment, cohort = kind
        _count(self.state.ends.setdefault(place, {}), segment, by)
        _count(self.state.cohort_ends.setdefault(place, {}), cohort, by)

    def _outlasts(self, customer: Customer, end: int) -> bool:
        """Say whether a customer's only stay, which is to end then (ms), outlasts the period.

        Whatever later end it is given, no count changes but that of the ends: as it is of most.
        """
        running = self.state.running
        only = customer.tenure is None and customer.visits > 0
        here = customer.observed and not customer.ended
        return only and here and running is not None and end > running.end

    def begin_visit(self, customer: Customer, visit: Visit) -> None:
        """Let a customer be here; it is a new stay, unless one goes on."""
        at = visit.begin
        if self.state.running is None:
            self.roll(at)
        horizon_ms = self._horizons.of(customer).ms
        end = customer.last_at + horizon_ms
        if not customer.visit_open and end > at and self._outlasts(customer, end):
            kind = self.segment(customer), self._cohort(customer)
            self._count_end(end, kind, -1)
            self._count_end(HERE, kind, 1)
            begin_visit(customer, visit)
            return
        stays = stays_of(customer, horizon_ms)
        self.count(customer, -1, at)
        if stays and stays[-1].end <= at:
            tenure = self._tenure(customer)
            tenure.before = [stay for stay in stays if stay.end > self._oldest][-STAYS_MAX:]
            tenure.begin, tenure.end, tenure.close, tenure.last = at, 0, Close.NOT, 0
        elif customer.tenure is not None and customer.tenure.close is Close.LAPSED:
            customer.tenure.end, customer.tenure.close = 0, Close.NOT  # it came late: it had not
        begin_visit(customer, visit)
        _simplify(customer)
        self.count(customer, 1, at)

    def complete_visit(self, customer: Customer, policy: Decline) -> None:
        """Let a customer's visit be over: its stay lasts until it has been silent for long."""
        horizon = self._horizons.of(customer)
        end, last_at = customer.last_at + horizon.ms, customer.last_at
        if customer.visit_open and self._outlasts(customer, end):
            kind = self.segment(customer), self._cohort(customer)
            self._count_end(HERE, kind, -1)
            self._count_end(end, kind, 1)
            complete_visit(customer, horizon.days, policy)
            return
        self.count(customer, -1, last_at)
        complete_visit(customer, horizon.days, policy)
        self.count(customer, 1, last_at)

    def prolong(self, customer: Customer, visit: Visit) -> None:
        """Let a customer's last visit, which was complete, have gone on for longer."""
        self.count(customer, -1)
        prolong(customer, visit.end, visit.volume)
        self.count(customer, 1)

    @contextmanager
    def changing_horizon(self, customer: Customer, at: int) -> Iterator[None]:
        """Let a customer's horizon change at a moment (ms), if it does.

        A stay that was over by then is; one whose silence is too long by the new one is from here.
        """
        before = self._horizons.of(customer)
        stays = stays_of(customer, before.ms)
        if not self._horizons.differ or not stays:
            yield
            return
        self.count(customer, -1)
        yield
        after, newest = self._horizons.of(customer), stays[-1]
        lasted = newest.close is Close.LAPSED and not (customer.tenure and customer.tenure.end)
        if after is not before and lasted and stays_of(customer, after.ms)[-1].end != HERE:
            by_now = min(newest.end, max(stays_of(customer, after.ms)[-1].end, at))
            if by_now <= at:
                tenure = self._tenure(customer)
                tenure.end, tenure.close = by_now, Close.LAPSED
        self.count(customer, 1)

    @contextmanager
    def joining(self, customer: Customer, other: Customer, at: int) -> Iterator[None]:
        """Let a customer have the stays of another id of its own, too, from a moment (ms) on."""
        own_ms, other_ms = self._horizons.of(customer).ms, self._horizons.of(other).ms
        mine, segment = stays_of(customer, own_ms), self.segment(customer)
        stays = united([*mine, *stays_of(other, other_ms)])
        last_at = max(customer.last_at, other.last_at)
        self.count(customer, -1)
        yield
        if stays:
            *before, newest = stays
            over = newest.close is not Close.LAPSED or newest.end <= at
            horizon_ms = own_ms if any(stay.end == newest.end for stay in mine) else other_ms
            customer.tenure = Tenure(
                begin=newest.begin,
                end=newest.end if over else 0,
                close=newest.close if over else Close.NOT,
                last=0 if over else last_at if newest.end == HERE else newest.end - horizon_ms,
                before=before[-STAYS_MAX:],
                moves=customer.tenure.moves if customer.tenure else [],
            )
        _simplify(customer)
        if self.segment(customer) != segment:
            self.move(customer, at, segment)
        self.count(customer, 1)

    def close(self, customer: Customer, at: int, close: Close) -> None:
        """End the stay that a customer is in at a moment (ms); it may have lapsed before."""
        stays = stays_of(customer, self._horizons.of(customer).ms)
        if stays:
            self.count(customer, -1)
            tenure, newest = self._tenure(customer), stays[-1]
            over = newest.end <= at
            tenure.end, tenure.close = (newest.end, newest.close) if over else (at, close)
            self.count(customer, 1)

    def move(self, customer: Customer, at: int, before: str) -> None:
        """Note that a customer was in another segment until a moment (ms); not counted here."""
        if customer.visits:
            tenure = self._tenure(customer)
            moves = [move for move in tenure.moves if move[0] > self._oldest]
            tenure.moves = [*moves, (at, before)][-STAYS_MAX:]

    def segment(self, customer: Customer) -> str:
        """Name the segment that a customer is in."""
        segments = self._policy.segments
        if not segments:
            return ""
        return segment_of(segments, (customer.life or NOBODY_SPECIAL).traits).name

    def _cohort(self, customer: Customer) -> int:
        """Give the begin (ms) of the period in which a customer came for the first time."""
        place = bisect_right(self._begins, customer.first_at)
        return self._begins[place - 1] if place else LONG_AGO

    @property
    def _oldest(self) -> int:
        """Give the moment (ms) before which nothing is counted any more."""
        state = self.state
        counted = state.over or state.running
        return counted.begin if counted is not None else 0

    def _tenure(self, customer: Customer) -> Tenure:
        """Give a customer's tenure, from now on remembered."""
        if customer.tenure is None:
            customer.tenure = Tenure(begin=customer.first_at)
        return customer.tenure


def stays_of(customer: Customer, horizon_ms: int) -> list[Stay]:
    """Give the stays of a customer, in order; the newest as if nothing more came."""
    if not customer.visits:
        return []
    tenure = customer.tenure
    if customer.visit_open:
        end = HERE
    else:
        end = horizon_ms + max(customer.last_at, tenure.last if tenure else 0)
    if tenure is None:
        if customer.ended or not customer.observed:  # by a release that kept no tenure
            return [Stay(customer.first_at, customer.last_at, Close.UNOBSERVED)]
        return [Stay(customer.first_at, end, Close.LAPSED)]
    if tenure.end:
        newest = Stay(tenure.begin, tenure.end, tenure.close)
    else:
        newest = Stay(tenure.begin, end, Close.LAPSED)
    return [*tenure.before, newest]


def _simplify(customer: Customer) -> None:
    """Forget of a tenure what the customer's other fields say as well."""
    tenure = customer.tenure
    if tenure is None:
        return
    if tenure.last <= customer.last_at:
        tenure.last = 0
    if tenure.before or tenure.end or tenure.moves or tenure.last:
        return
    if tenure.begin == customer.first_at:
        customer.tenure = None


def _add(
    period: Counted, customer: Customer, stays: list[Stay], kind: tuple[str, int], by: int
) -> bool:
    """Add a customer to the counts of a period, or take it out; tell whether it is in any.

    `kind` is its segment now, and its cohort.
    """
    begin, end = period.begin, period.end
    segment, cohort = kind
    before = after = False
    closed: list[Close] = []
    for since, until, close in stays:
        before |= since < begin < until
        after |= since < end < until
        if begin < until <= end:
            closed.append(close)
    if not (before or after) or Close.UNOBSERVED in closed:
        return False
    if customer.tenure is not None and customer.tenure.moves:
        segment = _segment_at(customer.tenure, begin if before else end, segment)
    for counts in (_of(period.segments, segment), _of(period.cohorts, cohort)):
        if before:
            counts.at_start += by
            if not after:
                _lose(counts, closed[-1], by)
        elif customer.first_at >= begin:
            counts.new += by
        else:
            counts.back += by
    return True


def _of(counted: dict[By, Counts], kind: By) -> Counts:
    """Give the counts of a segment, or of a cohort."""
    counts = counted.get(kind)
    if counts is None:
        counts = counted[kind] = Counts()
    return counts


def _count(customers: dict[By, int], kind: By, by: int) -> None:
    """Count customers of a segment, or of a cohort; none are not kept."""
    customers[kind] = left = customers.get(kind, 0) + by
    if not left:
        del customers[kind]


def _begin(ends: Mapping[int, Mapping[By, int]], counted: dict[By, Counts], end: int) -> None:
    """Count those who are customers when a period begins; who is due to leave by its end (ms)."""
    for boundary, kinds in ends.items():
        for kind, customers in kinds.items():
            counts = _of(counted, kind)
            counts.at_start += customers
            if boundary == end:
                counts.lapsed += customers


def _sum(counts: Counts, more: Counts) -> None:
    """Add counts to others."""
    for name in Counts.__struct_fields__:
        setattr(counts, name, getattr(counts, name) + getattr(more, name))


def _age(periods: int) -> str:
    """Name how long ago somebody came for the first time."""
    if periods <= _AGES_ALONE:
        return str(periods)
    return next((f"{a}-{b}" for a, b in _AGES_TOGETHER if periods <= b), f"{COHORTS_MAX - 1}+")


def _lose(counts: Counts, close: Close, by: int) -> None:
    """Count one who was there at the start and is not at the end."""
    if close is Close.ENDED:
        counts.ended += by
    else:
        counts.lapsed += by


def _segment_at(tenure: Tenure, moment: int, now: str) -> str:
    """Name the segment that a customer was in at a moment (ms)."""
    return next((before for at, before in tenure.moves if at > moment), now)


def _terms(state: TurnoverState) -> tuple[Every, int, str]:
    """Give what has to be the same for counts to go on: other periods begin elsewhere."""
    return state.every, state.horizon_ms, state.time_zone
