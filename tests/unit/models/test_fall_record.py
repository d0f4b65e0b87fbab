"""Falls: from what came of them to the level from which on they are told of."""

import msgspec
import pytest

from models.dial import Dial
from models.falls import Falls, lower_bound
from models.protocol import CONTROL_RUNG, FALL_GRID, Tally
from models.trainer import Trainer, TrainerState

DAY = 86_400_000
MONTH = 30.4375
MANY = 10_000.0


def day(number: int = 1, months: float = 0.0, **falls: dict[int, tuple[int, int]]) -> Tally:
    """Return a day on which these outcomes became known."""
    return Tally(number * DAY, 1, months * MONTH, {}, 0, 0, falls=falls)


def level(
    *rungs: tuple[int, int], controls: tuple[int, int] = (30, 270), rate_most: float = 0.01
) -> float | None:
    """Return the level chosen by these outcomes (true, false), rung by rung, in many months."""
    falls = Falls(10.0, rate_most, months=MANY)
    falls.turn([day(less={CONTROL_RUNG: controls, **dict(enumerate(rungs))})])
    return falls.found["less"].level


def test_the_lowest_level_is_taken_that_earns_its_place() -> None:
    """At the first as many come true as not; at the second nearly all."""
    assert level((50, 50), (45, 5), (30, 1)) == FALL_GRID[1]


@pytest.mark.parametrize(
    ("rungs", "more"),
    [
        ([(60, 45)], {}),  # hardly more than half
        ([(18, 1)], {}),  # too few to tell
        ([(45, 5)], {"controls": (255, 45)}),  # as among those who had not fallen
        ([(45, 5)], {"controls": (1, 18)}),  # nobody knows what they come to
        ([(450, 105)], {"rate_most": 0.01}),  # more in vain than the share allows
    ],
)
def test_where_no_level_earns_its_place_nobody_is_told_of(
    rungs: list[tuple[int, int]], more: dict[str, float]
) -> None:
    """Off is the answer of a record that says nothing."""
    assert level(*rungs, **more) is None  # type: ignore[arg-type]


def test_one_kind_of_fall_leaves_the_other_what_it_does_not_need() -> None:
    """Both together stay within the share."""
    outcomes = {CONTROL_RUNG: (30, 270), 0: (450, 60)}
    falls = Falls(10.0, 0.01, months=MANY)
    falls.turn([day(less=outcomes, narrower=outcomes)])
    assert falls.found["less"].level == FALL_GRID[0]
    assert falls.found["narrower"].level is None
    assert falls.tells


def test_a_fixed_level_is_in_force_whatever_came_of_falls() -> None:
    """And the record says what it comes to: at the next level there is."""
    falls = Falls(10.0, 0.01, fixed_level=1.75, months=MANY)
    falls.turn([day(less={1: (3, 9)})])
    found = falls.found["less"]
    assert (found.level, found.resolved) == (1.75, pytest.approx(12))
    assert found.came_true == pytest.approx(0.25)


def test_customer_time_counts_when_its_falls_are_known() -> None:
    """A horizon later: before, no fall could have turned out false."""
    falls = Falls(3.0, 0.01)
    for number in range(1, 4):
        falls.turn([day(number, months=5.0)])
        assert falls.months == 0
    falls.turn([day(4, months=5.0)])
    assert falls.months == 5.0


def test_what_was_long_ago_counts_less() -> None:
    """Half after four horizons."""
    falls = Falls(10.0, 0.01)
    falls.turn([day(less={0: (8, 4), CONTROL_RUNG: (2, 6)})])
    for number in range(2, 42):
        falls.turn([day(number)])
    record = falls.records["less"]
    assert (record.true[0], record.false[0]) == (pytest.approx(4), pytest.approx(2))
    assert (record.controls_true, record.controls_false) == (pytest.approx(1), pytest.approx(3))


def test_the_lower_end_of_a_share_by_hand() -> None:
    """Wilson's interval at 2.33 standard errors: 8 of 10 may be 43 %."""
    assert lower_bound(0.8, 10.0) == pytest.approx(0.4347, abs=0.001)


def test_silence_has_the_whole_dial_until_falls_are_told_of() -> None:
    """And what is left of it from then on; a trainer that resumes knows."""
    trainer = Trainer(Dial(0.1, 30.0), Falls(30.0, 0.02, months=MANY))
    trainer.learn(day(1))
    assert trainer.turn(DAY).falls["less"].level is None
    assert trainer.silence_part == 1
    trainer.learn(day(2, less={CONTROL_RUNG: (30, 270), 0: (90, 10)}))
    snapshot = trainer.turn(2 * DAY)
    assert snapshot.falls["less"].level == FALL_GRID[0]
    assert trainer.silence_part == pytest.approx(0.8)
    saved = msgspec.json.decode(msgspec.json.encode(trainer.state()), type=TrainerState)
    assert saved.dial.part == pytest.approx(0.8)
    resumed = Trainer.resume(saved, Dial(0.1, 30.0), Falls(30.0, 0.01))
    assert resumed.silence_part == pytest.approx(0.9)
    fixed = Falls(30.0, 0.01, fixed_level=3.0)
    assert Trainer.resume(saved, Dial(0.1, 30.0), fixed).silence_part == 1
    assert Trainer.resume(saved, Dial(0.1, 30.0)).turn(3 * DAY).falls == {}


def test_a_trainer_saved_before_there_was_a_record_is_resumed() -> None:
    """It begins to keep one."""
    old = msgspec.to_builtins(Trainer(Dial(0.1, 30.0)).state(), str_keys=True)
    del old["falls"], old["dial"]["part"]
    state = msgspec.convert(old, TrainerState, strict=False, str_keys=True)
    resumed = Trainer.resume(state, Dial(0.1, 30.0), Falls(30.0, 0.02))
    assert set(resumed.turn(DAY).falls) == {"less", "narrower"}
