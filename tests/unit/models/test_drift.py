"""Drift: noticed when labels cost something else than before, and then forgotten faster."""

import random

import msgspec
import numpy as np
import pytest

from models.dial import Dial
from models.drift import (
    ARMED_AFTER,
    FAST_DAYS,
    FORGET_FAST,
    KEPT,
    Returns,
    ReturnsState,
    Watch,
    WatchState,
)
from models.inputs import NAMES, freeze
from models.protocol import Example
from models.snapshots import Snapshot
from models.trainer import Trainer, TrainerState

DAY = 86_400_000


def losses(days: int, mean: float, seed: int = 1) -> list[float]:
    """Give a day's mean log-loss, some days long."""
    chance = random.Random(seed)
    return [chance.gauss(mean, 0.05) for _ in range(days)]


def test_a_change_of_the_log_loss_is_noticed_and_noise_is_not() -> None:
    """Two years of noise, then twice the loss: within a month."""
    watch = Watch()
    assert not any(watch.hear(loss) for loss in losses(600, 0.4))
    assert any(watch.hear(loss) for loss in losses(30, 0.8))


def test_after_a_drift_old_labels_are_forgotten_faster_for_a_while() -> None:
    """And then no longer."""
    watch = Watch()
    heard = [watch.hear(loss) for loss in [*losses(200, 0.3), *losses(30, 0.9)]]
    assert any(heard)
    assert watch.forget(0.997) == FORGET_FAST
    for loss in losses(3 * FAST_DAYS, 0.9):
        watch.hear(loss)
    assert watch.forget(0.997) == 0.997
    assert watch.forget(0.9) == 0.9


def test_what_is_remembered_is_bounded() -> None:
    """Years of the same leave a fixed number of days."""
    watch = Watch()
    for loss in losses(3 * KEPT, 0.4):
        watch.hear(loss)
    assert KEPT // 2 <= len(watch.state.losses) <= KEPT


def test_a_resumed_watch_goes_on_as_if_it_had_not_stopped() -> None:
    """Resumed every day, it says the same on the same days."""
    days = [*losses(200, 0.3), *losses(100, 0.9), *losses(100, 0.3)]
    whole = Watch()
    expected = [whole.hear(loss) for loss in days]
    assert sum(expected) >= 2
    watch, heard = Watch(), []
    for loss in days:
        packed = msgspec.json.encode(watch.state)
        watch = Watch(msgspec.json.decode(packed, type=WatchState))
        heard.append(watch.hear(loss))
    assert heard == expected


def turned(days: int, change: int, *, numb: bool) -> list[Snapshot]:
    """Teach a trainer that the first input means the opposite from some day on."""
    chance = random.Random(3)
    trainer = Trainer(Dial(0.1, 30.0))
    snapshots = []
    for day in range(1, days + 1):
        for number in range(40):
            values = [chance.gauss(0, 1) for _ in NAMES]
            gone = int((values[0] > 0) == (day <= change))
            frozen = freeze(values, (0.0, 0.0, 0.0))
            at = day * DAY - 1
            trainer.learn(Example("lapse", at, f"{number}", 0, frozen, (gone, gone), 0.1))
        if numb:
            trainer._watches["lapse"].state.fast_days = 0
        snapshots.append(trainer.turn(day * DAY))
    return snapshots


def test_faster_forgetting_learns_a_changed_world_sooner() -> None:
    """Two months after a change the log-loss is lower than without; before it, nothing differs."""
    watched = turned(160, 100, numb=False)
    numb = turned(160, 100, numb=True)
    assert watched[99].lapse == numb[99].lapse
    assert [s.drifted for s in watched[:100]] == [()] * 100
    assert ("lapse",) in [s.drifted for s in watched[100:]]
    assert watched[-1].lapse is not None
    assert numb[-1].lapse is not None
    assert watched[-1].lapse.weights[0] < numb[-1].lapse.weights[0] - 0.5


def returning(watch: Returns, days: int, ratio: float, seed: int = 1, of: int = 200) -> list[int]:
    """Let so many times the expected come back, a quarter of `of`; give the days noted on."""
    draw, noted = np.random.default_rng(seed), []
    for day in range(days):
        chances = draw.beta(2, 6, of)
        if watch.hear(chances, (draw.random(of) < ratio * chances).astype(float)):
            noted.append(day)
    return noted


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_returns_that_come_as_expected_are_never_noted(seed: int) -> None:
    """Five years, in which a tenth more or fewer come than expected."""
    for ratio in (0.9, 1.0, 1.1):
        assert not returning(Returns(), 5 * 365, ratio, seed)


@pytest.mark.parametrize("ratio", [0.5, 0.6, 1.7, 2.0])
def test_a_change_of_returns_is_noted_within_two_weeks(ratio: float) -> None:
    """Up or down, once what has been learned can be believed."""
    watch = Returns()
    assert not returning(watch, 60, 1.0)
    assert 4 <= returning(watch, 14, ratio)[0] < 14


def test_an_outage_or_a_long_weekend_is_no_change() -> None:
    """Four days on which nobody comes, however many customers there are."""
    watch = Returns()
    assert not returning(watch, 60, 1.0, of=5_000)
    assert not returning(watch, 4, 0.0, of=5_000)
    assert not returning(watch, 60, 1.0, of=5_000)


def test_returns_that_depend_on_each_other_say_less() -> None:
    """Ten landmarks that share an outcome are one customer: chance looks like change without."""
    draw = np.random.default_rng(5)
    watch, noted = Returns(), 0
    for _ in range(3 * 365):
        chances = draw.beta(2, 6, 20)
        came = (draw.random(20) < chances).astype(float)
        noted += watch.hear(np.repeat(chances, 10), np.repeat(came, 10))
    assert noted == 0
    assert watch.state.scatter > 3


def test_nothing_is_noted_while_learning_has_just_begun() -> None:
    """Nor just after a change, for the same reason."""
    watch = Returns()
    assert not returning(watch, ARMED_AFTER, 0.5)
    noted = returning(watch, 2 * ARMED_AFTER, 0.5)
    assert np.diff(noted).min(initial=ARMED_AFTER + 1) > ARMED_AFTER


def test_a_resumed_watch_on_returns_goes_on_as_if_it_had_not_stopped() -> None:
    """Its state is all there is to it, and a trainer saved before there was one begins anew."""
    whole, watch = Returns(), Returns()
    for seed, ratio in enumerate([1.0, 0.5, 1.0, 1.6]):
        packed = msgspec.json.encode(watch.state)
        watch = Returns(msgspec.json.decode(packed, type=ReturnsState))
        assert returning(whole, 50, ratio, seed) == returning(watch, 50, ratio, seed)
    assert whole.state == watch.state
    old = msgspec.to_builtins(Trainer(Dial(0.1, 30.0)).state(), str_keys=True)
    del old["returns"]
    state = msgspec.convert(old, TrainerState, strict=False, str_keys=True)
    assert state.returns == ReturnsState()
