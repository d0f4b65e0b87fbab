"""Sweep: what many settings of the dial would have said, in one replay.

Models learn the same whatever the dial: it only sets the threshold, and its own
account of false alarms.  So customers are judged once, and each setting follows
along with a threshold, an account, and a note of whom it has called slipping.
At the setting a product has, that gives the product's own silence alerts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

import msgspec
import numpy as np

from models.dial import Dial
from models.protocol import Tally
from stream.backtest.history import Ints
from stream.detector.detector import Decisions
from stream.detector.events import DAY_MS
from stream.replay.run import Replay


class Sweep:
    """Hears a detector's judgements, as its witness."""

    def __init__(self, dials: Sequence[Dial], horizon_ms: int) -> None:
        """Follow these dials, none of which has turned yet."""
        self._horizon = horizon_ms
        self._dials = list(dials)
        self._thresholds = [inf] * len(self._dials)
        self._slipping: dict[str, dict[int, int]] = {}
        """When (ms) each setting called a customer slipping, of those silent since."""
        self._false_at: dict[str, dict[int, int]] = {}
        """When the last alert that turned out false was raised, likewise."""
        self._false: list[Counter[int]] = [Counter() for _ in self._dials]
        """False alarms by the day that ends at a midnight (ms)."""
        self._withdrawn: list[Counter[int]] = [Counter() for _ in self._dials]
        """Those of which that cannot count; see `Observation`."""
        self._said: list[list[tuple[str, int]]] = [[] for _ in self._dials]

    # ------------------------------------------------------------ as a witness

    def judged(self, customer_id: str, at: int, value: float) -> None:
        """Open an alert at every setting to which the silence is now worth one."""
        slipping = self._slipping.get(customer_id, {})
        for number, threshold in enumerate(self._thresholds):
            if value >= threshold and number not in slipping:
                slipping[number] = at
                self._said[number].append((customer_id, at))
        if slipping:
            self._slipping[customer_id] = slipping

    def returned(self, customer_id: str, at: int, silence_ms: int) -> None:
        """Close them; those within the horizon were false."""
        slipping = self._slipping.pop(customer_id, {})
        if slipping and silence_ms <= self._horizon:
            self._false_at[customer_id] = self._false_at.get(customer_id, {}) | slipping
            for number in slipping:
                self._false[number][_day_end(at)] += 1

    def unobserved(self, customer_id: str, at: int) -> None:
        """Withdraw the false alarms of the last horizon."""
        for number, raised_at in self._false_at.pop(customer_id, {}).items():
            self._withdrawn[number][_day_end(at)] += raised_at > at - self._horizon

    # ------------------------------------------------------------ day by day

    def turn(self, tallies: Iterable[Tally]) -> None:
        """Set every threshold anew, by what became known on the days that ended."""
        ended = list(tallies)
        for number, dial in enumerate(self._dials):
            false, withdrawn = self._false[number], self._withdrawn[number]
            dial.turn(
                msgspec.structs.replace(
                    tally,
                    false_alarms=false.pop(tally.day_end, 0),
                    withdrawn_false_alarms=withdrawn.pop(tally.day_end, 0),
                )
                for tally in ended
            )
            self._thresholds[number] = inf if dial.threshold is None else dial.threshold

    def alerts(self, codes: dict[str, int]) -> list[tuple[Ints, Ints]]:
        """Give each setting's alerts: customers, by the numbers in `codes`, and times (ms)."""
        return [
            (
                np.array([codes[customer_id] for customer_id, _ in said], np.int64),
                np.array([at for _, at in said], np.int64),
            )
            for said in self._said
        ]


def _day_end(at: int) -> int:
    """Give the midnight that ends the day of a moment (ms)."""
    return (at // DAY_MS + 1) * DAY_MS


class SweptReplay(Replay):
    """A replay with a witness."""

    def __init__(self, *arguments: Any, sweep: Sweep, **options: Any) -> None:
        """Let `sweep` follow along; everything else is `Replay`'s."""
        super().__init__(*arguments, **options)
        self.detector.judge.witness = self._sweep = sweep
        self._ended: list[Tally] = []

    def _keep(self, decisions: Decisions) -> None:
        super()._keep(decisions)
        self._ended += [lesson for lesson in decisions.lessons if isinstance(lesson, Tally)]

    def _turn(self, midnight: int) -> None:
        super()._turn(midnight)
        ended, self._ended = self._ended, []
        self._sweep.turn(ended)
