"""Warnings: from what came of them to what another one says."""

import msgspec
import pytest

from models.dial import Dial
from models.online import OnlineModel
from models.protocol import Example, Facts, WarningAssessment
from models.trainer import Trainer, TrainerState
from models.trainers import Trainers, Wanted
from models.warned import CREDIT, FADE_HORIZONS, NAMES_MAX, WARNED, Warnings, freeze, thaw

DAY = 86_400_000
HORIZON = 20.0
FACTS = Facts(
    0.02, 9, 20.0, 4.0, 2.0, 0.7, 0.2, 0.2, 0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 3.0, 0, 0
)


def outcome(
    left: int, event: str = "cancel_page", p_lapse: float = 0.1, day: int = 21, horizon_ms: int = 0
) -> Example:
    """Return what came of a warning; known on a day (the first is 1)."""
    at = day * DAY - 1
    frozen = freeze(event, p_lapse)
    return Example(WARNED, at, 7, at - 20 * DAY, frozen, (left,), horizon_ms=horizon_ms)


def answers(model: OnlineModel) -> tuple[WarningAssessment, WarningAssessment]:
    """Return what a model says of the page that was learned of, and of another one."""
    return model.assess_warning("cancel_page", FACTS), model.assess_warning("another page", FACTS)


def many(left: int, stayed: int, **fields: object) -> list[Example]:
    """Return so many outcomes."""
    return [outcome(came, **fields) for came in (1,) * left + (0,) * stayed]  # type: ignore[arg-type]


def found(*outcomes: Example) -> Warnings:
    """Return the record of one day's outcomes."""
    warnings = Warnings(HORIZON)
    warnings.turn(outcomes)
    return warnings


@pytest.mark.parametrize("event", ["cancel_page", "", "Kündigung?", "\ud800 alone"])
def test_what_is_learned_from_survives_the_way(event: str) -> None:
    """Names are whatever a product calls its events."""
    assert thaw(freeze(event, 0.123456789)) == (event, 0.123456789)


def test_a_warning_adds_what_silence_did_not_say() -> None:
    """Of forty, thirty left, where silence had said four: by hand."""
    said = found(*many(30, 10)).found["cancel_page"]
    assert (said.resolved, said.left) == (40, 0.75)
    assert said.by_silence == pytest.approx(0.1)
    careful = (30 + CREDIT * 0.1) / (40 + CREDIT)
    assert said.adds == pytest.approx(1 - (1 - careful) / (1 - 0.1))


def test_told_again_to_those_it_was_learned_from_it_says_how_many_left() -> None:
    """Whatever silence said of each: the mean is the share of those who left."""
    chances = [0.001, 0.02, 0.3, 0.9] * 500
    came = [1, 1, 0, 1] * 500
    examples = [outcome(y, p_lapse=p) for y, p in zip(came, chances, strict=True)]
    adds = found(*examples).found["cancel_page"].adds
    told = [1 - (1 - p) * (1 - adds) for p in chances]
    assert sum(told) / len(told) == pytest.approx(0.75, abs=0.002)


def test_a_warning_that_few_mean_adds_nothing() -> None:
    """Fewer left than silence had said: nobody is less at risk for having looked."""
    assert found(*many(1, 99, p_lapse=0.3)).found["cancel_page"].adds == 0.0


def test_one_outcome_says_little() -> None:
    """The first who left is no rule."""
    assert found(outcome(1)).found["cancel_page"].adds < 0.2


def test_names_are_told_apart_up_to_a_number() -> None:
    """Names made of ids must not fill the snapshot."""
    warnings = found(*(outcome(1, event=f"page {number}") for number in range(NAMES_MAX + 5)))
    warnings.turn([outcome(0, event="page 3")])
    assert len(warnings.found) == NAMES_MAX
    assert warnings.found["page 3"].left < 0.51 < warnings.found["page 4"].left


def test_what_is_long_ago_counts_less_and_is_forgotten() -> None:
    """Half after four horizons; nothing in the end."""
    warnings = found(*many(8, 0))
    for _ in range(round(FADE_HORIZONS * HORIZON)):
        warnings.turn([])
    assert warnings.found["cancel_page"].resolved == pytest.approx(4.0)
    for _ in range(2_000):
        warnings.turn([])
    assert not warnings.found


def test_the_trainer_tells_it_in_its_snapshots_and_after_a_restart() -> None:
    """One who was restarted says what one who was not says."""
    trainer = Trainer(Dial(0.05, HORIZON))
    for example in many(12, 4):
        trainer.learn(example)
    assert trainer.turn(20 * DAY).warned == {}
    state = msgspec.json.decode(msgspec.json.encode(trainer.state()), type=TrainerState)
    again = Trainer.resume(state, Dial(0.05, HORIZON))
    snapshot = trainer.turn(21 * DAY)
    assert snapshot.warned["cancel_page"].resolved == 16
    assert again.turn(21 * DAY) == snapshot
    model = OnlineModel(snapshot)
    by_silence, (here, other) = model.assess(FACTS).p_lapse, answers(model)
    adds = snapshot.warned["cancel_page"].adds
    assert here.p_leaves == 1 - (1 - by_silence) * (1 - adds) > 0.5
    assert (here.resolved, here.left) == (16, 0.75)
    assert thaw(here.inputs) == ("cancel_page", by_silence)
    assert other == (by_silence, 0.0, 0.0, freeze("another page", by_silence))


def test_where_nobody_warned_a_snapshot_is_what_it_was() -> None:
    """To the byte, and so to its version."""
    assert b"warnings" not in msgspec.msgpack.encode(Trainer(Dial(0.05, HORIZON)).turn(DAY))


def test_a_horizon_of_its_own_has_warnings_of_its_own() -> None:
    """A trial that looks at the cancel page is another matter than a customer of years."""
    week, rate = 7 * DAY, (0.05, None)
    wanted = Wanted({0: {"": rate}, week: {"": rate, "trial": rate}}, 20 * DAY)
    trainers = Trainers(wanted)
    for example in (*many(1, 15), *many(15, 1, horizon_ms=week)):
        trainers.learn(example)
    model = OnlineModel(trainers.turn(21 * DAY))
    assert [answers(one)[0].left for one in (model, model.of(week))] == [1 / 16, 15 / 16]
