"""Decline: what became of customers who were told of while they still came.

Such an alert is no lapse to be noticed, so it is not judged as one.  What it says
is that the customer will use the product less.  So the active days of the horizon
after it are held against those of the horizon before it, and both against those
of customers who were much the same: active on about the same day, for about as
long a customer, about as often active until then, and not alerted on themselves.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.falls import FallsFound
from models.protocol import FALLS
from stream.backtest.active_days import ActiveDays
from stream.backtest.findings import Declining
from stream.backtest.history import Floats, Ints
from stream.backtest.judging import Alerts, Bools, Court
from stream.detector.events import DAY_MS

DAYS_APART = 3
"""Two customers are compared who were active at most so many days apart, ..."""
RATE_APART = 1.3
"""... whose active days per day so far differ by no more than this factor, ..."""
TENURE_APART = 1.5
"""... and their days as a customer by no more than this one."""
MATCHES = 5
"""Customers that each one alerted on is compared with, at most: the nearest by rate."""


def declining(
    alerts: Mapping[str, Alerts],
    records: Mapping[str, FallsFound],
    court: Court,
    days: ActiveDays,
) -> list[Declining]:
    """Say what became of the alerts of each fall, from the court's `begin` on."""
    found = []
    everything = [*alerts.values()]
    for fall, record in records.items():
        said = alerts[fall]
        later = said.time >= court.begin
        months = float(court.months.sum())
        before, after, before_others, after_others, count = _use(
            Alerts(said.customer[later], said.time[later]), everything, days
        )
        found.append(
            Declining(
                fall=fall,
                level_nats=record.level,
                alerts=int(later.sum()),
                alerts_per_customer_month=int(later.sum()) / months if months else None,
                resolved=record.resolved,
                came_true=record.came_true,
                controls=record.controls,
                controls_true=record.controls_true,
                compared=count,
                use_after=_ratio(after, before),
                use_after_of_others=_ratio(after_others, before_others),
            )
        )
    return found


def _use(
    alerts: Alerts, all_alerts: Sequence[Alerts], days: ActiveDays
) -> tuple[float, float, float, float, int]:
    """Add up active days before and after the alerts, and those of customers much the same.

    Only alerts count that have somebody to be compared with; gives how many those are, last.
    """
    horizon = days.history.horizon // DAY_MS
    rate = days.earlier / np.maximum(days.span, 1)
    free = _unalerted(all_alerts, days, horizon)
    keys = _key(days, days.customer, days.day)
    sums, count = np.zeros(4), 0
    for customer, time in zip(alerts.customer.tolist(), alerts.time.tolist(), strict=True):
        wanted = _key(days, np.array([customer]), np.array([time // DAY_MS]))
        place = int(np.searchsorted(keys, wanted, side="right")[0]) - 1
        near = free & (np.abs(days.day - days.day[place]) <= DAYS_APART)
        near &= (days.customer != customer) & _within(rate, rate[place], RATE_APART)
        near &= _within(days.span, days.span[place], TENURE_APART)
        others = np.flatnonzero(near)
        if not len(others) or not _observed(days, np.array([place]), horizon)[0]:
            continue
        nearest = others[np.argsort(np.abs(rate[others] - rate[place]), kind="stable")[:MATCHES]]
        own = _counts(days, np.array([place]), horizon).mean(axis=1)
        sums += [*own, *_counts(days, nearest, horizon).mean(axis=1)]
        count += 1
    before, after, before_others, after_others = sums.tolist()
    return before, after, before_others, after_others, count


def _unalerted(all_alerts: Sequence[Alerts], days: ActiveDays, horizon: int) -> Bools:
    """Tell of each active day whether nobody alerted on its customer within a horizon of it."""
    free = _observed(days, np.arange(len(days)), horizon)
    for alerts in all_alerts:
        for customer, time in zip(alerts.customer.tolist(), alerts.time.tolist(), strict=True):
            near = (days.customer == customer) & (np.abs(days.day - time // DAY_MS) <= horizon)
            free &= ~near
    return free


def _observed(days: ActiveDays, places: Ints, horizon: int) -> Bools:
    """Tell whether a whole horizon after an active day was watched."""
    end: Bools = days.day[places] + horizon <= days.history.end[days.customer[places]] // DAY_MS
    return end


def _counts(days: ActiveDays, places: Ints, horizon: int) -> Floats:
    """Count active days in the horizon up to each, itself included, and after it: shape (2, n)."""
    keys = _key(days, days.customer, days.day)
    customer, day = days.customer[places], days.day[places]
    begin = np.searchsorted(keys, _key(days, customer, day - horizon), side="right")
    end = np.searchsorted(keys, _key(days, customer, day + horizon), side="right")
    return np.array([places + 1 - begin, end - places - 1], np.float64)


def _key(days: ActiveDays, customer: Ints, day: Ints) -> Ints:
    """Give integers that are in the order of customers, then days."""
    first = int(days.day.min())
    span = int(days.day.max()) - first + 1
    return customer * (span + 2) + np.clip(day - first + 1, 0, span + 1)


def _within(values: Floats | Ints, value: float, factor: float) -> Bools:
    """Tell which values are within a factor of one."""
    near: Bools = (values <= value * factor) & (values * factor >= value)
    return near


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def by_fall(said: Sequence[tuple[str, str, int]], codes: Mapping[str, int]) -> dict[str, Alerts]:
    """Give the alerts of each fall: of (fall, customer id, time in ms)."""
    found = {}
    for fall in FALLS:
        own = [(codes[customer_id], at) for name, customer_id, at in said if name == fall]
        table = np.array(own, np.int64).reshape(-1, 2)
        found[fall] = Alerts(table[:, 0], table[:, 1])
    return found
