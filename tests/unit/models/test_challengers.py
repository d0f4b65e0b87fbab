"""Challengers: River's regression with an offset, and the race with the champion."""

from collections.abc import Callable
from operator import attrgetter

import msgspec
import numpy as np
import pandas as pd
import pytest
from river import checks, linear_model, optim

from models.challengers import ADAGRAD, CHAMPION, FOREST, PRIOR, OffsetRegression, Race, RaceState
from models.dial import Dial
from models.inputs import NAMES, freeze
from models.protocol import Example
from models.trainer import Trainer, TrainerState

DAY = 86_400_000


def adagrad() -> OffsetRegression:
    """Give the linear challenger, untaught."""
    return OffsetRegression(linear_model.LogisticRegression(optimizer=optim.AdaGrad(0.05)))


def conformity() -> list[Callable[[object], None]]:
    """Give the checks River has for such an estimator, less the one its own differs in."""
    skipped = linear_model.LogisticRegression()._unit_test_skips()
    return [c for c in checks.yield_checks(adagrad()) if c.__name__ not in skipped]


@pytest.mark.parametrize("check", conformity(), ids=attrgetter("__name__"))
def test_the_regression_with_an_offset_passes_rivers_checks(
    check: Callable[[object], None],
) -> None:
    """It stays a River estimator."""
    check(adagrad())


def test_an_offset_is_an_intercept_that_is_not_learned() -> None:
    """One step from an offset is one step from that intercept, which is then given back."""
    ours, plain = adagrad(), linear_model.LogisticRegression(optim.AdaGrad(0.05))
    plain.intercept = 1.5
    ours.learn_one({"a": 2.0, "offset": 1.5}, y=False)
    plain.learn_one({"a": 2.0}, y=False)
    assert ours.regression.weights == plain.weights
    assert ours.regression.intercept == pytest.approx(plain.intercept - 1.5)
    assert adagrad().predict_proba_one({"offset": np.log(3.0)})[True] == pytest.approx(0.75)


def rows(seed: int, count: int = 200) -> tuple[pd.DataFrame, pd.Series]:
    """Give a day of standardised rows: offset + 2 a decides."""
    chance = np.random.default_rng(seed)
    a, offset = chance.normal(0, 1, count), chance.normal(0, 1, count)
    p = 1 / (1 + np.exp(-(offset + 2 * a)))
    return pd.DataFrame({"a": a, "offset": offset}), pd.Series(chance.random(count) < p)


def test_many_rows_are_one_step_and_one_and_many_predict_the_same() -> None:
    """Every row has an offset of its own, also in a batch."""
    model = adagrad()
    frame, label = rows(1)
    for _ in range(50):
        model.learn_many(frame, label)
    many = model.predict_proba_many(frame[:5])[True].tolist()
    ones = [model.predict_proba_one(row)[True] for row in frame[:5].to_dict("records")]
    assert many == pytest.approx(ones)
    assert model.regression.weights["a"] > 0.5
    assert isinstance(model.regression.intercept, float)


def raced(days: int, champion: float, race: Race | None = None) -> Race:
    """Run days against a champion that always says the same."""
    race = race or Race(10.0)
    for day in range(days):
        frame, label = rows(day)
        race.turn(frame, np.full(len(frame), champion), label)
    return race


def test_whoever_is_better_for_a_whole_horizon_takes_over_and_may_lose_again() -> None:
    """Nine good days are not enough, and a champion that is right again comes back."""
    race = raced(9, 0.5)
    assert race.state.answering == CHAMPION
    race = raced(1, 0.5, race)
    assert race.state.answering == ADAGRAD
    for day in range(60):
        frame, label = rows(day)
        race.turn(frame, np.where(label, 0.99, 0.01), label)
    assert race.state.answering == CHAMPION


def test_everybody_is_held_against_the_same_labels_before_learning_them() -> None:
    """On the first day the untaught challenger says what the prior says."""
    first = raced(1, 0.5).log_losses()
    assert first[CHAMPION] == pytest.approx(np.log(2))
    assert first[ADAGRAD] == pytest.approx(first[PRIOR])
    later = raced(40, 0.5).log_losses()
    assert later[ADAGRAD] < later[PRIOR] - 0.05
    assert Race(10.0).log_losses() == {}


def test_a_resumed_race_goes_on_as_if_it_had_not_stopped() -> None:
    """Through bytes and back."""
    packed = msgspec.json.encode(raced(8, 0.5).save())
    resumed = Race(10.0, msgspec.json.decode(packed, type=RaceState))
    assert raced(12, 0.5, resumed).log_losses() == raced(12, 0.5, raced(8, 0.5)).log_losses()


def test_a_forest_runs_along_only_where_it_is_asked_for_and_is_never_saved() -> None:
    """It cannot be written as plain numbers, so nothing may depend on it."""
    race = raced(3, 0.5, Race(10.0, with_forest=True))
    assert race.log_loss(FOREST) is not None
    assert raced(1, 0.5).log_loss(FOREST) is None
    assert FOREST not in race.log_losses()


def taught(trainer: Trainer) -> Trainer:
    """Teach a trainer enough to answer."""
    chance = np.random.default_rng(2)
    for day in range(1, 9):
        for number in range(60):
            values = chance.normal(0, 1, len(NAMES))
            frozen = freeze(values.tolist(), (0.0, 0.0, 0.0))
            label = int(values[0] > 0)
            trainer.learn(Example("lapse", day * DAY, f"{number}", 0, frozen, (label, label), 0.1))
    trainer.turn(9 * DAY)
    return trainer


def test_a_promoted_challenger_answers_where_the_policy_lets_it() -> None:
    """The snapshot carries its weights, over the same inputs and scales."""
    state = taught(Trainer(Dial(0.1, 30.0))).state()
    state.race.answering = ADAGRAD
    packed = msgspec.json.encode(state)
    answers = []
    for promote in (False, True):
        saved = msgspec.json.decode(packed, type=TrainerState)
        resumed = Trainer.resume(saved, Dial(0.1, 30.0), promote=promote)
        answers.append(resumed.turn(10 * DAY).lapse)
    champion, challenger = answers
    assert champion is not None
    assert challenger is not None
    assert challenger.weights[0] == pytest.approx(state.race.weights[NAMES[0]])
    assert champion.weights[0] != challenger.weights[0]
    assert champion.means == challenger.means
