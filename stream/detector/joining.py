"""Joining: what was known of a customer under two ids, made into one.

Neither history is there any more, only what was made of it, so the rhythm of both
together is estimated.  Counted exactly are the visits, the time between the first
and the last, and with them the mean gap, which the prior and what is overdue are
reckoned by.  The running moments of ln(gap) are put together in one of two ways:

- one id after the other (they share less than half of the shorter one's time):
  the mean of both, each by its gaps.  The silence between them is a gap, too.
- side by side (a telephone and a desk): whoever comes at two rates comes at their
  sum, so the usual gap g has 1/g = 1/a + 1/b.  No gap of both is longer than the
  shorter of the two longest.

Spread, trend and variance are means by gaps in either case.

What was told of both (`Life`) is put together: of a trait that both have, the one told
later counts; who got going under one id has got going; all tickets are open.  That a
trait was taken back is not remembered, so the other id's may bring it back.
"""

from math import exp, log

from stream.detector import cadence
from stream.detector.cadence import Rhythm
from stream.detector.customer import Customer, whole
from stream.detector.life import TICKETS_MAX, Life
from stream.detector.visits import Visit

_HISTORY = (
    *("rhythm", "levels", "first_at", "visits", "visit_gap_ms", "visit_open", "visit_at"),
    *("last_at", "visit_volume", "visit_kinds", "volume", "volume_usual", "kinds", "kinds_usual"),
    *("rung", "best_value", "paused_ms", "observed", "ended", "falling", "dial"),
)


def join(customer: Customer, other: Customer, visit_gap_ms: int) -> Visit | None:
    """Take the visits of `other` into `customer`, but for the one that is given back.

    That is its last one, where it came after all that was known of the customer: it
    ends a silence, and has to begin as any other visit does.
    """
    customer.volume_total = whole(customer.volume_total + other.volume_total)
    if not customer.account_id:
        customer.account_id, customer.moved = other.account_id, other.moved
    customer.life = _join_life(customer.life, other.life)
    customer.false_alarm_at = max(customer.false_alarm_at, other.false_alarm_at)
    since = [at for at in (customer.eligible_since, other.eligible_since) if at]
    customer.eligible_since = min(since, default=0)
    if other.visits and customer.visits:
        return _join_visits(customer, other, visit_gap_ms)
    if other.visits:
        ended, observed = customer.ended, customer.observed
        for name in _HISTORY:
            setattr(customer, name, getattr(other, name))
        customer.ended |= ended
        customer.observed &= observed
        if customer.life and other.life:
            customer.life.paused |= other.life.paused
    return None


def _join_life(life: Life | None, other: Life | None) -> Life | None:
    """Give what was told of a customer under either id; paused it is, if it was under its own.

    The other's pause counts only with the other's visits: a pause is over with the next one.
    """
    if other is None:
        return life
    if life is None:
        life = Life()
    older, newer = (life, other) if other.traits_at > life.traits_at else (other, life)
    activated = [at for at in (life.activated_at, other.activated_at) if at]
    return Life(
        traits={**older.traits, **newer.traits},
        traits_at=newer.traits_at,
        activated_at=min(activated, default=0),
        tickets=sorted([*life.tickets, *other.tickets])[-TICKETS_MAX:],
        contacted_at=max(life.contacted_at, other.contacted_at),
        paused=life.paused,
    )


def _join_visits(customer: Customer, other: Customer, visit_gap_ms: int) -> Visit | None:
    """Do so where both ids have been here."""
    last = _last_visit(other)
    touches = (
        last.begin - visit_gap_ms < customer.last_at
        and customer.visit_at - visit_gap_ms < other.last_at
    )
    later = last.end > customer.last_at
    between = max(customer.first_at - other.last_at, other.first_at - customer.last_at, 0)
    customer.rhythm = _rhythm_of_both(customer, other, 0 if touches else between)
    known, more = customer.visits, other.visits
    total = known + more
    customer.volume_usual = (known * customer.volume_usual + more * other.volume_usual) / total
    customer.kinds_usual = (known * customer.kinds_usual + more * other.kinds_usual) / total
    customer.first_at = min(customer.first_at, other.first_at)
    if not touches and not later:
        customer.visits = total
        if customer.visit_open and other.last_at < customer.visit_at:
            customer.visit_gap_ms = min(customer.visit_gap_ms, customer.visit_at - other.last_at)
    else:
        customer.visits = total - 1
        if touches and customer.visit_open:
            _widen(customer, last)
    customer.rhythm.gaps = max(0, customer.visits - customer.visit_open - 1)
    if later and not customer.visit_open:
        if not other.visit_open:  # it will be counted once more
            customer.volume_total = whole(customer.volume_total - last.volume)
        return last
    if other.visit_open and not (touches and customer.visit_open):
        customer.volume_total = whole(customer.volume_total + last.volume)  # nobody else counts it
    return None


