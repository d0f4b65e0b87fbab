"""The online Newton estimator, by River's own conformity checks and by arithmetic."""

from collections.abc import Callable
from operator import attrgetter

import numpy as np
import pandas as pd
import pytest
from river import checks, metrics

from models.newton import OnlineNewton
from models.standardise import Standardise
from models.trainer import _pipeline


def conformity(model: OnlineNewton | Standardise) -> list[Callable[[object], None]]:
    """Give the checks River has for an estimator, less those it says it differs in."""
    return [c for c in checks.yield_checks(model) if c.__name__ not in model._unit_test_skips()]


@pytest.mark.parametrize("check", conformity(OnlineNewton()), ids=attrgetter("__name__"))
def test_the_regression_passes_rivers_checks(check: Callable[[object], None]) -> None:
    """One suite for every River estimator; ours is one of them."""
    check(OnlineNewton())


@pytest.mark.parametrize("check", conformity(Standardise()), ids=attrgetter("__name__"))
def test_the_scaler_passes_rivers_checks(check: Callable[[object], None]) -> None:
    """The first step of the pipeline is a River transformer."""
    check(Standardise())


def simulated(rows: int, seed: int = 3) -> tuple[pd.DataFrame, pd.Series]:
    """Give rows of a known logistic model: offset + 1 + 2 a - b."""
    chance = np.random.default_rng(seed)
    a, b, offset = chance.normal(0, 1, rows), chance.normal(5, 3, rows), chance.normal(0, 1, rows)
    p = 1 / (1 + np.exp(-(offset + 1 + 2 * a - (b - 5) / 3)))
    frame = pd.DataFrame({"a": a, "b": b, "offset": offset})
    return frame, pd.Series(chance.random(rows) < p)


def test_it_recovers_the_parameters_it_was_simulated_from() -> None:
    """Scaled inputs, so the weights are per standard deviation."""
    pipeline = _pipeline("lapse")
    frame, label = simulated(20_000)
    for begin in range(0, 20_000, 500):
        pipeline.learn_many(frame[begin : begin + 500], label[begin : begin + 500])
    newton = pipeline["OnlineNewton"]
    weight = dict(zip(newton.names, newton.weights[1:], strict=True))
    assert newton.weights[0] == pytest.approx(1, abs=0.15)
    assert weight["a"] == pytest.approx(2, abs=0.25)
    assert weight["b"] == pytest.approx(-1, abs=0.25)


def test_the_offset_is_neither_scaled_nor_weighed() -> None:
    """An unlearned regression answers what its offset says."""
    assert OnlineNewton().predict_proba_one({"offset": 0.0, "a": 3.0})[True] == 0.5
    p = OnlineNewton().predict_proba_one({"offset": np.log(3.0), "a": 3.0})[True]
    assert p == pytest.approx(0.75)
    scaler = Standardise()
    scaler.learn_one({"offset": 7.0, "a": 3.0})
    assert scaler.transform_one({"offset": 7.0, "a": 3.0})["offset"] == 7.0


def test_one_and_many_predict_the_same() -> None:
    """The worker scores one customer at a time, the trainer thousands."""
    pipeline = _pipeline("lapse")
    frame, label = simulated(1_000)
    pipeline.learn_many(frame, label)
    many = pipeline.predict_proba_many(frame[:5])[True]
    ones = [pipeline.predict_proba_one(row)[True] for row in frame[:5].to_dict("records")]
    assert many.tolist() == pytest.approx(ones)


def test_it_beats_its_offset_where_there_is_something_to_learn() -> None:
    """Judged by River's own metric, on rows it has not seen."""
    pipeline = _pipeline("lapse")
    frame, label = simulated(4_000)
    pipeline.learn_many(frame[:2_000], label[:2_000])
    learned, prior = metrics.LogLoss(), metrics.LogLoss()
    for row, truth in zip(frame[2_000:].to_dict("records"), label[2_000:], strict=True):
        learned.update(truth, pipeline.predict_proba_one(row))
        prior.update(truth, OnlineNewton().predict_proba_one(row))
    assert learned.get() < 0.9 * prior.get()


def test_a_constant_input_does_no_harm() -> None:
    """A new product's customers are alike in something."""
    pipeline = _pipeline("lapse")
    frame, label = simulated(1_000)
    frame["same"] = 0.1
    pipeline.learn_many(frame, label)
    assert np.isfinite(pipeline["OnlineNewton"].weights).all()
