"""Drift: whether customers behave otherwise than was learned.

Two things are watched.  The mean log-loss of each day's matured labels, by River's
ADWIN: that of the early label lags by a twelfth of the horizon, that of a lapse by
all of it.  And the returns that came over those that were expected, day by day
(`Returns`): log-loss hardly tells a world in which everybody comes half as often,
for rarer returns are no harder to foresee, but half of them are missing at once.

After a drift of the log-loss what was learned before is forgotten within weeks instead
of a year.  Changed returns are only said: forgetting faster made risks no better, for
labels that know of the change are a horizon away, and activity is an input by then.
"""

from collections.abc import Iterable
from math import log

import msgspec
import numpy as np
from river import drift

CONFIDENCE = 0.002
"""ADWIN's chance of a false alarm at one look."""
KEPT = 730
"""Days remembered, at most."""
FORGET_FAST = 0.95
"""Information kept a day after a drift, for `FAST_DAYS`: half of it is gone in a fortnight."""
FAST_DAYS = 60

CHANGES = (2 / 3, 3 / 2)
"""Returns that came over those expected: changes worth noting, down and up."""
ALARM_NATS = 9.0
"""By chance once in e^9 days either way (Lorden 1971): twenty years."""
DAY_NATS = 2.0
"""The most one day may add: an outage, or a long weekend, is no change of the world."""
CALM_NATS = 2.0
"""A level below this is down; above it, how much days scatter is left as it is."""
ARMED_AFTER = 28
"""Days judged before anything is noted: what has just begun to learn is off by itself."""
SCATTER_AT_FIRST = 2.0
SCATTER_WEIGHT = 0.03
"""Least weight of a new day in it: about the last two months count."""
SCATTER_JUMP = 9.0
"""A day counts as at most so many times as scattered as usual."""


class WatchState(msgspec.Struct):
    """What a watch needs to go on, as plain numbers."""

    losses: list[float] = msgspec.field(default_factory=list)
    """Mean log-loss of each day since the last drift, in nats."""
    fast_days: int = 0
    """Days for which there is still to be forgotten faster."""


class Watch:
    """Follows the log-loss of one target; a function of its state alone."""

    def __init__(self, state: WatchState | None = None) -> None:
        """Begin, or go on from a saved state."""
        self.state = state or WatchState()
        self._adwin = _fed(self.state.losses)

    def forget(self, usual: float) -> float:
        """Give the share of the information to keep at the next day's step."""
        return min(usual, FORGET_FAST) if self.state.fast_days else usual

    def hear(self, loss: float) -> bool:
        """Take a day's mean log-loss; tell whether it shows that the days before were others."""
        state = self.state
        state.losses.append(loss)
        state.fast_days = max(0, state.fast_days - 1)
        self._adwin.update(loss)
        drifted = bool(self._adwin.drift_detected)
        if drifted:
            state.fast_days = FAST_DAYS
        if drifted or len(state.losses) > KEPT:
            kept = int(self._adwin.width) if drifted else KEPT // 2
            state.losses = state.losses[-kept:]
            self._adwin = _fed(state.losses)
        return drifted


def _fed(losses: Iterable[float]) -> drift.ADWIN:
    """Give a detector that has seen these days; it looks at every one."""
    adwin = drift.ADWIN(delta=CONFIDENCE, clock=1)
    for loss in losses:
        adwin.update(loss)
    return adwin


class ReturnsState(msgspec.Struct):
    """What a watch on returns needs to go on, as plain numbers."""

    levels: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(CHANGES))
    """Evidence for each of `CHANGES`, in nats."""
    scatter: float = SCATTER_AT_FIRST
    """Of days, over that of independent returns: one customer counts at several landmarks."""
    days: int = 0
    """Judged since the beginning, or since the last change."""


class Returns:
    """Follows the early returns against what was expected of them; a function of its state alone.

    Poisson CUSUMs (Page 1954), their increments divided by how much days scatter.
    """

    def __init__(self, state: ReturnsState | None = None) -> None:
        """Begin, or go on from a saved state."""
        self.state = state or ReturnsState()

    def hear(self, chances: np.ndarray, came: np.ndarray) -> bool:
        """Take a day's returns, expected and come (0 or 1), shape (n,); tell whether they changed.

        Chances have to be those of a model that has learned enough to answer.
        """
        state = self.state
        expected, returns = float(chances.sum()), float(came.sum())
        variance = float((chances * (1 - chances)).sum())
        state.days += 1
        if state.days > ARMED_AFTER:
            for place, change in enumerate(CHANGES):
                rise = ((1 - change) * expected + log(change) * returns) / max(1.0, state.scatter)
                state.levels[place] = max(0.0, state.levels[place] + min(rise, DAY_NATS))
        if max(state.levels) <= CALM_NATS and variance > 0:
            weight = max(SCATTER_WEIGHT, 1 / (state.days + 4))
            scattered = (returns - expected) ** 2 / variance
            state.scatter += weight * (min(scattered, SCATTER_JUMP * state.scatter) - state.scatter)
        changed = max(state.levels) >= ALARM_NATS
        if changed:
            state.levels, state.days = [0.0] * len(CHANGES), 0
        return changed