def join_waiting(
    waiting: tuple[Visit, ...], more: tuple[Visit, ...], visit_gap_ms: int
) -> tuple[Visit, ...]:
    """Put visits that wait on one id's time line among those of another's."""
    joined: list[Visit] = []
    for visit in sorted((*waiting, *more), key=lambda visit: (visit.begin, visit.end)):
        if joined and visit.begin - joined[-1].end < visit_gap_ms:
            before = joined[-1]
            joined[-1] = Visit(
                before.begin,
                max(before.end, visit.end),
                before.volume + visit.volume,
                before.kinds | visit.kinds,
            )
        else:
            joined.append(visit)
    return tuple(joined)


def _last_visit(customer: Customer) -> Visit:
    """Give a customer's last visit; of one that is complete, as many kinds as it had."""
    if customer.visit_open:
        volume, kinds = customer.visit_volume, customer.visit_kinds
    else:
        volume, kinds = customer.volume, (1 << customer.kinds) - 1
    return Visit(customer.visit_at, customer.last_at, volume, kinds)


def _widen(customer: Customer, visit: Visit) -> None:
    """Let the visit under way be the same one as another that it touches."""
    earlier = max(0, customer.visit_at - visit.begin)
    customer.visit_at -= earlier
    customer.visit_gap_ms = max(0, customer.visit_gap_ms - earlier)
    customer.last_at = max(customer.last_at, visit.end)
    customer.visit_volume += visit.volume
    customer.visit_kinds |= visit.kinds


def _rhythm_of_both(one: Customer, other: Customer, between_ms: int) -> Rhythm:
    """Estimate the rhythm of two ids together, but for the number of gaps.

    `between_ms` is the silence from the end of one to the begin of the other; 0: none.
    """
    a, b = one.rhythm, other.rhythm
    newest = a if one.visit_at >= other.visit_at or not b.gaps else b
    if not (a.gaps and b.gaps):
        known = a if a.gaps or not b.gaps else b
        longest, survived, log_mean = known.longest_gap, known.survived, known.log_mean
    elif _side_by_side(one, other):
        longest, survived = min(a.longest_gap, b.longest_gap), min(a.survived, b.survived)
        log_mean = -log(exp(-a.log_mean) + exp(-b.log_mean))
    else:
        longest, survived = max(a.longest_gap, b.longest_gap), a.survived + b.survived
        log_mean = _mean(a.log_mean, b.log_mean, a.gaps, b.gaps)
    return Rhythm(
        last_gap=newest.last_gap,
        longest_gap=max(longest, cadence.days(between_ms)),
        log_mean=log_mean,
        log_variance=_mean(a.log_variance, b.log_variance, a.gaps, b.gaps),
        spread=_mean(a.spread, b.spread, a.gaps, b.gaps),
        trend=_mean(a.trend, b.trend, a.gaps, b.gaps),
        survived=survived,
    )


def _side_by_side(one: Customer, other: Customer) -> bool:
    """Tell whether two ids share at least half of the time of the shorter lived.

    By the begins of visits: how long one under way lasts may not be known yet.
    """
    shared = min(one.visit_at, other.visit_at) - max(one.first_at, other.first_at)
    shorter = min(one.visit_at - one.first_at, other.visit_at - other.first_at)
    return 0 < shorter <= 2 * shared


def _mean(a: float, b: float, a_gaps: int, b_gaps: int) -> float:
    """Give the mean of what is known from so many gaps; of the prior's, where there are none."""
    gaps = a_gaps + b_gaps
    return (a * a_gaps + b * b_gaps) / gaps if gaps else a
