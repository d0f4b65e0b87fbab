"""Calibration: whether what is said to happen three times in ten does.

Log-loss tells which of two models is better; whether one can be believed, it does not.
So matured answers are sorted into tenths of what was said, and what was said there is
held against what came: the expected calibration error (Naeini, Cooper & Hauskrecht 2015).
"""

import msgspec
import numpy as np

from models.snapshots import Reliability

BINS = 10


class Calibration(msgspec.Struct):
    """Faded sums over matured labels, by tenth of the chance that was said."""

    labels: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)
    said: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)
    """Sums of chances."""
    came: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)

    def turn(self, chances: np.ndarray, truth: np.ndarray, fade: float) -> None:
        """Take a day's labels in, n chances and n truths (0 or 1); earlier ones count `fade`."""
        places = np.minimum((chances * BINS).astype(np.int64), BINS - 1)
        for name, weights in (("labels", np.ones(len(truth))), ("said", chances), ("came", truth)):
            added = np.bincount(places, weights, BINS)
            sums = [
                old * fade + float(new) for old, new in zip(getattr(self, name), added, strict=True)
            ]
            setattr(self, name, sums)

    def told(self) -> Reliability:
        """Give the sums, for a snapshot."""
        return Reliability(labels=tuple(self.labels), said=tuple(self.said), came=tuple(self.came))

    @property
    def error(self) -> float | None:
        """Give the mean distance of what was said from what came; None before any label."""
        labels = sum(self.labels)
        if not labels:
            return None
        pairs = zip(self.said, self.came, strict=True)
        return sum(abs(said - came) for said, came in pairs) / labels
