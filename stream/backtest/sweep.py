"""Sweep: what many settings of the dial would have said, in one replay.

Models learn the same whatever the dial: it only sets the threshold, and its own
account of false alarms.  So customers are judged once, and each setting follows
along with a threshold, an account, and a note of whom it has called slipping.
At the setting a product has, that gives the product's own silence alerts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import msgspec
import numpy as np

from models.dial import Dial
from models.dials import Dials
from models.protocol import Assessment, Share, Tally
from models.shares import split
from stream.backtest.history import Ints
from stream.backtest.noting import NotingReplay
from stream.detector.alerts import Trigger
from stream.detector.decisions import Decisions
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy

_FALLS = {"comes_less": "less", "fewer_kinds": "narrower"}
"""By the first reason of an alert."""


_NONE = Share(0.0, {}, 0, 0, 0.0, 0.0)

OneSetting = Mapping[int, Dials]
"""All dials at one setting, by the horizon (ms) that their segments have, the policy's under 0."""


class Learned(Protocol):
    """What turned on a midnight, as far as dials are concerned."""

    @property
    def silence_part(self) -> float:
        """Give what silence has of the dial, 0 to 1."""
        ...

    @property
    def renewed(self) -> bool:
        """Whether somebody else answers from now on: weights in the prior's place."""
        ...


@dataclass
class Raised:
    """An alert that one setting raised in a silence that goes on."""

    at: int
    """Event time (ms)."""
    false_chance: float
    dial: str
    """The segment whose dial it is charged to; empty: the policy's."""


@dataclass
class Came:
    """What a day came to at one setting, by one dial."""

    false: int = 0
    withdrawn: int = 0
    """Of false alarms so far, those of the last horizon before an observation ended."""
    raised: float = 0.0
    settled: float = 0.0

    def of(self, counted: Share) -> Share:
        """Give what the dial is told, of customers counted so."""
        return msgspec.structs.replace(
            counted,
            false_alarms=self.false,
            withdrawn_false_alarms=self.withdrawn,
            chance_raised=self.raised,
            chance_settled=self.settled,
        )


class Following:
    """One setting, and what has happened since it last turned."""

    def __init__(self, dials: OneSetting) -> None:
        """Begin with dials that have not turned yet."""
        self.dials = dials
        self._names = {h: list(each.segments) for h, each in dials.items() if h}
        self.thresholds: dict[str, float] = {}
        self.said: list[tuple[str, int]] = []
        self.slipping: dict[str, Raised] = {}
        """By customer."""
        self.false_at: dict[str, int] = {}
        """When the last alert that turned out false was raised, by customer."""
        self.days: dict[int, dict[str, Came]] = {}
        """By the midnight that ends the day, and by dial."""

    def came(self, at: int, dial: str) -> Came:
        """Give what the day of a moment (ms) came to so far, by one dial."""
        return self.days.setdefault(_day_end(at), {}).setdefault(dial, Came())

    def turn(self, ended: Iterable[Tally], trainers: Mapping[int, Learned]) -> None:
        """Set the thresholds anew, with what silence has of each dial."""
        told = [split(self._told(tally), self._names) for tally in ended]
        found: dict[str, Dial] = {}
        for horizon_ms, dials in self.dials.items():
            learned = trainers[horizon_ms]
            tallies = [tally[horizon_ms] for tally in told]
            dials.turn(tallies, learned.silence_part, renewed=learned.renewed)
            found |= {name: dial for name, dial in dials.each.items() if name or not horizon_ms}
        self.thresholds = {
            name: inf if dial.threshold is None else dial.threshold for name, dial in found.items()
        }

    def _told(self, tally: Tally) -> Tally:
        """Give a tally as it had been by these dials."""
        came = self.days.pop(tally.day_end, {})
        names = dict.fromkeys((*tally.segments, *came))
        names.pop("", None)
        return msgspec.structs.replace(
            tally,
            false_alarms=sum(each.false for each in came.values()),
            withdrawn_false_alarms=sum(each.withdrawn for each in came.values()),
            chance_raised=sum(each.raised for each in came.values()),
            chance_settled=sum(each.settled for each in came.values()),
            segments={
                name: came.get(name, Came()).of(tally.segments.get(name, _NONE)) for name in names
            },
        )


