"""Curves at equal false alarms: by hand, and as the independent scorer reads them."""

from pathlib import Path

import numpy as np
import pytest
from real_logs import LOGS, independent_scorer, our_history
from test_judging import H, history_of

from stream.backtest.active_days import ActiveDays
from stream.backtest.curve import RATES, Curve
from stream.backtest.history import History
from stream.backtest.judging import Alerts, Court
from stream.backtest.rules import RULES
from stream.detector.events import DAY_MS


@pytest.fixture
def history() -> History:
    """Return two customers: one lapses, one returns after eight days."""
    return history_of({"a": [1, 2, 3], "b": [1, 2, 3, 11, 12]})


def alerts(history: History, *said: tuple[str, float]) -> Alerts:
    """Return alerts given by customer and day."""
    customer = np.array([history.customers.index(name) for name, _ in said], np.int64)
    return Alerts(customer, np.array([int(day * DAY_MS) for _, day in said], np.int64))


def test_a_curve_is_a_line_from_no_alerts_through_its_settings(history: History) -> None:
    """One setting notices one of two lapses after two days, at one false alarm."""
    court = Court(history)
    curve = Curve.of(court, [alerts(history, ("a", 5), ("b", 5))])
    rate = 1 / float(court.months.sum())
    none, half, at, above = curve.read([0.0, rate / 2, rate, 3 * rate])
    assert (none.recall, none.mean_delay_days) == (0.0, H)
    assert (at.recall, at.recall_by_half_horizon) == (0.5, 0.5)
    assert at.mean_delay_days == pytest.approx((2 + H) / 2)
    assert half.mean_delay_days == pytest.approx((none.mean_delay_days + at.mean_delay_days) / 2)
    assert above.mean_delay_days == at.mean_delay_days


def test_a_curve_can_be_read_among_some_customers(history: History) -> None:
    """As if there were no others; and nothing is read where none of them lapsed."""
    court = Court(history)
    curve = Curve.of(court, [alerts(history, ("a", 5), ("b", 5))])
    among = {name: np.array([other == name for other in history.customers]) for name in "ab"}
    (of_a,) = curve.points(among["a"])
    assert (of_a.false_per_customer_month, of_a.recall, of_a.mean_delay_days) == (0.0, 1.0, 2.0)
    (of_b,) = curve.points(among["b"])
    months = float(court.months[history.customers.index("b")])
    assert of_b.false_per_customer_month == pytest.approx(1 / months)
    assert (of_b.recall, of_b.mean_delay_days) == (0.0, H)
    nobody = np.zeros(len(history.customers), np.bool_)
    assert curve.points(nobody) == curve.read(among=nobody) == []
    (difference,) = curve.against(Curve.of(court, [alerts(history)]), [0.1], among=among["a"])
    assert (difference.days, difference.low, difference.high) == (2 - H, 2 - H, 2 - H)


def test_a_curve_differs_from_itself_by_nothing(history: History) -> None:
    """In every draw: both sides are read on the same customers."""
    curve = Curve.of(Court(history), [alerts(history, ("a", 5), ("b", 5))])
    for difference in curve.against(curve, draws=20):
        assert (difference.days, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_nothing_is_read_where_nobody_lapsed() -> None:
    """No lapse, no delay."""
    history = history_of({"a": [95, 96, 97]})
    curve = Curve.of(Court(history), [alerts(history, ("a", 98))])
    assert curve.read() == []
    assert curve.against(curve) == []


@pytest.mark.shared
@pytest.mark.parametrize("name", LOGS)
def test_curves_of_real_logs_are_read_as_the_independent_scorer_does(
    name: str, shared_data: Path
) -> None:
    """And the interval of a difference is about the same, from other draws."""
    yardstick, history = independent_scorer(shared_data), our_history(name, shared_data)
    court, days = Court(history), ActiveDays(history)
    log = yardstick.datasets.load(name)
    timeline = yardstick.episodes.Timeline(log)
    visits = yardstick.visits.Visits(log)
    ours, theirs = {}, {}
    for rule in ("hiatus", "own_gap"):
        ours[rule] = Curve.of(court, [said for _, said in RULES[rule](days)])
        settings = yardstick.baselines.method(rule)(visits)
        theirs[rule] = [yardstick.score_alerts.Alerts(*said) for _, *said in settings]
    expected = yardstick.compare.compare(
        theirs["hiatus"], theirs["own_gap"], timeline, yardstick.episodes.Window(), draws=100
    )
    found = ours["hiatus"].against(ours["own_gap"], draws=100)
    readings = ours["hiatus"].read()
    for number, rate in enumerate(RATES):
        other = expected[number]["mean_delay_missed_as_horizon"]
        assert readings[number].false_per_customer_month == rate
        assert readings[number].mean_delay_days == pytest.approx(other["a"], abs=0.001)
        recall = expected[number]["recall"]["a"]
        assert readings[number].recall == pytest.approx(recall, abs=0.001)
        assert found[number].days == pytest.approx(other["a"] - other["b"], abs=0.001)
        low, high = other["a_minus_b"]
        width = high - low
        assert found[number].low == pytest.approx(low, abs=max(0.4 * width, 0.01))
        assert found[number].high == pytest.approx(high, abs=max(0.4 * width, 0.01))
