"""Boosted trees: as the independent ones, and blind to what comes after."""

from pathlib import Path

import numpy as np
import pytest
from real_logs import our_history
from test_judging import history_of

from stream.backtest.active_days import ActiveDays
from stream.backtest.boosting import LEVELS, boosted
from stream.backtest.curve import Curve
from stream.backtest.history import History, Recorder
from stream.backtest.judging import Court
from stream.demo.simulate import STARTS_AT_MS, simulate
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy

CUT_DAY = 60


@pytest.fixture(scope="module")
def histories() -> tuple[History, History]:
    """Return a simulated product's history, and the same as it was on a day before its end."""
    policy = Policy(horizon_ms=10 * DAY_MS, ignore=("background_sync",))
    events = list(simulate(customers=150, days=80, seed=3))
    found = []
    for until in (80, CUT_DAY):
        recorder = Recorder(policy)
        past = [event for event in events if event.occurred_at < STARTS_AT_MS + until * DAY_MS]
        recorder.take(EventBatch.of(past))
        found.append(recorder.history())
    return found[0], found[1]


def said(history: History, level: int) -> set[tuple[str, int]]:
    """Return the alerts at a level that were raised before the cut."""
    _, alerts = list(boosted(ActiveDays(history)))[level]
    cut = STARTS_AT_MS + CUT_DAY * DAY_MS
    return {
        (history.customers[customer], at)
        for customer, at in zip(alerts.customer.tolist(), alerts.time.tolist(), strict=True)
        if at < cut
    }


def test_what_comes_after_changes_no_alert(histories: tuple[History, History]) -> None:
    """The same, had the log ended earlier."""
    whole, cut = histories
    middle = len(LEVELS) // 2
    assert len(said(cut, middle)) > 20
    assert said(whole, middle) == said(cut, middle)


def test_an_alert_opens_once_in_a_silence_and_at_midnight(
    histories: tuple[History, History],
) -> None:
    """Of a customer who has been active on three days."""
    history, _ = histories
    days = ActiveDays(history)
    _, alerts = next(boosted(days))
    assert set((alerts.time % DAY_MS).tolist()) == {0}
    last, _ = history.around(alerts.customer, alerts.time)
    silences = list(zip(alerts.customer.tolist(), last.tolist(), strict=True))
    assert len(set(silences)) == len(silences)
    assert (alerts.time >= Court(history).eligible[alerts.customer]).all()


def test_nothing_is_said_before_there_is_enough_to_learn_from() -> None:
    """A handful of customers teach nothing."""
    history = history_of({"a": [1, 2, 3], "b": [1, 2, 3, 11, 12]})
    for _, alerts in boosted(ActiveDays(history)):
        assert not len(alerts.time)


@pytest.mark.shared
def test_boosted_trees_are_as_late_as_the_independent_ones(shared_data: Path) -> None:
    """On a wholesaler's log, whole: its published figures, from other trees of the same kind."""
    history = our_history("online_retail", shared_data)
    curve = Curve.of(Court(history), [alerts for _, alerts in boosted(ActiveDays(history))])
    found = [reading.mean_delay_days for reading in curve.read()]
    assert found == pytest.approx([82.8, 72.9, 58.8, 37.3, 17.1], abs=3)
    assert np.all(np.diff(found) < 0)
