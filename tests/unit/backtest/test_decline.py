"""Decline in a backtest: use after an alert, beside customers who were much the same."""

import numpy as np
import pytest

from models.falls import FallsFound
from stream.backtest.active_days import ActiveDays
from stream.backtest.decline import by_fall, declining
from stream.backtest.findings import Declining
from stream.backtest.history import History
from stream.backtest.judging import Court
from stream.detector.events import DAY_MS

HORIZON = 10
FOUND = FallsFound(
    level=2.0,
    resolved=30.0,
    came_true=0.8,
    controls=50.0,
    controls_true=0.2,
    false_per_customer_month=0.01,
)


def history(**customers: list[int]) -> History:
    """Return customers who were active on these days."""
    rows = [(place, day) for place, days in enumerate(customers.values()) for day in days]
    customer, day = np.array(rows).T
    end = np.full(len(customers), 60 * DAY_MS)
    time = day * DAY_MS + DAY_MS // 2
    return History(
        [*customers],
        customer,
        time,
        np.ones(len(rows)),
        end,
        HORIZON * DAY_MS,
        np.full(len(time), HORIZON * DAY_MS),
    )


def found(said: list[tuple[str, str, int]], **customers: list[int]) -> Declining:
    """Return what became of alerts on coming less: (fall, customer, day)."""
    seen = history(**customers)
    codes = {customer: place for place, customer in enumerate(customers)}
    alerts = by_fall([(fall, who, day * DAY_MS + DAY_MS // 2) for fall, who, day in said], codes)
    court = Court(seen, 20 * DAY_MS)
    records = {"less": FOUND, "narrower": FOUND}
    less, narrower = declining(alerts, records, court, ActiveDays(seen))
    assert narrower.alerts == 0
    return less


DAILY = list(range(60))
FALLS = [*range(31), 35, 40]
RARELY = list(range(0, 60, 4))
NEW = list(range(22, 60))


def test_use_is_held_against_the_horizon_before_and_against_others() -> None:
    """Ten active days, then two; of the one who was like that before, ten again."""
    less = found([("less", "a", 30)], a=FALLS, b=DAILY, rare=RARELY, new=NEW)
    assert (less.alerts, less.compared) == (1, 1)
    assert less.use_after == pytest.approx(0.2)
    assert less.use_after_of_others == pytest.approx(1.0)
    assert less.alerts_per_customer_month is not None


@pytest.mark.parametrize(
    "said",
    [
        [("less", "a", 30), ("less", "b", 33)],  # the other one was alerted on, too
        [("less", "a", 30), ("narrower", "b", 25)],
    ],
)
def test_who_was_alerted_on_is_nobody_to_compare_with(said: list[tuple[str, str, int]]) -> None:
    """Whatever for."""
    seen = history(a=FALLS, b=DAILY)
    codes = {"a": 0, "b": 1}
    alerts = by_fall([(fall, who, day * DAY_MS + DAY_MS // 2) for fall, who, day in said], codes)
    court, records = Court(seen, 20 * DAY_MS), {"less": FOUND}
    (less,) = declining(alerts, records, court, ActiveDays(seen))
    assert less.compared == 0
    assert less.use_after is None


def test_what_is_not_watched_for_a_horizon_is_not_compared() -> None:
    """Nor counted as use that was given up; what was said before the time scored is left out."""
    less = found([("less", "a", 55), ("less", "a", 10)], a=DAILY, b=DAILY)
    assert (less.alerts, less.compared) == (1, 0)
