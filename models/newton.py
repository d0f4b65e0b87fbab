"""Online Newton logistic regression with an offset, as a River classifier.

First-order online regressions do not beat the label-free prior on real logs;
a second-order step does, at constant cost: it keeps the information matrix

    A <- g A + (1 - g) l2 I + sum c p (1 - p) z z'
    w <- w + A^-1 sum c (y - p) z

so a mini-batch is one Newton step (recursive logistic regression), `g` forgets,
and `c` is what one row is worth where several share an outcome.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from river import base

LEAST_INFORMATION = 0.01
"""A row counts as if p(1-p) were at least this: certain rows would freeze the weights."""


class OnlineNewton(base.MiniBatchClassifier):
    """Binary logistic regression learned by online Newton steps.

    Parameters
    ----------
    l2
        Ridge on every weight but in effect little on the intercept, as data come.
    forget
        Share of the information kept at each step (1: forget nothing).
    row_weight
        What a row is worth.
    offset
        Name of the feature that is added to the logit with weight one; absent: 0.

    """

    def __init__(
        self,
        l2: float = 20.0,
        forget: float = 1.0,
        row_weight: float = 1.0,
        offset: str = "offset",
    ) -> None:
        """Start with all weights zero: the offset alone answers."""
        self.l2 = l2
        self.forget = forget
        self.row_weight = row_weight
        self.offset = offset
        self.names: list[Hashable] = []
        self.weights = np.zeros(1)
        self.information = np.eye(1) * l2
        self.rows = 0
        self.positives = 0

    @property
    def _multiclass(self) -> bool:
        """Two classes only."""
        return False

    @property
    def _mutable_attributes(self) -> set[str]:
        """May be changed while it runs."""
        return {"l2", "forget", "row_weight"}

    def _unit_test_skips(self) -> set[str]:
        """Differ in one respect: n rows at once are one Newton step, not n of them."""
        return {"check_learn_many_matches_learn_one"}

    def learn_one(self, x: dict[Hashable, float], y: bool | str | int) -> None:  # noqa: FBT001 - River's
        """Take one Newton step on one row."""
        self.learn_many(pd.DataFrame([x]), pd.Series([bool(y)]))

    def learn_many(
        self,
        X: pd.DataFrame,  # noqa: N803 - River's name
        y: pd.Series,
        w: float | np.ndarray | pd.Series = 1.0,
    ) -> None:
        """Take one Newton step on n rows, of which each counts `w` times."""
        self._meet([name for name in X.columns if name != self.offset])
        z, offset = self._design(X)
        label = np.asarray(y, dtype=float)
        p = _sigmoid(offset + z @ self.weights)
        worth = self.row_weight * np.asarray(w, dtype=float)
        information = worth * np.maximum(p * (1 - p), LEAST_INFORMATION)
        self.information *= self.forget
        self.information[np.diag_indices(len(self.weights))] += (1 - self.forget) * self.l2
        self.information += (z * information[:, None]).T @ z
        gradient = z.T @ (worth * (label - p))
        self.weights = self.weights + np.linalg.solve(self.information, gradient)
        self.rows += len(label)
        self.positives += int(label.sum())

    def predict_proba_one(self, x: dict[Hashable, Any], **_: Any) -> dict[bool | str | int, float]:
        """Give P(True) and P(False) of one row; unseen features weigh nothing."""
        known = zip(self.names, self.weights[1:], strict=True)
        score = self.weights[0] + sum(weight * x.get(name, 0.0) for name, weight in known)
        p = float(_sigmoid(np.array(score + x.get(self.offset, 0.0))))
        return {False: 1 - p, True: p}

    def predict_proba_many(self, X: pd.DataFrame) -> pd.DataFrame:  # noqa: N803 - River's name
        """Give P(True) and P(False) of n rows, as two columns."""
        z, offset = self._design(X)
        p = _sigmoid(offset + z @ self.weights)
        return pd.DataFrame({False: 1 - p, True: p}, index=X.index)

    def _meet(self, names: list[Hashable]) -> None:
        """Make room for features not seen before."""
        new = [name for name in names if name not in self.names]
        if not new:
            return
        size = len(self.weights) + len(new)
        information = np.eye(size) * self.l2
        information[: len(self.weights), : len(self.weights)] = self.information
        self.information = information
        self.weights = np.append(self.weights, np.zeros(len(new)))
        self.names = self.names + new

    def _design(self, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:  # noqa: N803
        """Give rows with an intercept, shape (n, 1 + features), and offsets, shape (n,)."""
        known = X.reindex(columns=self.names, fill_value=0.0).to_numpy(dtype=float)
        z = np.hstack([np.ones((len(X), 1)), known])
        has_offset = self.offset in X.columns
        return z, X[self.offset].to_numpy(dtype=float) if has_offset else np.zeros(len(X))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """Give the probabilities of logits, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))
