"""What a backtest says of each segment's dial, reckoned by hand."""

from dataclasses import replace

import numpy as np
import pytest

from stream.backtest.findings import SegmentDial
from stream.backtest.history import History
from stream.backtest.judging import MONTH_DAYS, Alerts, Court
from stream.backtest.segment_dials import segment_dials, stays
from stream.detector.events import DAY_MS

BEGIN = 20_000
DAYS = 200
HORIZON = 10


def day(number: float) -> int:
    """Return a moment of the log (ms)."""
    return round((BEGIN + number) * DAY_MS)


def court(**comes: list[float]) -> Court:
    """Return a court over customers who came on these days."""
    rows = [(code, day(at)) for code, days in enumerate(comes.values()) for at in days]
    customer, time = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    end = np.full(len(comes), day(DAYS))
    history = History(
        list(comes),
        customer,
        time,
        np.ones(len(time)),
        end,
        HORIZON * DAY_MS,
        np.full(len(time), HORIZON * DAY_MS),
    )
    return Court(history, day(0))


@pytest.fixture
def found() -> dict[str, SegmentDial]:
    """Return what became of three customers, one of whom buys on day 50.

    All come every other day for a hundred days, and are eligible from day 4 on.
    """
    often = list(np.arange(0, 100, 2.0))
    held = court(trial=often, buys=often, paid=often)
    codes = {name: code for code, name in enumerate(held.history.customers)}
    moves = [("trial", day(6), "trials"), ("buys", day(6), "trials"), ("buys", day(50), "")]
    alerts = Alerts(
        np.array([codes[name] for name in ("trial", "buys", "buys", "paid")]),
        np.array([day(at) for at in (21.5, 31.5, 61.5, 99.5)]),
    )
    settings: dict[str, tuple[float, float | None]] = {"": (0.05, None), "trials": (0.5, None)}
    where = stays(moves, {"paid": ""}, codes, settings)
    return {one.segment: one for one in segment_dials(settings, where, alerts, held, {})}


def test_time_counts_where_a_customer_was_at_the_time(found: dict[str, SegmentDial]) -> None:
    """From day 4 to day 108: all of one, and up to day 50 of who buys."""
    assert found["trials"].customer_months == pytest.approx((104 + 46) / MONTH_DAYS)
    assert found[""].customer_months == pytest.approx((104 + 58) / MONTH_DAYS)
    assert (found["trials"].customers, found[""].customers) == (2, 2)


def test_so_do_alerts_and_lapses(found: dict[str, SegmentDial]) -> None:
    """Two false alarms on trials, one on who has bought, and a lapse that was noticed."""
    trials, others = found["trials"], found[""]
    assert trials.measured == pytest.approx(2 / trials.customer_months)
    assert trials.ratio == pytest.approx(2 / trials.customer_months / 0.5)
    assert others.measured == pytest.approx(1 / others.customer_months)
    assert (trials.lapses, others.lapses) == (1, 2)
    assert (trials.recall, others.recall) == (0.0, 0.5)
    assert trials.mean_delay_days == HORIZON
    assert others.mean_delay_days == pytest.approx((1.5 + HORIZON) / 2)


def test_a_lapse_is_one_by_the_horizon_of_its_segment() -> None:
    """Six silent days are a lapse of a trial, and none of a customer who pays."""
    days = [0.0, 1.0, 2.0, 3.0, 9.5, 10.5]
    both = court(trial=days, paid=days)
    horizons = np.where(both.history.customer == 0, 5, 10) * DAY_MS
    held = Court(replace(both.history, horizons=horizons), day(0))
    assert held.lapsed.tolist() == [0, 0, 1]
    assert held.since.tolist() == [day(3), day(10.5), day(10.5)]
    assert held.horizon_days.tolist() == [5.0, 5.0, 10.0]
    # Eligible from day 2: five days behind day 3, again from the return, five behind day 10.5.
    assert held.months * MONTH_DAYS == pytest.approx([1 + 5 + 1 + 5, 8.5 + 10])
    alerts = Alerts(np.array([0, 1, 0, 1]), np.array([day(4), day(4), day(9), day(9)]))
    judged = held.judge(alerts)
    assert judged.late.tolist() == [False, True, False, False]
    assert judged.true.tolist() == [True, False, False, False]
    assert judged.false.tolist() == [False, False, True, True]
    score = held.score(Alerts(np.array([0]), np.array([day(4)])))
    assert score.recall == 1 / 3
    assert score.mean_delay_days == pytest.approx((1 + 5 + 10) / 3)
