"""Groups: for which customers it is better, and for which it is not.

Both ways of grouping sort customers for the reader; no method knows of them.
"""

from collections.abc import Iterator

import numpy as np

from stream.backtest.active_days import ActiveDays
from stream.backtest.history import Floats, History, Ints
from stream.backtest.judging import Bools
from stream.detector.events import DAY_MS
from stream.report.log import CADENCES

BY_CADENCE = "usual gap"
BY_TENURE = "tenure at begin"
MEANINGS = {
    BY_CADENCE: "the median of the days between a customer's active days, over the whole log",
    BY_TENURE: "time from a customer's first activity to the begin of the scoring",
}


def groups(history: History, days: ActiveDays, begin: int) -> Iterator[tuple[str, str, Bools]]:
    """Give each way of grouping, the group's name, and its members, shape (customers,)."""
    usual = _usual_gap(days)
    for name, above, up_to in CADENCES:
        yield BY_CADENCE, name, (usual > above) & (usual <= up_to)
    tenure = begin - _first_seen(history)
    yield BY_TENURE, "new since then", tenure <= 0
    yield BY_TENURE, "up to one horizon", (tenure > 0) & (tenure <= history.horizon)
    yield BY_TENURE, "longer", tenure > history.horizon


def _usual_gap(days: ActiveDays) -> Floats:
    """Give each customer's median gap over the log, in days; NaN where there is none."""
    usual = np.full(len(days.history.customers), np.nan)
    usual[days.customer] = days.usual_gap  # the last one counts: it is of all gaps
    return usual


def _first_seen(history: History) -> Ints:
    """Give each customer's first activity (ms), after everything where there is none."""
    first = np.full(len(history.customers), int(history.end.max(initial=0)) + DAY_MS)
    first[history.customer[history.first]] = history.time[history.first]
    return first
