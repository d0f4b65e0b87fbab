"""Segment dials: what the dial of each segment came to, where segments have dials of their own.

A customer changes segments as its traits do, so its time, its alerts and its lapses
count where it was at the time: as the detector saw it at the nearest landmark or visit
before, and before the first of them as at that one.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from stream.backtest.findings import SegmentDial
from stream.backtest.history import NEVER, Floats, Ints
from stream.backtest.judging import MONTH_DAYS, Alerts, Bools, Court
from stream.detector.events import DAY_MS


class Stays(NamedTuple):
    """Times during which customers counted for one dial, by customer and then by time."""

    customer: Ints
    begin: Ints
    end: Ints

    def cover(self, customer: Ints, time: Ints) -> Bools:
        """Tell which of these customers counted for the dial at these moments (ms)."""
        within = np.zeros(len(time), np.bool_)
        of: dict[int, list[tuple[int, int]]] = {}
        for who, begin, end in zip(*(column.tolist() for column in self), strict=True):
            of.setdefault(who, []).append((begin, end))
        for place, (who, at) in enumerate(zip(customer.tolist(), time.tolist(), strict=True)):
            within[place] = any(begin <= at < end for begin, end in of.get(who, ()))
        return within

    def months(self, court: Court) -> Floats:
        """Give each customer's eligible time for the dial, in months; shape (customers,)."""
        spans: dict[int, list[tuple[int, int]]] = {}
        for who, since, until in zip(*(column.tolist() for column in court.spans), strict=True):
            spans.setdefault(who, []).append((since, until))
        months = np.zeros(len(court.history.customers))
        for who, begin, end in zip(*(column.tolist() for column in self), strict=True):
            for since, until in spans.get(who, ()):
                months[who] += max(0, min(until, end) - max(since, begin)) / DAY_MS / MONTH_DAYS
        return months


def stays(
    moves: Iterable[tuple[str, int, str]],
    last: Mapping[str, str],
    codes: Mapping[str, int],
    dials: Iterable[str],
) -> dict[str, Stays]:
    """Give who counted for each dial when, of moves in order of time.

    `last` says where those stand who were never seen to move; `codes` are customers' numbers.
    """
    of: dict[str, list[tuple[int, str]]] = {}
    for customer_id, at, dial in moves:
        of.setdefault(customer_id, []).append((at, dial))
    found: dict[str, list[tuple[int, int, int]]] = {dial: [] for dial in dials}
    for customer_id, code in codes.items():
        seen = of.get(customer_id) or [(0, last.get(customer_id, ""))]
        begins = [-NEVER, *(at for at, _ in seen[1:])]
        ends = [*begins[1:], NEVER]
        for (_, dial), begin, end in zip(seen, begins, ends, strict=True):
            found[dial].append((code, begin, end))
    columns = {dial: np.array(rows, np.int64).reshape(-1, 3) for dial, rows in found.items()}
    return {dial: Stays(*rows.T) for dial, rows in columns.items()}


def segment_dials(
    settings: Mapping[str, tuple[float, float | None]],
    found: Mapping[str, Stays],
    alerts: Alerts,
    court: Court,
    horizons: Mapping[str, int],
) -> Iterator[SegmentDial]:
    """Hold what each dial was set to against what alerts at these settings came to.

    `horizons` are those (ms) that segments have of their own.
    """
    whole = Court(court.history)
    for name, (rate, notice) in settings.items():
        here = found[name]
        own = here.cover(alerts.customer, alerts.time)
        charged = Alerts(alerts.customer[own], alerts.time[own])
        lapses = here.cover(court.lapsed, court.since)
        judged = court.judge(charged)
        delay = judged.delay[lapses]
        noticed = delay[~np.isnan(delay)]
        months, count = here.months(court), int(lapses.sum())
        total, right, false = float(months.sum()), int(judged.true.sum()), int(judged.false.sum())
        early = charged.time < court.begin
        before = whole.judge(Alerts(charged.customer[early], charged.time[early]))
        warm_up = _ratio(int(before.false.sum()), float(here.months(whole).sum()) - total)
        missed = float(court.horizon_days[lapses][np.isnan(delay)].sum())
        measured, asked = _ratio(false, total), None if notice is not None else rate
        yield SegmentDial(
            segment=name,
            horizon_days=horizons[name] / DAY_MS if name in horizons else None,
            dial=asked,
            notice_days_per_false_alarm=notice,
            customers=int((months > 0).sum()),
            customer_months=total,
            lapses=count,
            measured=measured,
            ratio=_ratio(measured, asked),
            recall=_ratio(len(noticed), count),
            precision=_ratio(right, right + false),
            mean_delay_days=_ratio(float(noticed.sum()) + missed, count),
            warm_up_measured=warm_up,
            warm_up_ratio=_ratio(warm_up, asked),
        )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
