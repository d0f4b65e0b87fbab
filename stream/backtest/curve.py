"""Curves: what each setting of a dial buys, read at equal rates of false alarms.

Two detectors can only be compared where both disturb customers who stay equally
often.  Each setting is a point; between two points a curve is a line, which
leaving out alerts at random would reach, and so it is below the strictest one,
towards no alerts and a whole horizon of delay.  Above the laxest it is flat.

How far a difference could be chance is found by drawing customers with
replacement: alerts of one customer are not independent, customers are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from stream.backtest.history import Floats
from stream.backtest.judging import Alerts, Court
from stream.detector.events import DAY_MS

RATES = (0.02, 0.05, 0.10, 0.20, 0.50)
"""False alarms per customer-month."""
DRAWS = 400
SHARE = 0.95
"""Of the draws, within an interval."""
_FALSE, _NOTICED, _BY_HALF, _DELAY = range(4)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A curve at one rate."""

    false_per_customer_month: float
    recall: float
    recall_by_half_horizon: float
    mean_delay_days: float
    """A lapse that nobody noticed counts as a whole horizon."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The mean delay of one curve less that of another, at one rate, with its interval."""

    false_per_customer_month: float
    days: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Curve:
    """The sums that figures are made of: of each setting, for each customer."""

    court: Court
    sums: Floats
    """Shape (settings, 4, customers): false alarms, lapses noticed, noticed in half of the horizon,
    days of delay."""

    @classmethod
    def of(cls, court: Court, settings: Iterable[Alerts]) -> "Curve":
        """Judge the alerts of every setting."""
        size = len(court.history.customers)
        horizon = court.history.horizon / DAY_MS
        tables = []
        for alerts in settings:
            found = court.judge(alerts)
            noticed = ~np.isnan(found.delay)
            early = noticed & (np.nan_to_num(found.delay, nan=np.inf) <= horizon / 2)
            tables.append(
                [
                    np.bincount(found.customer[found.false], minlength=size),
                    np.bincount(court.lapsed[noticed], minlength=size),
                    np.bincount(court.lapsed[early], minlength=size),
                    np.bincount(court.lapsed, np.where(noticed, found.delay, horizon), size),
                ]
            )
        return cls(court, np.array(tables, dtype=float).reshape(-1, 4, size))

    def read(self, rates: Sequence[float] = RATES) -> list[Reading]:
        """Read the curve at these rates; empty where there is nothing to be noticed."""
        found = self.figures(np.ones(len(self.court.history.customers)), rates)
        if found is None:
            return []
        return [
            Reading(
                false_per_customer_month=rate,
                recall=float(recall),
                recall_by_half_horizon=float(by_half),
                mean_delay_days=float(delay),
            )
            for rate, (recall, by_half, delay) in zip(rates, found, strict=True)
        ]

    def against(
        self, other: "Curve", rates: Sequence[float] = RATES, *, draws: int = DRAWS, seed: int = 0
    ) -> list[Difference]:
        """Say how many days later this curve is than another of the same court."""
        size = len(self.court.history.customers)
        draw = np.random.default_rng(seed)
        everybody = self._later(other, np.ones(size), rates)
        if everybody is None:
            return []
        counted = np.flatnonzero((self.court.months > 0) | (self.court.lapses > 0))
        found = []
        for _ in range(draws):
            picked = counted[draw.integers(0, len(counted), len(counted))]
            later = self._later(other, np.bincount(picked, minlength=size).astype(float), rates)
            if later is not None:
                found.append(later)
        low, high = np.quantile(found, [(1 - SHARE) / 2, (1 + SHARE) / 2], axis=0)
        return [
            Difference(
                false_per_customer_month=rate,
                days=float(everybody[number]),
                low=float(low[number]),
                high=float(high[number]),
            )
            for number, rate in enumerate(rates)
        ]

    def _later(self, other: "Curve", weight: Floats, rates: Sequence[float]) -> Floats | None:
        mine, theirs = self.figures(weight, rates), other.figures(weight, rates)
        return None if mine is None or theirs is None else mine[:, -1] - theirs[:, -1]

    def figures(self, weight: Floats, rates: Sequence[float]) -> Floats | None:
        """Give recall, recall by half and mean delay, shape (rates, 3); customers weighted."""
        months, lapses = self.court.months @ weight, self.court.lapses @ weight
        if not (months and lapses):
            return None
        totals = self.sums @ weight
        false = totals[:, _FALSE] / months
        order = np.lexsort((totals[:, _NOTICED], false))
        known = np.append(0.0, false[order])
        horizon = self.court.history.horizon / DAY_MS
        read = []
        for column, at_none in ((_NOTICED, 0.0), (_BY_HALF, 0.0), (_DELAY, horizon)):
            values = np.append(at_none, totals[order, column] / lapses)
            read.append(np.interp(rates, known, values))
        return np.stack(read, axis=1)
