"""Rules: what a company would do without us, each with the settings it could be given.

| name | alerts on a customer who | setting |
| --- | --- | --- |
| `idle` | has been silent for so many days, everybody alike | 30 days, and 7 |
| `hiatus` | likewise | any number of days |
| `own_gap` | has been silent for so many of its own usual gaps, at least horizon/30 | gaps |
| `drop` | was so much less active in two weeks than in the two before | share left |
| `expected` | is expected so seldom within a horizon, by a BTYD model refitted monthly | days |

All are causal: an alert depends on what happened before it.  It opens once in
a silence, and anew after the next activity.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import hyp2f1

from models.baseline import Prior
from models.fitting import fit
from stream.backtest.active_days import ActiveDays
from stream.backtest.history import Floats, Ints
from stream.backtest.judging import Alerts
from stream.detector.events import DAY_MS

REFIT_DAYS = 30
FIT_CUSTOMERS = 4_000
LEAST_DAYS = 1.0
"""Nobody is called silent sooner."""
DROP_DAYS = 14
EXPECTED_STEPS = 40
"""Silences within a horizon at which `expected` looks."""

Settings = Iterator[tuple[float, Alerts]]
"""Each setting, and its alerts."""
Rule = Callable[[ActiveDays], Settings]


def idle(days: ActiveDays) -> Settings:
    """Alert after a fixed silence: the two that most dashboards have."""
    for silent in (30.0, 7.0):
        yield silent, days.silences(np.full(len(days), silent))


def hiatus(days: ActiveDays) -> Settings:
    """Alert after the same silence for everybody, whichever is the best.

    Of a segment with a horizon of its own, after the same share of that.
    """
    horizon = days.history.horizon / DAY_MS
    for silent in horizon * np.geomspace(1 / 30, 1, 24):
        yield float(silent), days.silences(silent * (days.horizon / horizon))


def own_gap(days: ActiveDays) -> Settings:
    """Alert after so many of the customer's own usual gaps."""
    least = np.maximum(LEAST_DAYS, days.horizon / 30)
    for gaps in np.geomspace(0.5, 80, 26):
        yield float(gaps), days.silences(np.maximum(gaps * days.usual_gap, least))


def drop(days: ActiveDays) -> Settings:
    """Alert when the activity of two weeks falls below a share of the two before."""
    customer, midnight, left = _fortnights(days)
    for share in (0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.0):
        fallen = left <= share
        before = np.zeros(len(fallen), np.bool_)
        before[1:] = fallen[:-1] & (customer[1:] == customer[:-1])
        before[1:] &= midnight[1:] - midnight[:-1] == DAY_MS
        opens = fallen & ~before
        yield share, Alerts(customer[opens], midnight[opens])


def _fortnights(days: ActiveDays) -> tuple[Ints, Ints, Floats]:
    """Give customer, midnight and the share of the volume that is left, by customer and midnight.

    Of who was eligible at some time, where the fortnight before had two events at least.
    """
    customers: list[Ints] = []
    midnights: list[Ints] = []
    left: list[Floats] = []
    begins = np.flatnonzero(days.earlier == 0)
    for begin, end in zip(begins, np.append(begins[1:], len(days)), strict=True):
        if end - begin <= 2:  # noqa: PLR2004 - three active days make eligible
            continue
        customer, first = int(days.customer[begin]), int(days.day[begin])
        watched = int(days.history.end[customer] // DAY_MS) - first + 1
        volume = np.zeros(max(watched, int(days.day[end - 1]) - first + 1))
        volume[days.day[begin:end] - first] = days.volume[begin:end]
        total = np.append(0.0, np.cumsum(volume))
        last = np.arange(2 * DROP_DAYS - 1, watched - 1)  # whose midnight is still watched
        now = total[last + 1] - total[last + 1 - DROP_DAYS]
        before = total[last + 1 - DROP_DAYS] - total[last + 1 - 2 * DROP_DAYS]
        enough = before >= 2  # noqa: PLR2004 - one event may be anything
        midnights.append((first + last[enough] + 1) * DAY_MS)
        customers.append(np.full(int(enough.sum()), customer))
        left.append(now[enough] / before[enough])
    if not customers:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    return np.concatenate(customers), np.concatenate(midnights), np.concatenate(left)


def expected(days: ActiveDays) -> Settings:
    """Alert on who is expected on too few days of the next horizon."""
    levels = np.geomspace(0.003, 12, 30)
    allowed = np.full((len(levels), len(days)), np.inf)
    for prior, fitted in _fitted(days):
        for silence, silent, worth in _worth(prior, days, fitted):
            for level, until in zip(levels, allowed, strict=True):
                low = silent[(worth < level) & np.isinf(until[silent])]
                until[low] = silence
    for level, until in zip(levels, allowed, strict=True):
        yield float(level), days.silences(until)


def _worth(prior: Prior, days: ActiveDays, fitted: Ints) -> Iterator[tuple[float, Ints, Floats]]:
    """Give each silence (days), the active days it follows, and those expected after it."""
    for horizon in np.unique(days.horizon[fitted]).tolist():
        places = fitted[days.horizon[fitted] == horizon]
        for silence in np.unique(np.maximum(horizon * np.linspace(1 / 40, 1, 40), LEAST_DAYS)):
            silent = places[days.next[places] > days.last[places] + silence * DAY_MS]
            yield silence, silent, _days_expected(prior, days, silent, float(silence), horizon)


def _fitted(days: ActiveDays) -> Iterator[tuple[Prior, Ints]]:
    """Give each fit, and the active days of eligible customers up to the next."""
    refits = days.refits(REFIT_DAYS)
    last_refit = np.searchsorted(refits, days.first, side="right") - 1
    for number, moment in enumerate(refits.tolist()):
        known = days.known_at(moment)
        chosen = known[np.linspace(0, len(known) - 1, min(len(known), FIT_CUSTOMERS)).astype(int)]
        age = moment // DAY_MS - (days.day[chosen] - days.span[chosen])
        prior = fit(list(zip(days.earlier[chosen], days.span[chosen], age, strict=True)))
        if prior is not None:
            yield prior, np.flatnonzero((last_refit == number) & (days.earlier >= 2))  # noqa: PLR2004


def _days_expected(
    prior: Prior, days: ActiveDays, places: Ints, silence: float, ahead: float
) -> Floats:
    """Give the active days expected in the next `ahead` days of who has been silent (MBG/NBD).

    Batislam, Denizel & Filiztekin (2007), equation for the conditional expectation.
    """
    r, alpha, a, b = prior
    a = 1.001 if abs(a - 1) < 1e-3 else a  # noqa: PLR2004 - the formula has a pole there
    x, span = days.earlier[places], days.span[places]
    age = alpha + span + silence
    odds = a / (b + x) * (age / (alpha + span)) ** (r + x)
    bend = hyp2f1(r + x, b + x + 1, a + b + x, ahead / (age + ahead))
    visits = (a + b + x) / (a - 1) * (1 - bend * (age / (age + ahead)) ** (r + x))
    days_expected: Floats = np.maximum(visits, 0) / (1 + odds)
    return days_expected


RULES: dict[str, Rule] = {
    "idle": idle,
    "hiatus": hiatus,
    "own_gap": own_gap,
    "drop": drop,
    "expected": expected,
}
