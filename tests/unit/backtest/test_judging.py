"""What becomes of alerts: by hand, and as an independent scorer has it on real logs."""

import math
from pathlib import Path

import numpy as np
import pytest
from real_logs import LOGS, independent_scorer, our_history

from stream.backtest.history import History, Recorder
from stream.backtest.judging import Alerts, Court, Score
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.policy import Policy

H = 10
POLICY = Policy(horizon_ms=H * DAY_MS, unobserved=("end",), paused=("pause",))


def history_of(visits: dict[str, list[float]], *, until: float = 100) -> History:
    """Return the history of customers active on these days; somebody else is on the last."""
    recorder = Recorder(POLICY)
    events = [
        UsageEvent(customer, "opened", int(day * DAY_MS), 0, "")
        for customer, days in {**visits, "last": [until]}.items()
        for day in days
    ]
    recorder.take(EventBatch.of(events))
    return recorder.history()


def score(history: History, alerts: list[tuple[str, float]], begin: float | None = None) -> Score:
    """Score alerts given by customer and day."""
    customer = np.array([history.customers.index(name) for name, _ in alerts], np.int64)
    at = np.array([int(day * DAY_MS) for _, day in alerts], np.int64)
    court = Court(history) if begin is None else Court(history, int(begin * DAY_MS))
    return court.score(Alerts(customer, at))


def test_an_alert_before_a_lapse_is_true_and_its_delay_counts() -> None:
    """From the last activity to the first alert; the second one is as true, and no news."""
    found = score(history_of({"a": [1, 2, 3]}), [("a", 8), ("a", 6)])
    assert (found.true, found.false, found.lapses, found.recall) == (2, 0, 1, 1.0)
    assert (found.mean_delay_days, found.median_delay_days) == (3.0, 3.0)
    assert found.recall_by_half_horizon == 1.0
    assert found.precision == 1.0


def test_an_alert_before_a_return_is_false_each_time() -> None:
    """Whoever is alerted twice is disturbed twice."""
    found = score(history_of({"a": [1, 2, 3, 12]}), [("a", 5), ("a", 7)])
    assert (found.true, found.false) == (0, 2)
    assert found.lapses == 1
    assert found.recall == 0.0
    assert found.mean_delay_days == H


def test_who_came_on_too_few_days_is_not_eligible() -> None:
    """Two visits on one day are one active day; from the third on everything counts."""
    history = history_of({"a": [1, 1.5, 2], "b": [1, 2, 3]})
    found = score(history, [("a", 5), ("b", 2.5), ("b", 5)])
    assert (found.not_eligible, found.true, found.lapses) == (2, 1, 1)


def test_an_alert_whose_outcome_nobody_saw_does_not_count() -> None:
    """Nor does one about somebody who lapsed already."""
    history = history_of({"a": [1, 2, 3], "b": [80, 90, 95]})
    found = score(history, [("a", 14), ("b", 96)])
    assert (found.late, found.unscored, found.true, found.false) == (1, 1, 0, 0)
    assert found.lapses == 1


@pytest.mark.parametrize("name", ["end", "pause"])
def test_the_end_of_observation_ends_what_can_be_known(name: str) -> None:
    """Silence after it means nothing: neither a lapse nor a true alert."""
    recorder = Recorder(POLICY)
    days = [(1, "opened"), (2, "opened"), (3, "opened"), (9, name)]
    events = [UsageEvent("a", did, day * DAY_MS, 0, "") for day, did in days]
    events.append(UsageEvent("z", "opened", 100 * DAY_MS, 0, ""))
    recorder.take(EventBatch.of(events))
    found = score(recorder.history(), [("a", 6)])
    assert (found.unscored, found.true, found.lapses) == (1, 0, 0)
    assert found.customer_months == 0


def test_eligible_time_runs_to_the_lapse_and_again_from_the_return() -> None:
    """And not in the last horizon of the log, where nobody knows yet."""
    found = score(history_of({"a": [1, 2, 3, 50, 99]}, until=99.5), [])
    # From day 3 to 13, and from 50 to 60; at 99 the log is as good as over.
    assert found.customer_months == pytest.approx(20 / 30.4375)
    late = score(history_of({"a": [1, 2, 3, 50, 99]}, until=99.5), [], begin=40)
    assert late.customer_months == pytest.approx(10 / 30.4375)
    assert (found.lapses, late.lapses) == (2, 1)


def test_nothing_is_judged_where_there_is_nothing() -> None:
    """No activity, no alert, no figure."""
    found = score(history_of({}), [])
    assert found.mean_delay_days is None
    assert found.false_per_customer_month is None
    empty = Court(Recorder(POLICY).history()).score(Alerts(np.zeros(0, int), np.zeros(0, int)))
    assert empty.lapses == 0


@pytest.mark.shared
@pytest.mark.parametrize("name", LOGS)
def test_real_logs_are_judged_as_the_independent_scorer_does(name: str, shared_data: Path) -> None:
    """The log read by our own reader, alerts of a simple rule, every figure."""
    yardstick, history = independent_scorer(shared_data), our_history(name, shared_data)
    log = yardstick.datasets.load(name)
    theirs = yardstick.episodes.Timeline(log)
    code = {customer: number for number, customer in enumerate(history.customers)}
    codes = np.array([code[customer] for customer in log.customers])
    middle = (int(log.time.min()) + int(log.time.max())) // 2
    settings = list(yardstick.baselines.METHODS["own_gap"](yardstick.visits.Visits(log)))
    for begin in (None, middle):
        court = Court(history) if begin is None else Court(history, begin * 1000)
        window = yardstick.episodes.Window(*([] if begin is None else [begin]))
        for _, customer, at in settings[::6]:
            expected = yardstick.score_alerts.score(
                yardstick.score_alerts.Alerts(customer, at), theirs, window
            )
            found = court.score(Alerts(codes[customer], at * 1000))
            assert found.alerts == expected["alerts"]
            for figure in ("not_eligible", "late", "unscored", "true", "false", "lapses"):
                assert getattr(found, figure) == expected[figure], figure
            for mine, other in (
                ("customer_months", "customer_months"),
                ("false_per_customer_month", "false_per_customer_month"),
                ("precision", "precision"),
                ("recall", "recall"),
                ("recall_by_half_horizon", "recall_by_half_horizon"),
                ("median_delay_days", "median_delay_days"),
                ("mean_delay_days", "mean_delay_missed_as_horizon"),
            ):
                value = getattr(found, mine)
                if value is None:
                    assert expected[other] is None, mine
                else:
                    assert math.isclose(value, expected[other], rel_tol=1e-3, abs_tol=1e-3), mine
