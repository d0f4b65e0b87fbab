"""Drift: whether what the model costs has changed, by River's ADWIN.

Watched is the mean log-loss of each day's matured labels.  That of the early
label lags by a twelfth of the horizon, that of a lapse by all of it.
"""

import msgspec
from river import drift

CONFIDENCE = 0.002
"""ADWIN's chance of a false alarm at one look."""
KEPT = 730
"""Days remembered."""


class Watch(msgspec.Struct):
    """One target's recent log-losses, a day each, since it last drifted."""

    losses: list[float] = msgspec.field(default_factory=list)

    def hear(self, loss: float) -> bool:
        """Take a day's mean log-loss; tell whether the days before it were others.

        The detector is made of the days remembered each time: it is a few hundred additions,
        and nothing but numbers has to be saved.
        """
        self.losses.append(loss)
        del self.losses[:-KEPT]
        adwin = drift.ADWIN(delta=CONFIDENCE, clock=1)
        for day in self.losses:
            adwin.update(day)
        if adwin.drift_detected:
            del self.losses[: -int(adwin.width)]
        return bool(adwin.drift_detected)
