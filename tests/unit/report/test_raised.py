"""What was raised, and how far risks are to be believed: by hand."""

import numpy as np
import pytest
from said import NOON_MS, alert

from models.calibration import Calibration
from stream.detector.alerts import Kind, Severity, Trigger
from stream.detector.events import DAY_MS
from stream.report.buckets import buckets_between
from stream.report.raised import Raised, Recorder
from stream.report.reliability import of_alerts, of_silences

DAY = NOON_MS // DAY_MS
ALERTS = [
    alert(customer_id="a", time=NOON_MS, segment="team"),
    alert(customer_id="a", time=NOON_MS + DAY_MS, segment="team", reason_2="", holdout=True),
    alert(
        customer_id="b", time=NOON_MS + DAY_MS, trigger=Trigger.WARNING, reason_1="warning_event"
    ),
    alert(customer_id="b", time=NOON_MS + 2 * DAY_MS, kind=Kind.RECOVERED),
    alert(customer_id="", time=NOON_MS, kind=Kind.SUSPENDED, trigger=Trigger.POPULATION),
]


def told(since: int | None = None) -> Raised:
    """Return what is said of these alerts."""
    recorder = Recorder(since)
    recorder.take(ALERTS)
    buckets = buckets_between(DAY, DAY + 2)
    return recorder.raised(buckets, since="", kinds={"opened": 3}, withheld={"resting": 1})


def test_alerts_are_told_by_what_led_to_them() -> None:
    """Those that opened, the most frequent first, each customer once."""
    found = told()
    assert (found.opened, found.customers, found.held_out) == (3, 2, 1)
    assert [(one.name, one.opened, one.customers) for one in found.triggers] == [
        ("silence", 2, 1),
        ("warning", 1, 1),
    ]
    assert [(one.name, one.opened) for one in found.reasons] == [
        ("silence", 2),
        ("warning_event", 1),
    ]
    assert [(one.name, one.opened) for one in found.segments] == [("team", 2), ("", 1)]
    assert [(one.name, one.opened) for one in found.weighed] == [("less_use", 2)]
    assert found.triggers[0].example == ALERTS[0].reason_1_text
    assert found.severities == {Severity.HIGH.value: 3}
    assert found.triggers[0].came_to == {}


def test_where_nobody_is_in_a_segment_there_are_none_to_tell_of() -> None:
    """A table of one row without a name says nothing."""
    recorder = Recorder()
    recorder.take([alert()])
    found = recorder.raised(buckets_between(DAY, DAY), since="", kinds={}, withheld={})
    assert found.segments == []


def test_the_busiest_day_is_the_one_with_most() -> None:
    """And every alert is in its bucket."""
    found = told()
    assert (found.busiest_opened, found.in_buckets) == (2, [1, 2, 0])
    assert found.busiest == "2024-10-05"


def test_only_alerts_since_a_moment_are_told_one_by_one() -> None:
    """Earlier ones are in their buckets all the same."""
    found = told(since=NOON_MS + 1)
    assert (found.opened, found.in_buckets) == (2, [1, 2, 0])


def test_what_became_of_alerts_is_told_with_them() -> None:
    """Of each trigger, segment and reason."""
    recorder = Recorder()
    for one, came_to in zip(ALERTS[:3], ("right", "false", "right"), strict=True):
        recorder.opened(one, came_to)
    found = recorder.raised(buckets_between(DAY, DAY + 2), since="", kinds={}, withheld={})
    assert found.triggers[0].came_to == {"false": 1, "right": 1}
    assert found.weighed[0].came_to == {"right": 2}


def test_a_risk_is_believed_by_what_came_of_it() -> None:
    """In tenths of what was said; one that was sure is in the last."""
    found = of_alerts([(0.31, True), (0.39, False), (1.0, True)])
    assert found is not None
    assert [(one.said, one.came, one.answers) for one in found.tenths] == [
        (pytest.approx(0.35), 0.5, 2.0),
        (1.0, 1.0, 1.0),
    ]
    assert found.error == pytest.approx((2 * 0.15 + 0) / 3)


def test_risks_of_silences_are_the_trainers_own_account() -> None:
    """The error as its metric has it; without any answer nobody knows."""
    account = Calibration()
    account.turn(np.array([0.1, 0.15, 0.8]), np.array([0.0, 1.0, 1.0]), 0.9)
    account.turn(np.array([0.8]), np.array([0.0]), 0.9)
    found = of_silences(account)
    assert found is not None
    assert found.error == pytest.approx(account.error)
    assert sum(one.answers for one in found.tenths) == pytest.approx(3 * 0.9 + 1)
    assert of_silences(Calibration()) is None
    assert of_silences(None) is None
    assert of_alerts([]) is None
