"""Boosting: what a team with a data scientist would do, and what it takes to beat.

Gradient-boosted trees (LightGBM) are asked about every silent customer at
midnight, and fitted anew every third of a horizon, on silences whose outcome
has become known by then.  Causal like the rules, and no rule: it has labels,
everybody's history and a training run.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stream.backtest.active_days import ActiveDays
from stream.backtest.history import Floats, Ints
from stream.backtest.judging import ACTIVE_DAYS_MIN, Alerts, Bools
from stream.backtest.rules import Settings
from stream.detector.events import DAY_MS

BOOSTED = "boosted"
LEVELS = tuple(expit(np.linspace(-4.5, 4.5, 37)).tolist())
"""Probabilities of a lapse from which on it alerts."""
_WINDOWS_DAYS = (7, 14, 30, 90, 180)
_REFIT_DAYS_MIN = 7
_TREES = 120
_ROWS_MAX, _ROWS_MIN = 120_000, 300
_EACH_MIN = 30
"""Lapses, and returns, that a fit needs."""
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "num_threads": 1,  # sums of several threads round differently each time
    "seed": 0,
    "deterministic": True,
    "verbosity": -1,
}

Table = NDArray[np.float32]


def boosted(days: ActiveDays) -> Settings:
    """Alert at the first midnight of a silence whose risk reaches a level."""
    place, midnight = _midnights(days)
    risk = _risks(days, place, midnight)
    order = np.lexsort((midnight, place))
    place, midnight, risk = place[order], midnight[order], risk[order]
    for level in LEVELS:
        over = np.flatnonzero(risk >= level)
        new = np.ones(len(over), np.bool_)
        new[1:] = place[over][1:] != place[over][:-1]
        first = over[new]
        yield level, Alerts(days.customer[place[first]], midnight[first] * DAY_MS)


def _midnights(days: ActiveDays) -> tuple[Ints, Ints]:
    """Give the active days that silences follow, and the midnights (days since 1970) in them.

    Of eligible customers, within the horizon, while they are watched; thirty in
    a horizon at most.
    """
    horizon = days.history.horizon // DAY_MS
    longest = int(days.horizon.max(initial=0))
    place = np.flatnonzero(days.earlier >= ACTIVE_DAYS_MIN - 1)
    places, midnights = [place[:0]], [place[:0]]
    for passed in range(0, longest, max(1, round(horizon / 30))):
        midnight = days.day[place] + 1 + passed
        until = np.minimum(days.next[place] - 1, days.history.end[days.customer[place]])
        silent = (midnight * DAY_MS <= until) & (passed < days.horizon[place])
        place, midnight = place[silent], midnight[silent]
        places.append(place)
        midnights.append(midnight)
    return np.concatenate(places), np.concatenate(midnights)


def _risks(days: ActiveDays, place: Ints, midnight: Ints) -> Floats:
    """Give P(no activity within the horizon) at each midnight; NaN before the first fit."""
    history = days.history
    until = midnight * DAY_MS + (days.horizon[place] * DAY_MS).astype(np.int64)
    lapsed = days.next[place] > until
    covered = until <= history.end[days.customer[place]]
    inputs = _Inputs(days)
    risk = np.full(len(place), np.nan)
    for moment, upcoming in _refits(days):
        asked = np.flatnonzero((midnight >= moment) & (midnight < upcoming))
        known = np.flatnonzero(covered & (until <= moment * DAY_MS))
        known = known[:: max(1, -(-len(known) // _ROWS_MAX))]
        if len(asked) and _enough(lapsed[known]):
            trees = _fitted(inputs.at(place[known], midnight[known]), lapsed[known])
            risk[asked] = trees.predict(inputs.at(place[asked], midnight[asked]), num_threads=1)
    return risk


def _refits(days: ActiveDays) -> Iterator[tuple[int, int]]:
    """Give the days at which trees are fitted, and until when they answer."""
    horizon = days.history.horizon / DAY_MS
    moments = (days.refits(max(_REFIT_DAYS_MIN, round(horizon / 3))) // DAY_MS).tolist()
    end = int(days.history.end.max(initial=0)) // DAY_MS + 1
    yield from zip(moments, [*moments[1:], end], strict=True)


def _enough(labels: Bools) -> bool:
    positive = int(labels.sum())
    return len(labels) >= _ROWS_MIN and min(positive, len(labels) - positive) >= _EACH_MIN


def _fitted(inputs: Table, labels: Bools) -> Any:
    """Fit the trees, the same on every run."""
    import lightgbm  # noqa: PLC0415 - an extra: who does not ask for it need not have it

    rows = lightgbm.Dataset(inputs, labels, free_raw_data=True)
    return lightgbm.train(_PARAMETERS, rows, num_boost_round=_TREES)


class _Inputs:
    """What is known of a customer at a midnight in a silence."""

    def __init__(self, days: ActiveDays) -> None:
        self._days = days
        self._volume = np.append(0.0, np.cumsum(days.volume))
        self._begin = np.arange(len(days)) - days.earlier
        self._longest = _longest_gap(days)
        self._span = int(days.day.max(initial=0)) + max(_WINDOWS_DAYS) + 2
        self._keys = days.customer * self._span + days.day

    def at(self, place: Ints, midnight: Ints) -> Table:
        """Give a row for each midnight (days) in the silence after an active day."""
        days = self._days
        silence = midnight - days.day[place]
        earlier, span, usual = days.earlier[place], days.span[place], days.usual_gap[place]
        mean, longest = span / np.maximum(earlier, 1), self._longest[place]
        begin = self._begin[place]
        columns = [
            silence,
            silence / np.maximum(usual, 1),
            silence / np.maximum(mean, 1),
            silence / np.maximum(longest, 1),
            midnight - days.day[begin],
            (midnight * DAY_MS - days.last[place]) / DAY_MS,
            (days.last[place] - days.first[place]) / DAY_MS,
            midnight % 7,
            earlier,
            span,
            usual,
            mean,
            longest,
            days.gap[place],
            days.volume[place],
            (self._volume[place + 1] - self._volume[begin]) / (earlier + 1),
        ]
        for window in _WINDOWS_DAYS:
            since = np.maximum(midnight - window, 0)
            low = np.searchsorted(self._keys, days.customer[place] * self._span + since)
            columns += [place + 1 - low, self._volume[place + 1] - self._volume[low]]
        return np.stack(columns, axis=1).astype(np.float32)


def _longest_gap(days: ActiveDays) -> Ints:
    """Give the longest gap so far, in days, at each active day."""
    above = int(days.gap.max(initial=0)) + 1  # lifts each customer over those before
    longest: Ints = np.maximum.accumulate(days.gap + days.customer * above) - days.customer * above
    return longest
