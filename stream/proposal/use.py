"""Use: what a log says of its events and of how often people come."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS

Ints = NDArray[np.int64]

GAPS_MS = tuple(round(minutes * MINUTE_MS) for minutes in (10, 20, 30, 60, 120, 240, 480, 720))
HORIZONS_DAYS = (3, 5, 7, 10, 14, 20, 30, 45, 60, 90, 120, 180, 270, 365)
LATE_RETURNS = 0.15
"""The share of returns that may come after a longer silence than the horizon: gone by its
definition, and back all the same.  Smaller: longer horizons, and a lapse is known later."""
HORIZONS_LEAST = 2
"""Horizons that a log has to cover for a backtest."""
DAYS_LEAST = 20
"""Days of customers with an event, for what came after to mean anything."""
_HALF_OCTAVE = 0.5
_WITHOUT_CUSTOMER = re.compile(
    r"(?i)sync|heart.?beat|ping\b|background|cron|batch.?job"
    r"|(e?mail|push|sms|notification)[_ .-]*(sent|deliver|bounce|receiv|open)"
)
_LEAVING = re.compile(
    r"(?i)cancel|unsubscri|churn|terminat|(clos|delet|deactivat)\w*[_ .-]*(account|subscription)"
    r"|(account|subscription)[_ .-]*(clos|delet|deactivat|end)"
)
_LOOKING = re.compile(r"(?i)view|page|click|open|start|visit|seen")


class Kind(NamedTuple):
    """One name of events."""

    name: str
    events: int
    customers: int
    gone: float | None
    """Of a customer's days with it, the share after which nothing at all came for a horizon; None:
    there are too few that could be watched for so long."""


class Use(NamedTuple):
    """What a log says."""

    events: int
    customers: int
    days: float
    visit_gap_ms: int
    returns: int
    """Visits that followed another of the same customer."""
    usual_gap_days: float | None
    """Median between visits; None: nobody came twice."""
    horizon_days: int
    late_returns: float
    """The share of returns that came after a longer silence."""
    covered: bool
    """The log is long enough to say so."""
    kinds: tuple[Kind, ...]
    """The most frequent first."""
    gone: float
    """`Kind.gone` of anything at all."""


def use(batches: Iterable[EventBatch], *, whole_days: bool) -> Use:
    """Look at a log, given in order of time."""
    customers: dict[str, int] = {}
    names: dict[str, int] = {}
    parts: list[tuple[Ints, Ints, Ints]] = []
    for batch in batches:
        count = len(batch)
        who = (customers.setdefault(customer, len(customers)) for customer in batch.customer_ids)
        what = (names.setdefault(name, len(names)) for name in batch.names)
        columns = np.fromiter(who, np.int64, count), np.fromiter(what, np.int64, count)
        parts.append((*columns, np.array(batch.occurred_at, np.int64)))
    none = (np.zeros(0, np.int64),) * 3
    customer, name, time = (np.concatenate(c) for c in zip(none, *parts, strict=True))
    order = np.lexsort((time, customer))
    customer, name, time = customer[order], name[order], time[order]
    gaps = np.diff(time)[customer[1:] == customer[:-1]]
    days = float(time.max(initial=0) - time.min(initial=time.max(initial=0))) / DAY_MS
    visit_gap = 12 * HOUR_MS if whole_days else _visit_gap(gaps)
    between = gaps[gaps >= visit_gap] / DAY_MS
    horizon, late = _horizon(between, days)
    kinds, gone = _kinds(customer, name, time, list(names), horizon)
    return Use(
        events=len(time),
        customers=len(customers),
        days=days,
        visit_gap_ms=visit_gap,
        returns=len(between),
        usual_gap_days=float(np.median(between)) if len(between) else None,
        horizon_days=horizon,
        late_returns=late,
        covered=late <= LATE_RETURNS and days >= HORIZONS_LEAST * horizon,
        kinds=kinds,
        gone=gone,
    )


def is_without_customer(name: str) -> bool:
    """Tell whether a name says that no customer was there."""
    return bool(_WITHOUT_CUSTOMER.search(name))


def is_leaving(name: str) -> bool:
    """Tell whether a name says that a customer left."""
    return bool(_LEAVING.search(name)) and not is_hesitating(name)


def is_hesitating(name: str) -> bool:
    """Tell whether a name says that a customer looked at how to leave."""
    return bool(_LEAVING.search(name)) and bool(_LOOKING.search(name))


def _visit_gap(gaps: Ints) -> int:
    """Find the gap that fewest events have: within visits they are shorter, between them longer."""
    found = np.log2(gaps[gaps > 0] / MINUTE_MS)
    if not len(found):
        return 30 * MINUTE_MS
    counts = [int((abs(found - np.log2(gap / MINUTE_MS)) < _HALF_OCTAVE).sum()) for gap in GAPS_MS]
    return GAPS_MS[int(np.argmin(counts))]


def _horizon(between: NDArray[np.float64], days: float) -> tuple[int, float]:
    """Give the shortest horizon after which hardly anybody returns; and what share does."""
    fitting = [horizon for horizon in HORIZONS_DAYS if HORIZONS_LEAST * horizon <= days]
    shares = [float((between > horizon).mean()) if len(between) else 1.0 for horizon in fitting]
    for horizon, share in zip(fitting, shares, strict=True):
        if share <= LATE_RETURNS:
            return horizon, share
    return (fitting[-1], shares[-1]) if fitting else (HORIZONS_DAYS[0], 1.0)


def _kinds(
    customer: Ints, name: Ints, time: Ints, names: list[str], horizon_days: int
) -> tuple[tuple[Kind, ...], float]:
    """Say of each name how many there are, and how often nothing came after a day with it."""
    day = time // DAY_MS
    end = int(day.max(initial=0))
    known = day + horizon_days <= end
    new_day = _changes(customer, day)
    # Of each day of a customer, the next one; the events of a day share theirs.
    first = np.flatnonzero(new_day)
    later = np.append(day[first][1:], end)
    later[np.append(_changes(customer[first])[1:], True)[: len(later)]] = np.iinfo(np.int64).max
    gone = (later - day[first] > horizon_days)[np.cumsum(new_day) - 1]
    kinds = []
    for code in np.argsort(-np.bincount(name, minlength=len(names)), kind="stable").tolist():
        places = np.flatnonzero(name == code)
        days = places[_changes(customer[places], day[places])]
        asked = days[known[days]]
        kinds.append(
            Kind(
                name=names[code],
                events=len(places),
                customers=int(_changes(customer[places]).sum()),
                gone=float(gone[asked].mean()) if len(asked) >= DAYS_LEAST else None,
            )
        )
    asked = first[known[first]]
    return tuple(kinds), float(gone[asked].mean()) if len(asked) else 0.0


def _changes(*columns: Ints) -> NDArray[np.bool_]:
    """Tell where a row differs from the one before."""
    changed = np.ones(len(columns[0]), np.bool_)
    changed[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changed
