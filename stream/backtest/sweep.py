"""Sweep: what many settings of the dial would have said, in one replay.

Models learn the same whatever the dial: it only sets the threshold, and its own
account of false alarms.  So customers are judged once, and each setting follows
along with a threshold, an account, and a note of whom it has called slipping.
At the setting a product has, that gives the product's own silence alerts.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import or_
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
        self._steps: list[float] = []
        """The thresholds in force, ascending."""
        self._reached = [0]
        """The settings whose threshold a value reaches, as bits, by how many steps are below it."""
        self._slipping: dict[str, int] = {}
        """Customers called slipping in their present silence; a bit for each setting that did."""
        self._false: list[Counter[int]] = [Counter() for _ in self._dials]
        """False alarms by the day that ends at a midnight (ms)."""
        self._said: list[list[tuple[str, int]]] = [[] for _ in self._dials]

    # ------------------------------------------------------------ as a witness

    def judged(self, customer_id: str, at: int, value: float) -> None:
        """Open an alert at every setting to which the silence is now worth one."""
        slipping = self._slipping.get(customer_id, 0)
        opened = self._reached[bisect_right(self._steps, value)] & ~slipping
        if not opened:
            return
        self._slipping[customer_id] = slipping | opened
        for number in _settings(opened):
            self._said[number].append((customer_id, at))

    def returned(self, customer_id: str, at: int, silence_ms: int) -> None:
        """Close them; those within the horizon were false."""
        slipping = self._slipping.pop(customer_id, 0)
        if slipping and silence_ms <= self._horizon:
            day_end = (at // DAY_MS + 1) * DAY_MS
            for number in _settings(slipping):
                self._false[number][day_end] += 1

    # ------------------------------------------------------------ day by day

    def turn(self, tallies: Iterable[Tally]) -> None:
        """Set every threshold anew, by what became known on the days that ended."""
        ended = list(tallies)
        for dial, false in zip(self._dials, self._false, strict=True):
            dial.turn(
                msgspec.structs.replace(tally, false_alarms=false.pop(tally.day_end, 0))
                for tally in ended
            )
        steps = sorted(
            (dial.threshold, number)
            for number, dial in enumerate(self._dials)
            if dial.threshold is not None
        )
        self._steps = [threshold for threshold, _ in steps]
        self._reached = list(accumulate((1 << number for _, number in steps), or_, initial=0))

    def alerts(self, codes: dict[str, int]) -> list[tuple[Ints, Ints]]:
        """Give each setting's alerts: customers, by the numbers in `codes`, and times (ms)."""
        return [
            (
                np.array([codes[customer_id] for customer_id, _ in said], np.int64),
                np.array([at for _, at in said], np.int64),
            )
            for said in self._said
        ]


def _settings(bits: int) -> Iterator[int]:
    """Give the numbers of the settings whose bits are set, the lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


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
