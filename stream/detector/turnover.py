"""Turnover: who was a customer when a period began, and what became of them by its end.

The figures of `slipaway retention`, kept as events come: of the period that runs, and of
the last one that is over.  A customer counts as it would if nothing more came of it;
whatever it does is taken into account by taking its count back before, and counting it
anew afterwards.  So nothing has to be looked for when a period ends, no lapse needs a
timer of its own, and an event that comes late corrects what was said.

Who will be a customer in later periods is known by when its silence ends: counted by the
boundary at which it is no longer one.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

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

    @classmethod
    def of(cls, policy: Policy, since: int = 0) -> "TurnoverState":
        """Begin with nobody counted, known from a moment on (ms)."""
        zone = policy.calendar.time_zone
        return cls(policy.retention.every, policy.longest_horizon_ms, since, time_zone=zone)


class Turnover:
    """Counts the customers of one partition."""

    def __init__(self, policy: Policy, state: TurnoverState | None, horizons: Horizons) -> None:
        """Go on from a checkpoint's state, or begin with nobody counted."""
        fresh = TurnoverState.of(policy)
        self.state = fresh if state is None else state
        self._unknown = state is None  # a release that counted nobody was here before, or none
        self.changed = True
        """Something may be said of the period that is over which was not said yet."""
        self.until = self.state.running.end if self.state.running else HERE
        """When (ms) the running period is over; never, before the first visit."""
        self._policy = policy
        self._horizons = horizons
        self._calendar = Boundaries(policy.retention.every, local_time(policy.calendar))

    @property
    def told(self) -> Counted | None:
        """Give the period that is over, if everybody was known by its begin."""
        over = self.state.over
        return over if over is not None and over.begin >= self.state.since else None

    def resume(
        self, everybody: Iterable[Customer], watermark: int, *, same_policy: bool
    ) -> TurnoverState:
        """Take up the work at a moment (ms); give the state that is counted in from now on.

        What another policy counted, or nobody did, is counted anew: of all `everybody` is.
        """
        if watermark and (self._unknown or not same_policy):
            self._forget(watermark)
            for customer in everybody:
                self.count(customer, 1)
        return self.state

    def _forget(self, watermark: int) -> None:
        """Forget all counts; with the same periods and horizon, what is known still is."""
        state = self.state
        fresh = TurnoverState.of(self._policy, watermark)
        if self._unknown or _terms(state) != _terms(fresh):
            state = fresh
        for counted in (state.running, state.over):
            if counted is not None:
                counted.segments = {}
        state.ends = {}
        self.state = state
        self.roll(watermark)

    def roll(self, moment: int) -> None:
        """Let the periods end that are over at a moment (ms), before what is due then is done."""
        state = self.state
        if state.running is None:
            begin = self._calendar.begin(moment)
            state.running = Counted(begin, self._calendar.next(begin))
            state.since = state.since or moment + state.horizon_ms
        while state.running.end <= moment:
            begin = state.running.end
            state.over = state.running
            state.running = Counted(begin, self._calendar.next(begin))
            state.ends.pop(begin, None)
            self._begin(state.running)
            self.changed = True
        self.until = state.running.end

    def _begin(self, period: Counted) -> None:
        """Count those who are customers when a period begins; some of whom are due to leave."""
        for boundary, segments in self.state.ends.items():
            for segment, customers in segments.items():
                counts = period.segments.setdefault(segment, Counts())
                counts.at_start += customers
                if boundary == period.end:
                    counts.lapsed += customers

    # ------------------------------------------------------------ what customers do

    def count(self, customer: Customer, by: int, since: int = 0) -> None:
        """Count a customer as it stands (`by` 1), or take its count back (-1).

        `since` (ms): between the two, nothing of the time before changes.
        """
        stays = stays_of(customer, self._horizons.of(customer).ms)
        state = self.state
        if not stays or state.running is None:
            return
        segment = self.segment(customer)
        if stays[-1].end > state.running.begin:
            self._count_end(stays[-1].end, segment, by)
        _add(state.running, customer, stays, segment, by)
        if state.over is not None and since < state.running.begin:
            self.changed |= _add(state.over, customer, stays, segment, by)

    def _count_end(self, end: int, segment: str, by: int) -> None:
        """Count the end (ms) of a stay."""
        place = HERE if end == HERE else self._calendar.reached(end)
        segments = self.state.ends.setdefault(place, {})
        segments[segment] = left = segments.get(segment, 0) + by
        if not left:
            del segments[segment]

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
            segment = self.segment(customer)
            self._count_end(end, segment, -1)
            self._count_end(HERE, segment, 1)
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
            segment = self.segment(customer)
            self._count_end(HERE, segment, -1)
            self._count_end(end, segment, 1)
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
    """Forget a tenure that says nothing but what the customer's other fields say."""
    tenure = customer.tenure
    if tenure is None or tenure.before or tenure.end or tenure.moves:
        return
    if tenure.begin == customer.first_at and tenure.last <= customer.last_at:
        customer.tenure = None


def _add(period: Counted, customer: Customer, stays: list[Stay], segment: str, by: int) -> bool:
    """Add a customer to the counts of a period, or take it out; tell whether it is in any."""
    begin, end = period.begin, period.end
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
    counts = period.segments.get(segment)
    if counts is None:
        counts = period.segments[segment] = Counts()
    if before:
        counts.at_start += by
        if not after:
            _lose(counts, closed[-1], by)
    elif customer.first_at >= begin:
        counts.new += by
    else:
        counts.back += by
    return True


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
