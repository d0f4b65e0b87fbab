"""The regression of the rankings: landmarks weighed by the silence they stand for."""

import msgspec
import numpy as np
import pandas as pd
import pytest
from test_trainer import DAY, facts, lessons, trained

from models.dial import Dial
from models.newton import OnlineNewton
from models.online import OnlineModel
from models.protocol import Example, Lesson
from models.standardise import Standardise
from models.trainer import Trainer, TrainerState


def shared(told: list[Lesson], share: float) -> list[Lesson]:
    """Let every landmark stand for so much silence."""
    return [
        msgspec.structs.replace(lesson, share=share) if isinstance(lesson, Example) else lesson
        for lesson in told
    ]


def frame(rows: int) -> tuple[pd.DataFrame, pd.Series]:
    """Give rows of two inputs, and labels."""
    chance = np.random.default_rng(5)
    a, b = chance.normal(3, 2, rows), chance.normal(0, 1, rows)
    return pd.DataFrame({"a": a, "b": b, "offset": 0.0}), pd.Series(chance.random(rows) < 0.4)


def test_a_row_that_counts_twice_is_two_rows() -> None:
    """For the moments of the inputs, and for the Newton step."""
    rows, labels = frame(50)
    twice = rows.loc[rows.index.repeat(2)].reset_index(drop=True)
    weighed, repeated = Standardise(), Standardise()
    for part in (slice(0, 20), slice(20, 50)):
        count = part.stop - part.start
        weighed.learn_weighted(rows[part], np.full(count, 2.0))
        repeated.learn_many(twice[2 * part.start : 2 * part.stop])
    assert dict(weighed.scaler.means) == pytest.approx(dict(repeated.scaler.means))
    assert dict(weighed.scaler.vars) == pytest.approx(dict(repeated.scaler.vars))
    one, two = OnlineNewton(), OnlineNewton()
    one.learn_many(rows, labels, w=np.full(50, 2.0))
    two.learn_many(twice, labels.repeat(2).reset_index(drop=True))
    assert one.weights == pytest.approx(two.weights)


def test_rankings_have_weights_of_their_own_once_landmarks_say_what_they_stand_for() -> None:
    """Lessons of an earlier release do not: then the landmark model ranks."""
    _, old = trained(lessons(12), 12)
    _, new = trained(shared(lessons(12), 0.2), 12)
    assert old[-1].rank is None
    assert new[-1].rank is not None
    assert new[-1].lapse == old[-1].lapse
    former, model = OnlineModel(old[-1]), OnlineModel(new[-1])
    for silence in (1, 14, 28):
        said = former.assess(facts(silence)).p_lapse
        assert former.risk(facts(silence)) == pytest.approx(said, rel=1e-9)
        assert model.assess(facts(silence)).p_lapse == said
        assert model.risk(facts(silence)) != said


def test_a_longer_time_ahead_is_a_smaller_risk() -> None:
    """Nobody is less likely to come within a year than within a month."""
    model = OnlineModel(trained(shared(lessons(12), 0.2), 12)[1][-1])
    risks = [model.risk(facts(10), days) for days in (5.0, 30.0, 90.0, 365.0)]
    assert risks == sorted(risks, reverse=True)
    assert model.risk(facts(10)) == risks[1]


def test_a_trainer_saved_by_an_earlier_release_goes_on() -> None:
    """It had neither rankings, challengers nor watches: they begin."""
    trainer, _ = trained(lessons(5), 5)
    saved = msgspec.to_builtins(trainer.state(), str_keys=True)
    for name in ("race", "watches"):
        del saved[name]
    del saved["targets"]["rank"]
    state = msgspec.convert(saved, TrainerState, strict=False, str_keys=True)
    resumed = Trainer.resume(state, Dial(0.1, 30.0))
    for lesson in shared(lessons(12, seed=2), 0.2):
        resumed.learn(lesson)
    snapshots = [resumed.turn(day * DAY) for day in range(6, 19)]
    assert snapshots[-1].rank is not None
    assert snapshots[-1].log_losses.keys() == {"newton", "adagrad", "prior"}
