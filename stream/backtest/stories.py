"""Stories: a few customers, by whom the figures can be checked and understood.

None is picked for being beautiful.  Those caught are put in order by how late, those
called in vain by how long they stayed away after it, those missed by how often they had
come; shown are those at a quarter, at half and at three quarters of each.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

import numpy as np

from stream.backtest.against import Fate
from stream.backtest.findings import Story
from stream.backtest.history import NEVER, Ints
from stream.backtest.judging import Alerts, Court
from stream.detector.alerts import Alert, Trigger
from stream.detector.events import DAY_MS
from stream.wire.times import iso

RULE_DAYS: Final = 30.0
"""Silence after which most dashboards call a customer gone."""
HORIZONS_BEFORE: Final = 2
"""Of active days, that a story tells of: so many horizons before the silence, ..."""
HORIZONS_AFTER: Final = 1
"""... and one from its begin on."""
CAUGHT, IN_VAIN, MISSED = "caught", "in vain", "missed"

_Case = TypeVar("_Case")


def stories(court: Court, fates: Sequence[Fate]) -> list[Story]:
    """Tell of customers who were caught, called in vain, and missed.

    `fates` are of the policy's own alerts that opened from `court.begin` on; who was told of for
    whatever reason was not missed, but caught and called in vain are alerts on silence alone.
    """
    codes = {customer_id: code for code, customer_id in enumerate(court.history.customers)}
    known = [fate for fate in fates if fate.alert.customer_id in codes]
    silent = [fate for fate in known if fate.alert.trigger is Trigger.SILENCE]
    teller = _Teller(court)
    return [
        *_caught(teller, [fate.alert for fate in silent], codes),
        *_in_vain(teller, silent, codes),
        *_missed(teller, [fate.alert for fate in known], codes),
    ]


def _caught(teller: "_Teller", alerts: Sequence[Alert], codes: dict[str, int]) -> Iterator[Story]:
    court = teller.court
    delay = court.judge(_alerts(alerts, codes)).delay
    noticed = np.flatnonzero(~np.isnan(delay))
    first: dict[tuple[int, int], Alert] = {}
    for alert in sorted(alerts, key=lambda alert: alert.time):
        code = codes[alert.customer_id]
        first.setdefault((code, teller.last_before(code, alert.time)), alert)
    ordered = sorted(noticed.tolist(), key=lambda lapse: (delay[lapse], lapse))
    for lapse in _spread(ordered):
        code, since = int(court.lapsed[lapse]), int(court.since[lapse])
        yield teller.story(CAUGHT, code, since, first[code, since])


def _in_vain(teller: "_Teller", fates: Iterable[Fate], codes: dict[str, int]) -> Iterator[Story]:
    false = [fate.alert for fate in fates if fate.came_to == "false"]
    away = [
        (teller.next_after(codes[alert.customer_id], alert.time) - alert.time, place)
        for place, alert in enumerate(false)
    ]
    for _, place in _spread(sorted(away)):
        alert = false[place]
        code = codes[alert.customer_id]
        yield teller.story(IN_VAIN, code, teller.last_before(code, alert.time), alert)


def _missed(teller: "_Teller", alerts: Sequence[Alert], codes: dict[str, int]) -> Iterator[Story]:
    court = teller.court
    delay = court.judge(_alerts(alerts, codes)).delay
    missed = np.flatnonzero(np.isnan(delay)).tolist()
    had_come = {
        lapse: len(teller.days_until(int(court.lapsed[lapse]), int(court.since[lapse])))
        for lapse in missed
    }
    for lapse in _spread(sorted(missed, key=lambda lapse: (had_come[lapse], lapse))):
        yield teller.story(MISSED, int(court.lapsed[lapse]), int(court.since[lapse]), None)


class _Teller:
    """Knows every customer's days."""

    def __init__(self, court: Court) -> None:
        self.court = court
        history = court.history
        codes = np.arange(len(history.customers))
        self._begin = np.searchsorted(history.customer, codes, side="left")
        self._end = np.searchsorted(history.customer, codes, side="right")

    def times(self, code: int) -> Ints:
        """Give all of a customer's activities (ms)."""
        return self.court.history.time[self._begin[code] : self._end[code]]

    def last_before(self, code: int, moment: int) -> int:
        """Give the last activity at or before a moment (ms)."""
        return int(self.times(code)[np.searchsorted(self.times(code), moment, side="right") - 1])

    def next_after(self, code: int, moment: int) -> int:
        """Give the first activity after a moment (ms); NEVER: there is none."""
        times = self.times(code)
        place = int(np.searchsorted(times, moment, side="right"))
        return int(times[place]) if place < len(times) else NEVER

    def days_until(self, code: int, moment: int) -> Ints:
        """Give the active days (since 1970) up to a moment (ms)."""
        times = self.times(code)
        return np.unique(times[times <= moment] // DAY_MS)

    def story(self, came_to: str, code: int, since: int, alert: Alert | None) -> Story:
        """Tell of a silence since a customer's last activity (ms), and of the alert in it."""
        history = self.court.history
        days, back = self.days_until(code, since), self.next_after(code, since)
        near = np.unique(self.times(code) // DAY_MS) - since // DAY_MS
        horizon = history.horizon // DAY_MS
        near = near[(near >= -HORIZONS_BEFORE * horizon) & (near <= HORIZONS_AFTER * horizon)]
        reasons = (alert.reason_1_text, alert.reason_2_text, alert.reason_3_text) if alert else ()
        return Story(
            came_to=came_to,
            customer_id=history.customers[code],
            first=iso(int(self.times(code)[0])),
            active_days=len(days),
            usual_gap_days=float(np.median(np.diff(days))) if len(days) > 1 else None,
            last=iso(since),
            alerted=iso(alert.time) if alert else None,
            silent_days=(alert.time - since) / DAY_MS if alert else None,
            risk=alert.risk if alert else None,
            reasons=[reason for reason in reasons if reason],
            back=iso(back) if back < NEVER else None,
            away_days=(min(back, int(history.end[code])) - since) / DAY_MS,
            days=near.tolist(),
        )


def _alerts(alerts: Sequence[Alert], codes: dict[str, int]) -> Alerts:
    return Alerts(
        np.array([codes[alert.customer_id] for alert in alerts], np.int64),
        np.array([alert.time for alert in alerts], np.int64),
    )


def _spread(ordered: Sequence[_Case]) -> list[_Case]:
    """Give those at a quarter, at half and at three quarters, each once."""
    places = dict.fromkeys(len(ordered) * quarter // 4 for quarter in (1, 2, 3))
    return [ordered[place] for place in places if place < len(ordered)]
