"""Populations that do not exist, in visits: who comes how often, and until when.

A visit is one event.  Times are days since a population's first, until they
become events.  Everything follows from the generator that is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from models.dials import Dials
from models.protocol import Assessment
from models.snapshots import Snapshot
from stream.backtest.history import Floats, History, Recorder
from stream.backtest.judging import Alerts, Court
from stream.backtest.sweep import OneSetting, Sweep, SweptReplay
from stream.detector.batch import EventBatch, Traits
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy

STARTS_AT_MS = 1_736_121_600_000
"""Monday, 2025-01-06 00:00 UTC."""
BATCH = 10_000
HORIZON = 14.0
"""Days."""
POLICY = Policy(horizon_ms=round(HORIZON * DAY_MS))

Lives = dict[str, Floats]
"""Customer id -> days of its visits, ascending."""


class Way(NamedTuple):
    """How the customers of a group come."""

    gap_days: float = 4.0
    """Median over customers of their mean gap."""
    spread: float = 0.4
    """Standard deviation of its logarithm."""
    shape: float = 2.0
    """Of the gaps of one customer, gamma: 1 is chance, 16 like clockwork."""
    stay_days: float = 120.0
    """Mean time until a customer leaves, without a sign."""


USUAL = Way()


def stays(draw: Generator, name: str, starts: Floats, until: float, way: Way) -> Lives:
    """Draw the visits of one customer for each of `starts`, before day `until`."""
    lives: Lives = {}
    for number, start in enumerate(starts.tolist()):
        gap = way.gap_days * np.exp(way.spread * draw.standard_normal())
        stop = min(until, start + draw.exponential(way.stay_days))
        count = int((stop - start) / gap * 2 + 20)
        gaps = np.maximum(draw.gamma(way.shape, gap / way.shape, count), 0.05)
        days = np.append(start, start + np.cumsum(gaps))
        lives[f"{name}-{number}"] = days[(days < stop) | (days == start)]
    return lives


def steady(draw: Generator, name: str, size: int, until: float, way: Way = USUAL) -> Lives:
    """Draw a population that stays as large as it is: whoever leaves is made up for."""
    at_first = draw.uniform(0, way.gap_days, size)
    newcomers = draw.poisson(size / way.stay_days * until)
    later = draw.uniform(way.gap_days, until, newcomers)
    return stays(draw, name, np.append(at_first, later), until, way)


def events(lives: Mapping[str, Floats]) -> EventBatch:
    """Put visits into events, in order; a customer's first says its group, by the trait `kind`."""
    ids = [customer_id for customer_id, days in lives.items() for _ in days]
    times = np.concatenate([np.zeros(0), *lives.values()])
    at = STARTS_AT_MS + (times * DAY_MS).astype(np.int64)
    blank = [""] * len(ids)
    traits: list[Traits | None] = [
        None if number else {"kind": customer_id.partition("-")[0]}
        for customer_id, days in lives.items()
        for number in range(len(days))
    ]
    whole = EventBatch(ids, ["visit"] * len(ids), at, at, blank, np.ones(len(ids)), blank, traits)
    return whole.taken(np.lexsort((np.array(ids), at)))


class Judgements(Sweep):
    """A sweep that remembers what was answered, too."""

    def __init__(self, dials: list[OneSetting], policy: Policy) -> None:
        """Follow these dials."""
        super().__init__(dials, policy)
        self.heard: list[tuple[str, int, float]] = []
        """Customer, moment (ms), P(lapse)."""

    def judged(self, customer_id: str, at: int, judged: Assessment, dial: str) -> None:
        """Remember it."""
        super().judged(customer_id, at, judged, dial)
        self.heard.append((customer_id, at, judged.p_lapse))


@dataclass(frozen=True)
class Story:
    """What a replay of a population came to."""

    history: History
    said: dict[float, Alerts]
    """By the dial's setting."""
    snapshots: list[Snapshot]
    heard: list[tuple[str, int, float]]

    def false_alarms(
        self, dial: float, begin: float, end: float = np.inf, among: str = ""
    ) -> tuple[int, float]:
        """Count those raised from day `begin` to before `end`, and give the customer-months.

        Among the customers whose names begin so.
        """
        court, said = Court(self.history), self.said[dial]
        chosen = np.array([name.startswith(among) for name in self.history.customers])
        found, order = court.judge(said), np.lexsort((said.time, said.customer))
        days = (said.time[order] - STARTS_AT_MS) / DAY_MS
        false = found.false & (days >= begin) & (days < end) & chosen[found.customer]
        months = self._months(begin) - (self._months(end) if np.isfinite(end) else 0.0)
        return int(false.sum()), float(months[chosen].sum())

    def rate(self, dial: float, begin: float, end: float = np.inf, among: str = "") -> float:
        """Give false alarms per customer-month."""
        false, months = self.false_alarms(dial, begin, end, among)
        return false / months

    def _months(self, begin: float) -> Floats:
        return Court(self.history, STARTS_AT_MS + round(begin * DAY_MS)).months


def lived(
    lives: Mapping[str, Floats], policy: Policy = POLICY, dials: Sequence[float] = (0.1,)
) -> Story:
    """Replay a population's events; follow what each setting of the dial would have said.

    Segments with a dial of their own keep it.
    """
    days = policy.horizon_ms / DAY_MS
    settings: list[OneSetting] = [
        {0: Dials.set_to(days, policy.dials | {"": (dial, None)})} for dial in dials
    ]
    sweep = Judgements(settings, policy)
    run, recorder = SweptReplay(policy, alerts=None, sweep=sweep), Recorder(policy)
    batch = events(lives)
    for begin in range(0, len(batch), BATCH):
        run.take(batch.part(begin, begin + BATCH))
    recorder.take(batch)
    run.finish(int(batch.occurred_at[-1]))
    history = recorder.history()
    codes = {customer_id: code for code, customer_id in enumerate(history.customers)}
    said = (Alerts(customer, at) for customer, at in sweep.alerts(codes))
    return Story(history, dict(zip(dials, said, strict=True)), run.snapshots, sweep.heard)
