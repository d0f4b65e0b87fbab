"""Standardised inputs, clipped, with the offset let through: the first step of every pipeline.

River's own scaler does the arithmetic.  An offset is a logit with weight one,
so it must not be scaled; and one wild row must not steer a second-order step,
so nothing passes further than a few standard deviations.
"""

from collections.abc import Hashable
from typing import cast

import numpy as np
import pandas as pd
from river import base, preprocessing

from models.inputs import LIMIT

LEAST_VARIANCE = 1e-6
"""A feature steadier than this is as good as constant."""


class Standardise(base.MiniBatchTransformer):
    """Scales to mean 0 and variance 1 and clips, all but one feature.

    Parameters
    ----------
    keep
        Name of the feature that passes as it is.
    limit
        Largest absolute value let through, in standard deviations.

    """

    def __init__(self, keep: str = "offset", limit: float = LIMIT) -> None:
        """Start with nothing seen."""
        self.keep = keep
        self.limit = limit
        self.scaler = preprocessing.StandardScaler()

    def learn_one(self, x: dict[Hashable, float]) -> None:
        """Update the running moments with one row."""
        self.scaler.learn_one({name: value for name, value in x.items() if name != self.keep})

    def transform_one(self, x: dict[Hashable, float]) -> dict[Hashable, float]:
        """Scale and clip one row."""
        rest = {name: value for name, value in x.items() if name != self.keep}
        scaled: dict[Hashable, float] = {
            name: min(max(value, -self.limit), self.limit)
            for name, value in self.scaler.transform_one(rest).items()
        }
        return {**scaled, self.keep: x[self.keep]} if self.keep in x else scaled

    def learn_many(self, X: pd.DataFrame) -> None:  # noqa: N803 - River's name
        """Update the running moments with n rows."""
        self.scaler.learn_many(X.drop(columns=self.keep, errors="ignore"))
        variances = self.scaler.vars
        for name, variance in variances.items():
            # River takes a batch's variance as E[x^2] - E[x]^2, which rounding can turn negative.
            variances[name] = max(variance, LEAST_VARIANCE)

    def learn_weighted(self, X: pd.DataFrame, w: np.ndarray) -> None:  # noqa: N803 - River's name
        """Update the running moments with n rows that count `w` times each: River's cannot."""
        rest = X.drop(columns=self.keep, errors="ignore")
        means = np.average(rest.to_numpy(), axis=0, weights=w)
        variances = np.average((rest.to_numpy() - means) ** 2, axis=0, weights=w)
        scaler, weight = self.scaler, float(w.sum())
        counts = cast("dict[Hashable, float]", scaler.counts)
        for name, mean, variance in zip(rest.columns, means, variances, strict=True):
            known = counts[name]
            new = weight / (known + weight)
            apart = mean - scaler.means[name]
            within = (1 - new) * scaler.vars[name] + new * variance
            scaler.vars[name] = max(within + new * (1 - new) * apart**2, LEAST_VARIANCE)
            scaler.means[name] += new * apart
            counts[name] = known + weight

    def transform_many(self, X: pd.DataFrame) -> pd.DataFrame:  # noqa: N803 - River's name
        """Scale and clip n rows."""
        rest = X.drop(columns=self.keep, errors="ignore")
        scaled = self.scaler.transform_many(rest)
        clipped = np.clip(scaled.to_numpy(), -self.limit, self.limit)
        frame = pd.DataFrame(clipped, index=X.index, columns=rest.columns)
        if self.keep in X.columns:
            frame[self.keep] = X[self.keep]
        return frame