class Sweep:
    """Hears a detector's judgements, as its witness."""

    def __init__(self, settings: Sequence[OneSetting], policy: Policy) -> None:
        """Follow these settings, none of which has turned yet."""
        self._horizons = policy.horizons
        self._horizon = policy.horizon_ms
        self._all = [Following(dials) for dials in settings]
        self.moves: list[tuple[str, int, str]] = []
        """Customer, the moment (ms) by which it was seen to count for a dial, and the segment."""
        self._seen: dict[str, str] = {}
        self._least = inf
        """The lowest threshold in force."""
        self._slipping: set[str] = set()
        """Customers called slipping at any setting."""

    # ------------------------------------------------------------ as a witness

    def judged(self, customer_id: str, at: int, judged: Assessment, dial: str) -> None:
        """Open an alert at every setting to which the silence is now worth one."""
        self._see(customer_id, at, dial)
        if judged.value >= self._least:
            self._slipping.add(customer_id)
        elif customer_id not in self._slipping:
            return
        for each in self._all:
            raised = each.slipping.get(customer_id)
            if raised is not None:
                left = 1 - judged.p_gap
                each.came(at, raised.dial).settled += raised.false_chance - left
                raised.false_chance = left
            elif judged.value >= each.thresholds.get(dial, inf):
                chance = 1 - judged.p_lapse
                each.said.append((customer_id, at))
                each.slipping[customer_id] = Raised(at, chance, dial)
                each.came(at, dial).raised += chance

    def returned(self, customer_id: str, at: int, silence_ms: int, dial: str) -> None:
        """Close them; those within the horizon were false."""
        if customer_id in self._seen:  # else it has not counted for any dial yet
            self._see(customer_id, at, dial)
        if customer_id not in self._slipping:
            return
        self._slipping.remove(customer_id)
        horizon_ms = self._horizons.get(dial, self._horizon)
        for each in self._all:
            raised = each.slipping.pop(customer_id, None)
            if raised is not None and silence_ms <= horizon_ms:
                came = each.came(at, raised.dial)
                came.false += 1
                came.settled += raised.false_chance
                each.false_at[customer_id] = raised.at

    def lost(self, customer_id: str, at: int) -> None:
        """Expect nothing more of those who lapsed."""
        for each in self._all:
            raised = each.slipping.get(customer_id)
            if raised is not None:
                each.came(at, raised.dial).settled += raised.false_chance
                raised.false_chance = 0.0

    def unobserved(self, customer_id: str, at: int) -> None:
        """Withdraw the false alarms of the last horizon, and expect nothing more."""
        dial = self._seen.get(customer_id, "")
        horizon_ms = self._horizons.get(dial, self._horizon)
        for each in self._all:
            false_at = each.false_at.pop(customer_id, 0)
            withdrawn = false_at > at - horizon_ms
            each.came(at, dial).withdrawn += withdrawn
            raised = each.slipping.get(customer_id)
            if raised is not None:
                each.came(at, raised.dial).raised -= raised.false_chance
                raised.false_chance = 0.0

    def _see(self, customer_id: str, at: int, dial: str) -> None:
        """Note for which dial a customer counts, where that is new."""
        if self._seen.get(customer_id) != dial:
            self._seen[customer_id] = dial
            self.moves.append((customer_id, at, dial))

    # ------------------------------------------------------------ day by day

    def turn(self, tallies: Iterable[Tally], trainers: Mapping[int, Learned]) -> None:
        """Set every threshold anew, by what became known on the days that ended.

        `trainers` are what learned of them, by segments' own horizon (ms), the policy's under 0.
        """
        ended = list(tallies)
        for each in self._all:
            each.turn(ended, trainers)
        self._least = min(least for each in self._all for least in each.thresholds.values())

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
        self._sweep.turn(ended, self.trainers)
