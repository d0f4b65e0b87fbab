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
from stream.backtest.judging import Alerts, Bools, Court

RATES = (0.02, 0.05, 0.10, 0.20, 0.50)
"""False alarms per customer-month."""
DRAWS = 400
SHARE = 0.95
"""Of the draws, within an interval."""
_DRAWS_TOGETHER = 100  # larger: no faster, 8 bytes of memory for each of them and each customer
_FALSE, _NOTICED, _BY_HALF, _DELAY = range(4)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A curve at one rate, or at one setting."""

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
    """The sums that figures are made of: of each setting, for each customer that counts.

    `among` of a method are the customers that it is about, shape (customers,);
    None means all.
    """

    court: Court
    sums: Floats
    """Shape (settings, 4, counted customers): false alarms, lapses noticed, noticed in half of the
    horizon, days of delay."""

    @classmethod
    def of(cls, court: Court, settings: Iterable[Alerts]) -> "Curve":
        """Judge the alerts of every setting."""
        size = len(court.history.customers)
        horizon = court.horizon_days
        tables = []
        for alerts in settings:
            found = court.judge(alerts)
            noticed = ~np.isnan(found.delay)
            early = noticed & (np.nan_to_num(found.delay, nan=np.inf) <= horizon / 2)
            sums = (
                np.bincount(found.customer[found.false], minlength=size),
                np.bincount(court.lapsed[noticed], minlength=size),
                np.bincount(court.lapsed[early], minlength=size),
                np.bincount(court.lapsed, np.where(noticed, found.delay, horizon), size),
            )
            tables.append([column[court.counted] for column in sums])
        shape = (len(tables), 4, len(court.counted))
        return cls(court, np.array(tables, dtype=float).reshape(shape))

    def points(self, among: Bools | None = None) -> list[Reading]:
        """Say what each setting comes to; empty where there is nothing to be noticed."""
        months, lapses, totals = self._totals(self._one_each(among))
        if not (months[0] and lapses[0]):
            return []
        return [
            Reading(
                false_per_customer_month=float(false / months[0]),
                recall=float(noticed / lapses[0]),
                recall_by_half_horizon=float(by_half / lapses[0]),
                mean_delay_days=float(delay / lapses[0]),
            )
            for false, noticed, by_half, delay in totals[:, :, 0]
        ]

    def read(self, rates: Sequence[float] = RATES, among: Bools | None = None) -> list[Reading]:
        """Read the curve at these rates; empty where there is nothing to be noticed."""
        (found,) = self.figures(self._one_each(among), rates)
        if np.isnan(found).any():
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
        self,
        other: "Curve",
        rates: Sequence[float] = RATES,
        *,
        among: Bools | None = None,
        draws: int = DRAWS,
        seed: int = 0,
    ) -> list[Difference]:
        """Say how many days later this curve is than another of the same court."""
        once = self._one_each(among)
        (everybody,) = self._later(other, once, rates)
        if np.isnan(everybody).any():
            return []
        chosen, draw = np.flatnonzero(once[:, 0]), np.random.default_rng(seed)
        found = []
        for begin in range(0, draws, _DRAWS_TOGETHER):
            drawn = [
                np.bincount(chosen[draw.integers(0, len(chosen), len(chosen))], minlength=len(once))
                for _ in range(begin, min(begin + _DRAWS_TOGETHER, draws))
            ]
            found.append(self._later(other, np.array(drawn, dtype=float).T, rates))
        tails = [(1 - SHARE) / 2, (1 + SHARE) / 2]
        low, high = np.nanquantile(np.concatenate(found), tails, axis=0)
        return [
            Difference(
                false_per_customer_month=rate,
                days=float(everybody[number]),
                low=float(low[number]),
                high=float(high[number]),
            )
            for number, rate in enumerate(rates)
        ]

    def figures(self, weights: Floats, rates: Sequence[float]) -> Floats:
        """Give recall, recall by half and mean delay, shape (n, rates, 3).

        `weights`, shape (counted customers, n), count each customer so often; NaN
        where there is nothing to be noticed.
        """
        months, lapses, totals = self._totals(weights)
        read = np.full((len(months), len(rates), 3), np.nan)
        missed = self.court.missed_days[self.court.counted] @ weights
        for number in np.flatnonzero((months > 0) & (lapses > 0)).tolist():
            none = missed[number] / lapses[number]  # of delay, where nobody is alerted on
            false = totals[:, _FALSE, number] / months[number]
            order = np.lexsort((totals[:, _NOTICED, number], false))
            known = np.append(0.0, false[order])
            for place, (column, at_none) in enumerate(
                ((_NOTICED, 0.0), (_BY_HALF, 0.0), (_DELAY, none))
            ):
                values = np.append(at_none, totals[order, column, number] / lapses[number])
                read[number, :, place] = np.interp(rates, known, values)
        return read

    def _one_each(self, among: Bools | None) -> Floats:
        """Count each customer among these once: weights of shape (counted, 1)."""
        counted = self.court.counted
        chosen = np.ones(len(counted)) if among is None else among[counted].astype(float)
        return chosen[:, None]

    def _later(self, other: "Curve", weights: Floats, rates: Sequence[float]) -> Floats:
        mine, theirs = self.figures(weights, rates), other.figures(weights, rates)
        later: Floats = mine[:, :, -1] - theirs[:, :, -1]
        return later

    def _totals(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Give months (n,), lapses (n,) and sums (settings, 4, n), for weights (counted, n)."""
        court = self.court
        months, lapses = court.months[court.counted], court.lapses[court.counted]
        return months @ weights, lapses @ weights, self.sums @ weights
