"""Challengers: other learners that see what the champion sees, and are not asked.

They learn the same matured landmarks behind it, and everybody's log-loss is kept
of the labels as they are released, each judged before it is learned.  So a
person can see whether the champion still earns its place, and beside it what
the prior alone would have cost.

River's logistic regression with AdaGrad is linear in the same inputs, so a
snapshot can carry its weights in the champion's place.  An adaptive random
forest cannot be carried, costs a thousand times as much, and is a yardstick.
"""

from collections.abc import Hashable, Iterator
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from river import base, forest, linear_model, optim

CHAMPION, ADAGRAD, FOREST, PRIOR = "newton", "adagrad", "forest", "prior"
MARGIN = 0.005
"""Nats by which the running log-loss must be lower, every day of a horizon, to take over."""
STEP = 0.05
ADAGRAD_ROWS = 512
"""Rows a day that AdaGrad learns, in one step: one by one, all of them would cost more than all
else of a day."""
FOREST_ROWS = 20
"""Rows a day that a forest learns: each takes it about a millisecond."""
LEAST_CHANCE = 1e-4


class OffsetRegression(base.MiniBatchClassifier):
    """River's logistic regression with an offset, lent to its intercept for the length of a call.

    Parameters
    ----------
    regression
        The regression that learns everything but the offset.
    offset
        Name of the feature that is added to the logit with weight one; absent: 0.

    """

    def __init__(self, regression: linear_model.LogisticRegression, offset: str = "offset") -> None:
        """Start with the regression as it is."""
        self.regression = regression
        self.offset = offset

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        """Say what River's checks make it of."""
        yield {"regression": linear_model.LogisticRegression()}

    def learn_one(self, x: dict[Hashable, Any], y: bool | str | int) -> None:  # noqa: FBT001 - River's
        """Take one step on one row."""
        rest, offset = self._apart(x)
        self.regression.intercept += offset
        self.regression.learn_one(rest, y)
        self.regression.intercept -= offset

    def learn_many(self, X: pd.DataFrame, y: pd.Series) -> None:  # noqa: N803 - River's name
        """Take one step on n rows, along their mean gradient."""
        offsets = self._offsets(X)
        self.regression.intercept = self.regression.intercept + offsets
        self.regression.learn_many(X.drop(columns=self.offset, errors="ignore"), y)
        self.regression.intercept = float(np.mean(self.regression.intercept - offsets))

    def predict_proba_one(self, x: dict[Hashable, Any], **_: Any) -> dict[bool | str | int, float]:
        """Give P(True) and P(False) of one row."""
        rest, offset = self._apart(x)
        self.regression.intercept += offset
        said: dict[bool | str | int, float] = self.regression.predict_proba_one(rest)
        self.regression.intercept -= offset
        return said

    def predict_proba_many(self, X: pd.DataFrame) -> pd.DataFrame:  # noqa: N803 - River's name
        """Give P(True) and P(False) of n rows, as two columns."""
        weights = self.regression.weights
        rest = X.drop(columns=self.offset, errors="ignore")
        known = np.array([weights.get(name, 0.0) for name in rest.columns])
        score = rest.to_numpy(dtype=float) @ known + self.regression.intercept + self._offsets(X)
        p = chances(score)
        return pd.DataFrame({False: 1 - p, True: p}, index=X.index)

    def _apart(self, x: dict[Hashable, Any]) -> tuple[dict[Hashable, Any], float]:
        """Give the features, and the offset."""
        rest = {name: value for name, value in x.items() if name != self.offset}
        return rest, x.get(self.offset, 0.0)

    def _offsets(self, X: pd.DataFrame) -> np.ndarray:  # noqa: N803 - River's name
        """Give the offsets of n rows."""
        has_offset = self.offset in X.columns
        return X[self.offset].to_numpy(dtype=float) if has_offset else np.zeros(len(X))


class RaceState(msgspec.Struct):
    """Who is ahead, and what the linear challenger has learned, as plain numbers."""

    losses: dict[str, float] = msgspec.field(default_factory=dict)
    """Faded sum of log-losses."""
    labels: dict[str, float] = msgspec.field(default_factory=dict)
    """Faded number of labels."""
    answering: str = CHAMPION
    ahead: int = 0
    """Days in a row for which the other one has been better by the margin."""
    intercept: float = 0.0
    weights: dict[str, float] = msgspec.field(default_factory=dict)
    squares: dict[str, float] = msgspec.field(default_factory=dict)
    """AdaGrad's sums of squared gradients."""


