"""The dial: from a record of silences to a threshold."""

from math import log

import pytest

from models.account import Account
from models.dial import Dial, Observation
from models.protocol import DIAL_GRID, Tally

DAY = 86_400_000


def tally(day: int, days: float, crossings: dict[int, float], false: int, **more: float) -> Tally:
    """Return a day on which as many alerts turned out false as were to be expected."""
    expected = {"chance_raised": false, "chance_settled": false} | more
    return Tally(day * DAY, 1, days, crossings, 60, false, **expected)  # type: ignore[arg-type]


def test_the_dial_opens_nothing_before_it_has_a_record() -> None:
    """Twenty customer-months and fifty crossings, not one less."""
    dial = Dial(0.05, 30.0)
    dial.turn([Tally(DAY, 1, 600.0, {300: 1.0}, 60, 0)])
    assert dial.threshold is None
    dial.turn([Tally(2 * DAY, 1, 600.0, {300: 1.0}, 60, 0)])
    assert dial.threshold is not None


def test_the_dial_takes_the_lowest_threshold_within_its_goal() -> None:
    """Half of the silences rise to cell 100, all to cell 50: the dial lies between."""
    dial = Dial(0.5, 5.0)
    months = 10_000.0
    crossings = {100: 0.25 * months, 50: 0.75 * months}
    dial.turn([tally(1, months * 30.4375, crossings, 5_000)])
    assert dial.threshold == DIAL_GRID[50]
    assert dial.rate == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    "worse",
    [
        {"false": 20},  # more than the dial allows
        {"false": 5, "chance_raised": 20},  # more to be expected
        {"false": 5, "chance_settled": 0.5},  # more than the model thought
    ],
)
def test_false_alarms_of_its_own_make_the_dial_stricter(worse: dict[str, float]) -> None:
    """What was promised, what came of it and what is still to come are held against each other."""
    record = dict.fromkeys(range(0, 320, 4), 0.4)
    kept, broken = Dial(0.05, 120.0), Dial(0.05, 120.0)
    for day in range(1, 30):
        kept.turn([tally(day, 3_000.0, record, 5)])
        broken.turn([tally(day, 3_000.0, record, **worse)])  # type: ignore[arg-type]
    assert kept.threshold is not None
    assert broken.threshold is not None
    assert broken.threshold > kept.threshold


def test_a_dial_that_only_worthless_alerts_could_fill_stays_unspent() -> None:
    """A false alarm has to buy a tenth of the horizon: here every silence is worth less."""
    dial = Dial(0.5, 90.0)
    dial.turn([Tally(DAY, 1, 300_000.0, {50: 100.0}, 1_000, 0)])
    assert dial.threshold is not None
    assert dial.threshold >= 2.19


def test_a_threshold_that_is_set_is_kept_once_there_is_a_record() -> None:
    """Who knows what a false alarm costs says so in days, and reads what it comes to."""
    dial = Dial(0.05, 90.0, notice_days_per_false_alarm=20.0)
    dial.turn([Tally(DAY, 1, 300.0, {200: 1.0}, 20, 0)])
    assert dial.threshold is None
    dial.turn([Tally(2 * DAY, 1, 3_000.0, {200: 30.0}, 60, 90)])
    assert dial.threshold == pytest.approx(log(20.0))
    assert dial.rate is not None
    assert dial.rate > 0.05


def test_where_observation_ends_the_rate_is_one_of_what_can_be_known() -> None:
    """Half of the time, and a tenth of the false alarms, lie where nobody sees returns."""
    seen = Observation()
    assert seen.factor == 1.0
    for _ in range(400):
        seen.turn([Tally(DAY, 0, 3_043.75, {}, 0, 20, 0, 1_521.875, 2)], fade=0.99)
    assert seen.factor == pytest.approx(0.9 / 0.5, rel=0.01)


def test_a_dial_whose_customers_are_watched_for_a_term_is_stricter() -> None:
    """The same record, but part of its time cannot count."""
    record = dict.fromkeys(range(0, 320, 4), 0.4)
    endless, termed = Dial(0.05, 120.0), Dial(0.05, 120.0)
    for day in range(1, 60):
        endless.turn([tally(day, 3_000.0, record, 5)])
        termed.turn([tally(day, 3_000.0, record, 5, withdrawn_days=1_500.0)])
    assert endless.threshold is not None
    assert termed.threshold is not None
    assert termed.threshold > endless.threshold


def test_an_alert_costs_what_it_is_expected_to_before_anybody_comes_back() -> None:
    """Ten alerts at even chances are five false alarms; when the horizon is over, none."""
    account = Account()
    account.turn([tally(1, 0, {}, 0, chance_raised=5.0)], allowed=5.0, horizons=0)
    assert (account.spent, account.open, account.ease(1)) == (5.0, 5.0, 1.0)
    account.turn([tally(2, 0, {}, 0, chance_settled=5.0)], allowed=0.0, horizons=0)
    assert (account.spent, account.open) == (0.0, 0.0)
    assert account.ease(1) == 2.0


def test_more_returns_than_expected_make_everything_open_dearer() -> None:
    """Twenty came where five should have: the rest is expected to be worse, too."""
    account = Account()
    account.turn([tally(1, 0, {}, 0, chance_raised=30.0)], allowed=30.0, horizons=0)
    account.turn([tally(2, 0, {}, 20, chance_raised=0, chance_settled=5.0)], 0.0, horizons=0)
    assert account.bias == 2.0
    assert account.ease(1) == pytest.approx((30 + 5) / (20 + 2 * 25 + 5))
    assert account.ease(1.5) == pytest.approx((30 + 5) / (1.5 * (20 + 2 * 25) + 5))


def test_what_own_alerts_came_to_is_measured_in_the_dials_own_unit() -> None:
    """Ten false alarms in a thousand customer-months, and as many that are still open."""
    dial = Dial(0.05, 1e6)
    assert dial.measured is None
    days = 1_000 * 30.4375
    dial.turn([Tally(DAY, 1, days, {}, 0, 10, chance_raised=20.0, chance_settled=10.0)])
    assert dial.measured == pytest.approx(0.02)
