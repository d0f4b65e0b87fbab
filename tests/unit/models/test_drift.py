"""Drift: noticed when labels cost something else than before, and then forgotten faster."""

import random

import msgspec

from models.dial import Dial
from models.drift import FAST_DAYS, FORGET_FAST, KEPT, Watch, WatchState
from models.inputs import NAMES, freeze
from models.protocol import Example
from models.snapshots import Snapshot
from models.trainer import Trainer

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
