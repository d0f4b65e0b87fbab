"""Sweep: what many settings of the dial would have said, in one replay.

Models learn the same whatever the dial: it only sets the threshold, and its own
account of false alarms.  So customers are judged once, and each setting follows
along with a threshold, an account, and a note of whom it has called slipping.
At the setting a product has, that gives the product's own silence alerts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import msgspec
import numpy as np

from models.dial import Dial
from models.protocol import Assessment, Tally
from stream.backtest.history import Ints
from stream.backtest.noting import NotingReplay
from stream.detector.alerts import Trigger
from stream.detector.decisions import Decisions
from stream.detector.events import DAY_MS

_FALLS = {"comes_less": "less", "fewer_kinds": "narrower"}
"""By the first reason of an alert."""


@dataclass
class Raised:
    """An alert that one setting raised in a silence that goes on."""

    at: int
    """Event time (ms)."""
    false_chance: float


class Following:
    """One dial, and what has happened since it last turned, by the midnight that ends the day."""

    def __init__(self, dial: Dial) -> None:
        """Begin with a dial that has not turned yet."""
        self.dial = dial
        self.threshold = inf
        self.said: list[tuple[str, int]] = []
        self.slipping: dict[str, Raised] = {}
        """By customer."""
        self.false_at: dict[str, int] = {}
        """When the last alert that turned out false was raised, by customer."""
        self.false: Counter[int] = Counter()
        self.withdrawn: Counter[int] = Counter()
        self.raised: defaultdict[int, float] = defaultdict(float)
        self.settled: defaultdict[int, float] = defaultdict(float)

    def turn(self, ended: Iterable[Tally], part: float) -> None:
        """Set the threshold anew, with what silence has of the dial."""
        self.dial.part = part
        self.dial.turn(
            msgspec.structs.replace(
                tally,
                false_alarms=self.false.pop(tally.day_end, 0),
                withdrawn_false_alarms=self.withdrawn.pop(tally.day_end, 0),
                chance_raised=self.raised.pop(tally.day_end, 0.0),
                chance_settled=self.settled.pop(tally.day_end, 0.0),
            )
            for tally in ended
        )
        self.threshold = inf if self.dial.threshold is None else self.dial.threshold


class Sweep:
    """Hears a detector's judgements, as its witness."""

    def __init__(self, dials: Sequence[Dial], horizon_ms: int) -> None:
        """Follow these dials, none of which has turned yet."""
        self._horizon = horizon_ms
        self._all = [Following(dial) for dial in dials]
        self._least = inf
        """The lowest threshold in force."""
        self._slipping: set[str] = set()
        """Customers called slipping at any setting."""

    # ------------------------------------------------------------ as a witness

    def judged(self, customer_id: str, at: int, judged: Assessment) -> None:
        """Open an alert at every setting to which the silence is now worth one."""
        if judged.value >= self._least:
            self._slipping.add(customer_id)
        elif customer_id not in self._slipping:
            return
        for each in self._all:
            raised = each.slipping.get(customer_id)
            if raised is not None:
                left = 1 - judged.p_gap
                each.settled[_day_end(at)] += raised.false_chance - left
                raised.false_chance = left
            elif judged.value >= each.threshold:
                chance = 1 - judged.p_lapse
                each.said.append((customer_id, at))
                each.slipping[customer_id] = Raised(at, chance)
                each.raised[_day_end(at)] += chance

    def returned(self, customer_id: str, at: int, silence_ms: int) -> None:
        """Close them; those within the horizon were false."""
        if customer_id not in self._slipping:
            return
        self._slipping.remove(customer_id)
        for each in self._all:
            raised = each.slipping.pop(customer_id, None)
            if raised is not None and silence_ms <= self._horizon:
                each.false[_day_end(at)] += 1
                each.settled[_day_end(at)] += raised.false_chance
                each.false_at[customer_id] = raised.at

    def lost(self, customer_id: str, at: int) -> None:
        """Expect nothing more of those who lapsed."""
        for each in self._all:
            raised = each.slipping.get(customer_id)
            if raised is not None:
                each.settled[_day_end(at)] += raised.false_chance
                raised.false_chance = 0.0

    def unobserved(self, customer_id: str, at: int) -> None:
        """Withdraw the false alarms of the last horizon, and expect nothing more."""
        for each in self._all:
            false_at = each.false_at.pop(customer_id, 0)
            each.withdrawn[_day_end(at)] += false_at > at - self._horizon
            raised = each.slipping.get(customer_id)
            if raised is not None:
                each.raised[_day_end(at)] -= raised.false_chance
                raised.false_chance = 0.0

    # ------------------------------------------------------------ day by day

    def turn(self, tallies: Iterable[Tally], part: float = 1.0) -> None:
        """Set every threshold anew, by what became known on the days that ended.

        `part` is what silence has of the dial.
        """
        ended = list(tallies)
        for each in self._all:
            each.turn(ended, part)
        self._least = min(each.threshold for each in self._all)

    def alerts(self, codes: dict[str, int]) -> list[tuple[Ints, Ints]]:
        """Give each setting's alerts: customers, by the numbers in `codes`, and times (ms)."""
        return [
            (
                np.array([codes[customer_id] for customer_id, _ in each.said], np.int64),
                np.array([at for _, at in each.said], np.int64),
            )
            for each in self._all
        ]


def _day_end(at: int) -> int:
    """Give the midnight that ends the day of a moment (ms)."""
    return (at // DAY_MS + 1) * DAY_MS


class SweptReplay(NotingReplay):
    """A replay with a witness."""

    def __init__(self, *arguments: Any, sweep: Sweep, **options: Any) -> None:
        """Let `sweep` follow along; everything else is `NotingReplay`'s."""
        super().__init__(*arguments, **options)
        self.detector.judge.witness = self._sweep = sweep
        self._ended: list[Tally] = []

    @property
    def declined(self) -> list[tuple[str, str, int]]:
        """Give the alerts on decline: the fall, the customer, the time (ms)."""
        return [
            (_FALLS[alert.reason_1], alert.customer_id, alert.time)
            for alert in self.opened
            if alert.trigger is Trigger.DECLINE
        ]

    def _keep(self, decisions: Decisions) -> None:
        super()._keep(decisions)
        self._ended += [lesson for lesson in decisions.lessons if isinstance(lesson, Tally)]

    def _turn(self, midnight: int) -> None:
        super()._turn(midnight)
        ended, self._ended = self._ended, []
        self._sweep.turn(ended, self.silence_part)
