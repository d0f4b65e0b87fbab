"""Drift: whether what the model costs has changed, by River's ADWIN; then old labels count less.

Watched is the mean log-loss of each day's matured labels.  That of the early
label lags by a twelfth of the horizon, that of a lapse by all of it.  After a
drift what was learned before it is forgotten within weeks instead of a year.
"""

from collections.abc import Iterable

import msgspec
from river import drift

CONFIDENCE = 0.002
"""ADWIN's chance of a false alarm at one look."""
KEPT = 730
"""Days remembered, at most."""
FORGET_FAST = 0.95
"""Information kept a day after a drift, for `FAST_DAYS`: half of it is gone in a fortnight."""
FAST_DAYS = 60


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