class Race:
    """The champion of one target, and those in its shadow."""

    def __init__(
        self, horizon_days: float, state: RaceState | None = None, *, with_forest: bool = False
    ) -> None:
        """Begin, or go on from a saved state; a forest always begins anew."""
        self.state = state or RaceState()
        self._horizon_days = horizon_days
        optimizer = optim.AdaGrad(STEP)
        optimizer.g2.update(self.state.squares)
        regression = linear_model.LogisticRegression(
            optimizer=optimizer, intercept_init=self.state.intercept
        )
        regression._weights.update(self.state.weights)  # noqa: SLF001 - River has no setter
        self._adagrad = OffsetRegression(regression)
        self._forest = forest.ARFClassifier(seed=1) if with_forest else None

    def turn(self, rows: pd.DataFrame, champion: np.ndarray, labels: pd.Series) -> None:
        """Hold everybody's answers against a day's labels, and let the challengers learn them.

        `rows` are standardised, with the offset; `champion` is P(True) of each row.
        """
        truth = labels.to_numpy(dtype=float)
        self._fade()
        self._score(CHAMPION, champion, truth)
        self._score(PRIOR, chances(rows["offset"].to_numpy(dtype=float)), truth)
        self._score(ADAGRAD, self._adagrad.predict_proba_many(rows)[True].to_numpy(), truth)
        places = spread(len(rows), ADAGRAD_ROWS)
        self._adagrad.learn_many(rows.iloc[places], labels.iloc[places])
        if self._forest is not None:
            self._turn_forest(rows, truth)
        self._judge()

    def log_loss(self, name: str) -> float | None:
        """Give a contestant's running log-loss in nats; None: nothing has matured."""
        labels = self.state.labels.get(name)
        return self.state.losses[name] / labels if labels else None

    def log_losses(self) -> dict[str, float]:
        """Give everybody's running log-loss whose state is saved."""
        known = {name: self.log_loss(name) for name in (CHAMPION, ADAGRAD, PRIOR)}
        return {name: loss for name, loss in known.items() if loss is not None}

    def linear(self) -> tuple[float, dict[str, float]]:
        """Give the linear challenger's intercept, and its weights by input."""
        regression = self._adagrad.regression
        return float(regression.intercept), dict(regression.weights)

    def save(self) -> RaceState:
        """Give everything needed to go on later."""
        state, regression = self.state, self._adagrad.regression
        state.intercept, state.weights = self.linear()
        state.squares = {name: float(value) for name, value in regression.optimizer.g2.items()}
        state.weights = {name: float(value) for name, value in state.weights.items()}
        return state

    def _fade(self) -> None:
        """Let what matured a horizon ago count half."""
        fade = 0.5 ** (1 / self._horizon_days)
        for sums in (self.state.losses, self.state.labels):
            for name in sums:
                sums[name] *= fade

    def _score(self, name: str, p: np.ndarray, truth: np.ndarray) -> None:
        """Add a contestant's log-loss of some labels."""
        state = self.state
        state.losses[name] = state.losses.get(name, 0.0) + float(log_losses(p, truth).sum())
        state.labels[name] = state.labels.get(name, 0.0) + len(truth)

    def _turn_forest(self, rows: pd.DataFrame, truth: np.ndarray) -> None:
        """Let the forest answer and learn rows spread over the day."""
        assert self._forest is not None
        places = spread(len(rows), FOREST_ROWS)
        sample = rows.iloc[places].to_dict("records")
        said = [self._forest.predict_proba_one(row).get(1, 0.5) for row in sample]
        self._score(FOREST, np.array(said), truth[places])
        for row, label in zip(sample, truth[places], strict=True):
            self._forest.learn_one(row, int(label))

    def _judge(self) -> None:
        """Change who answers once the other has been better by the margin for a horizon."""
        state = self.state
        other = ADAGRAD if state.answering == CHAMPION else CHAMPION
        ours, others = self.log_loss(state.answering), self.log_loss(other)
        better = ours is not None and others is not None and others < ours - MARGIN
        state.ahead = state.ahead + 1 if better else 0
        if state.ahead >= self._horizon_days:
            state.answering, state.ahead = other, 0


def spread(rows: int, most: int) -> np.ndarray:
    """Give the places of at most so many rows, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(int))


def chances(logits: np.ndarray) -> np.ndarray:
    """Give the probabilities of logits, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits))


def log_losses(p: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Give what each answer cost, in nats; no answer is taken to be more certain than 1e-4."""
    said = np.clip(np.where(truth > 0, p, 1 - p), LEAST_CHANCE, 1.0)
    losses: np.ndarray = -np.log(said)
    return losses
