"""Landmarks: the silences at which a customer is judged, and what is remembered of it.

Judging costs, and neighbouring moments of one silence say almost the same, so
about ten are enough: a geometric ladder of silences from horizon/60 to the
horizon, or every local midnight where the horizon is short.  Two more beyond
the horizon keep rankings of the long silent honest.

What was known at a landmark is frozen there and kept until its outcome has
aged: a label is released at the same age whether the customer came back or not.
Releasing returns as soon as they are known teaches a model that everybody
returns (log-loss 3.3 instead of 0.6 on the CDNOW log).
"""

from bisect import bisect_left
from typing import Final

import msgspec

from stream.detector.calendar import local_time
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy

SHORT_HORIZON_DAYS = 20
RUNGS = 10
FIRST_SHARE = 1 / 60
BEYOND = (1.4, 2.0)
"""Rungs past the horizon, in horizons."""
PENDING_PER_RUNG = 4
"""Landmarks of one rung a customer may have waiting: bounds the state of frequent visitors.

Whether one is kept depends on earlier landmarks only, never on what came of
them, so the labels stay unbiased."""


class Landmark(msgspec.Struct, array_like=True, gc=False):
    """One judgement whose outcome is not yet known."""

    at: int
    """Event time of the judgement (ms)."""
    last_at: int
    """The customer's last event before it (ms)."""
    rung: int
    """As `Ladder.number` says it."""
    inputs: bytes
    """The model's frozen regressors, opaque to the detector."""
    returned_at: int = 0
    """Begin of the first visit after it (ms); 0 while there is none."""


class Ladder:
    """The silences at which a customer is judged under one policy and horizon."""

    PLACES: Final = 64
    """More than any ladder has rungs."""

    def __init__(self, policy: Policy, horizon_ms: int | None = None) -> None:
        """Lay out the rungs for a horizon; None: the policy's."""
        horizon = policy.horizon_ms if horizon_ms is None else horizon_ms
        self._visit_gap = policy.visit_gap_ms
        self._local = local_time(policy.calendar)
        self._by_midnight = horizon <= SHORT_HORIZON_DAYS * DAY_MS
        beyond = [round(horizon * share) for share in BEYOND]
        if self._by_midnight:
            self._midnights = horizon // DAY_MS
            self._silences = beyond
        else:
            self._midnights = 0
            growth = (1 / FIRST_SHARE) ** (1 / (RUNGS - 1))
            within = [round(horizon * FIRST_SHARE * growth**k) for k in range(RUNGS)]
            within[-1] = horizon
            self._silences = [s for s in (*within, *beyond) if s >= self._visit_gap]
        days = [(n + 1) * DAY_MS for n in range(self._midnights)]
        self._shares = _shares([*days, *self._silences], horizon)

    def at(self, last_at: int, rung: int) -> int | None:
        """Give the moment of a rung for a customer last seen at `last_at`; None past the last."""
        if rung < self._midnights:
            local = self._local
            return local.midnight(local.day(last_at + self._visit_gap - 1) + 1 + rung)
        rung -= self._midnights
        return last_at + self._silences[rung] if rung < len(self._silences) else None

    def share(self, rung: int) -> float:
        """Give the silence that a rung stands for: half the way to either neighbour, in horizons.

        A ranking meets each customer at some moment of a silence, and so meets a silence the
        more often, the longer it lasts; rungs stand closest where silences are short.
        """
        return self._shares[min(rung % self.PLACES, len(self._shares) - 1)]

    @staticmethod
    def number(horizon_key: int, rung: int) -> int:
        """Give the number of a rung that no rung of another horizon has (`Horizon.key`)."""
        return horizon_key * Ladder.PLACES + rung

    def first_after(self, last_at: int, moment: int) -> int:
        """Give the first rung of a silence since `last_at` that lies after `moment`."""
        rung = 0
        while (at := self.at(last_at, rung)) is not None and at <= moment:
            rung += 1
        return rung


def _shares(silences: list[int], horizon: int) -> list[float]:
    """Give what each of these silences (ms) stands for, in horizons."""
    before = [0, *silences[:-1]]
    after = [*silences[1:], 2 * silences[-1] - before[-1]]
    return [(late - early) / (2 * horizon) for early, late in zip(before, after, strict=True)]


def has_room(pending: list[Landmark], rung: int) -> bool:
    """Tell whether one more landmark of this rung may be kept."""
    room = PENDING_PER_RUNG
    if len(pending) < room:
        return True
    for landmark in pending:
        if landmark.rung == rung:
            room -= 1
            if not room:
                return False
    return True


def mark_return(pending: list[Landmark], at: int) -> None:
    """Note the customer's return on every landmark that still waits for one."""
    for landmark in reversed(pending):
        if landmark.returned_at:
            break
        landmark.returned_at = at


def forget_after(pending: list[Landmark], at: int) -> None:
    """Drop the landmarks from `at` on: a late event showed they judged a silence that was not."""
    del pending[bisect_left(pending, at, key=lambda landmark: landmark.at) :]
