"""Simple rules: by hand, and as the independent scorer's on real logs."""

from pathlib import Path

import numpy as np
import pytest
from real_logs import LOGS, independent_scorer, our_history
from test_judging import history_of

from stream.backtest.active_days import ActiveDays
from stream.backtest.rules import RULES
from stream.detector.events import DAY_MS

THEIRS = {
    "hiatus": "hiatus",
    "own_gap": "own_gap",
    "drop": "drop14",
    "expected": "mbg_expected",
}


def said(rule: str, visits: dict[str, list[float]], setting: float) -> list[tuple[str, float]]:
    """Return what a rule says at the setting nearest to one: customers and days."""
    history = history_of(visits)
    settings = dict(RULES[rule](ActiveDays(history)))
    alerts = settings[min(settings, key=lambda other: abs(other - setting))]
    found = zip(alerts.customer, alerts.time / DAY_MS, strict=True)
    return sorted((history.customers[customer], float(day)) for customer, day in found)


def test_a_fixed_silence_counts_from_the_last_activity() -> None:
    """Once in a silence, and again after the return."""
    assert said("idle", {"a": [1.25, 1.5, 20]}, 7) == [("a", 8.5), ("a", 27)]


def test_own_gaps_count_for_who_has_any() -> None:
    """Who came on one day has no gap to be measured by."""
    (quick, slow) = said("own_gap", {"a": [1, 2, 3, 4], "b": [1, 11, 21], "c": [5]}, 3)
    assert quick[0] == "a"
    assert slow[0] == "b"
    assert slow[1] - 21 == pytest.approx(10 * (quick[1] - 4))


def test_a_drop_opens_when_it_appears_and_not_every_midnight() -> None:
    """Two busy weeks, and then nothing."""
    busy = [day + 0.5 for day in range(1, 29)]
    (alert,) = said("drop", {"a": busy}, 0.0)
    assert alert == ("a", 43)


def test_days_are_put_together_without_looking_ahead() -> None:
    """What is known on a day is of it and of days before."""
    days = ActiveDays(history_of({"a": [1, 1.5, 4, 10]}))
    mine = days.customer == 0
    assert days.gap[mine].tolist() == [0, 3, 6]
    assert days.span[mine].tolist() == [0, 3, 9]
    assert days.earlier[mine].tolist() == [0, 1, 2]
    assert days.volume[mine].tolist() == [2, 1, 1]
    np.testing.assert_array_equal(days.usual_gap[mine], [np.nan, 3, 4.5])
    assert (days.last[mine] / DAY_MS).tolist() == [1.5, 4, 10]


@pytest.mark.shared
@pytest.mark.parametrize("name", LOGS)
def test_rules_say_on_real_logs_what_the_independent_ones_do(name: str, shared_data: Path) -> None:
    """Alert for alert; the fitted one may differ by who is in its sample."""
    yardstick, history = independent_scorer(shared_data), our_history(name, shared_data)
    days = ActiveDays(history)
    log = yardstick.datasets.load(name)
    visits = yardstick.visits.Visits(log)
    code = {customer: number for number, customer in enumerate(history.customers)}
    codes = np.array([code[customer] for customer in log.customers])
    for rule, other in THEIRS.items():
        theirs = list(yardstick.baselines.method(other)(visits))
        ours = list(RULES[rule](days))
        assert len(ours) == len(theirs)
        for (_, alerts), (_, customer, at) in list(zip(ours, theirs, strict=True))[::5]:
            if rule == "expected":
                assert len(alerts.time) == pytest.approx(len(at), rel=0.2, abs=5)
                continue
            seconds = np.rint(alerts.time / 1000).astype(int)
            found = set(zip(alerts.customer.tolist(), seconds.tolist(), strict=True))
            other_found = set(zip(codes[customer].tolist(), at.tolist(), strict=True))
            # A drop by exactly a share is one or is not, as that share is written.
            at_most = 0.02 * len(at) if rule == "drop" else 0
            assert len(found ^ other_found) <= at_most, rule
