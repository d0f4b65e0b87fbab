"""Which customers are told of, and what of them; the answer that comes first: by hand."""

import numpy as np
import pytest
from said import alert
from test_judging import H, history_of

from stream.backtest.against import fates_of
from stream.backtest.answer import answer
from stream.backtest.curve import Curve
from stream.backtest.findings import Story
from stream.backtest.judging import Alerts, Court
from stream.backtest.stories import CAUGHT, IN_VAIN, MISSED, stories
from stream.detector.alerts import Alert, Trigger
from stream.detector.events import DAY_MS
from stream.wire.times import iso


def said(customer_id: str, day: float, trigger: Trigger = Trigger.SILENCE) -> Alert:
    """Return an alert that opened on a day."""
    return alert(customer_id=customer_id, time=int(day * DAY_MS), trigger=trigger, risk=0.6)


def told(visits: dict[str, list[float]], *alerts: Alert) -> list[Story]:
    """Return the stories of a log and of what was raised in it."""
    court = Court(history_of(visits))
    return stories(court, list(fates_of(alerts, court)))


def test_a_customer_who_was_caught_is_told_of_with_its_first_alert() -> None:
    """Days, gaps, the alert, and how long the log goes on; the second alert is no news."""
    (found,) = told({"a": [1, 1.2, 4, 8]}, said("a", 13), said("a", 11))
    assert (found.came_to, found.customer_id, found.active_days) == (CAUGHT, "a", 3)
    assert found.usual_gap_days == 3.5
    assert (found.first, found.last) == (iso(DAY_MS), iso(8 * DAY_MS))
    assert (found.alerted, found.silent_days, found.risk) == (iso(11 * DAY_MS), 3.0, 0.6)
    assert (found.back, found.away_days) == (None, pytest.approx(101 - 8, abs=0.001))
    assert found.days == [-7, -4, 0]


def test_a_customer_who_was_called_in_vain_is_told_of_with_its_return() -> None:
    """And its lapse later on is another story."""
    vain, missed = told({"a": [1, 2, 3, 9]}, said("a", 5))
    assert (vain.came_to, vain.back, vain.away_days) == (IN_VAIN, iso(9 * DAY_MS), 6.0)
    assert vain.days == [-2, -1, 0, 6]
    assert (missed.came_to, missed.last) == (MISSED, iso(9 * DAY_MS))
    assert (missed.alerted, missed.silent_days, missed.risk, missed.reasons) == (None,) * 3 + ([],)


def test_who_was_told_of_for_another_reason_was_not_missed() -> None:
    """Nor caught by silence; and a warning before a return is not called in vain."""
    assert told({"a": [1, 2, 3]}, said("a", 5, Trigger.WARNING)) == []
    (found,) = told({"a": [1, 2, 3, 9]}, said("a", 5, Trigger.WARNING))
    assert found.came_to == MISSED


def test_stories_are_taken_at_the_quarters_of_their_order() -> None:
    """Not the earliest, not the latest: nobody picks them."""
    visits: dict[str, list[float]] = {f"c{number}": [1, 2, 3] for number in range(8)}
    alerts = [said(f"c{number}", 4 + number) for number in range(8)]
    assert [story.silent_days for story in told(visits, *alerts)] == [3.0, 5.0, 7.0]


def test_an_alert_on_who_is_not_in_the_history_is_in_no_story() -> None:
    """Nothing of it counts as use."""
    assert [one.came_to for one in told({"a": [1, 2, 3]}, said("nobody", 5))] == [MISSED]


def test_the_answer_counts_lapses_and_holds_them_against_one_silence_for_all() -> None:
    """One of three named after four days, one called in vain; and the rule that costs as much."""
    visits = {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3, 11]}
    court = Court(history_of(visits))
    codes = court.history.customers

    def alerts(*said: tuple[str, float]) -> Alerts:
        who = np.array([codes.index(name) for name, _ in said], np.int64)
        return Alerts(who, np.array([int(day * DAY_MS) for _, day in said], np.int64))

    idle_days = (9.0, 6.0)
    rule = Curve.of(
        court,
        [alerts(("a", 12), ("b", 12), ("c", 20)), alerts(("a", 9), ("b", 9), ("c", 9), ("c", 17))],
    )
    found = answer(court, alerts(("a", 7), ("c", 8)), rule, idle_days)
    assert (found.lapses, found.customers_lapsed, found.named) == (3, 3, 1)
    assert found.named_after_days == 4.0
    assert found.mean_delay_days == (4 + H + H) / 3
    assert (found.right, found.false) == (1, 1)
    assert found.rule_idle_days == 6.0
    assert found.rule is not None
    assert found.rule.mean_delay_days == 6.0
    assert found.difference is not None
    assert found.difference.days == pytest.approx(8 - 6)
    assert found.false_per_customer_month == pytest.approx(1 / float(court.months.sum()))


def test_without_a_false_alarm_the_answer_is_held_against_nothing() -> None:
    """Nobody else is as cheap."""
    court = Court(history_of({"a": [1, 2, 3]}))
    none = Alerts(np.zeros(0, np.int64), np.zeros(0, np.int64))
    found = answer(court, none, Curve.of(court, [none]), [9.0])
    assert (found.named, found.named_after_days, found.rule, found.difference) == (0, *[None] * 3)
    assert found.rule_idle_days is None
