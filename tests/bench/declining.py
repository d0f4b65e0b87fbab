"""Decline beside silence: `python -m tests.bench.declining`, one JSON line a product.

Simulated products whose customers stay, leave, or from some day on come at 0.3 or at
0.6 of their rate for good.  Everybody is known, so what an alert meant is, too: it is
false if its customer's use goes on as it was, and of a fall it tells if that has begun.
Alerts on silence and on decline are counted in that one currency.

Held against each other at equal false alarms: silence alone, at the fixed threshold
that comes to as many, and both sharing the dial, as the product has it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from math import exp, inf, log
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.random import Generator

from models.dial import Dial
from models.dials import Dials
from stream.backtest.sweep import Sweep, SweptReplay
from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS
from stream.detector.policy import Decline, Policy
from stream.detector.stages import Trigger

STARTS_AT_MS = 1_736_121_600_000
"""Monday, 2025-01-06 00:00 UTC."""
HORIZON = 30.0
DIAL = 0.1
SHARE = 0.2
WITHIN = 60.0
"""Days after a fall in which it has to be told of; one that is not counts as so many."""
RATIOS = (0.3, 0.6)
NOTICES = tuple((HORIZON * np.geomspace(1e-3, 2, 40)).tolist())
"""Fixed thresholds for silence: days of earlier notice that a false alarm may cost."""


class Product(NamedTuple):
    """Who the customers of a simulated product are."""

    gap_days: float = 1.0
    """Median over customers of their mean gap; its logarithm has a standard deviation of 0.4."""
    shape: float = 1.0
    """Of the gaps of one customer, gamma: 1 is chance, 4 rather regular."""
    size: int = 300
    """Of whom a fifth fall to each of `RATIOS`."""
    stay_days: float = 360.0
    """Of the others, until they leave; as many come anew."""
    horizons: int = 12


class Life(NamedTuple):
    """One customer, in days since the product's first."""

    visits: np.ndarray
    ratio: float
    falls: float
    """When it comes less; inf: it does not."""
    leaves: float

    @property
    def changes(self) -> float:
        """Give the day on which its use falls for good."""
        return min(self.falls, self.leaves)


class Read(msgspec.Struct, frozen=True):
    """What one way of alerting came to, after the first half of a product's time."""

    false_per_customer_month: float
    caught: dict[str, float]
    """By ratio: the share of falls told of within `WITHIN`."""
    days: dict[str, float]
    """Mean delay; a fall that is not told of counts as `WITHIN`."""


class Held(msgspec.Struct, frozen=True):
    """Both ways, at the same false alarms."""

    product: Product
    seed: int
    falls: dict[str, int]
    level: float | None
    """In nats, at the end."""
    both: Read
    silence: Read
    bound_days: dict[str, float]
    """No sequential test is sooner at as many false alarms, even if it knows the rate before and
    after and spends them all on this fall; see `bound`."""


def lives(product: Product, seed: int) -> dict[str, Life]:
    """Draw a product's customers."""
    draw = np.random.default_rng(seed)
    until = HORIZON * product.horizons
    fallers = product.size // 5
    found = {}
    for ratio in RATIOS:
        for number in range(fallers):
            start, falls = draw.uniform(0, 10), draw.uniform(2 * HORIZON, until - WITHIN)
            found[f"{ratio}/{number}"] = _life(draw, product, start, ratio, falls, until)
    others = product.size - fallers * len(RATIOS)
    newcomers = int(draw.poisson(others / product.stay_days * until))
    starts = np.append(draw.uniform(0, 10, others), draw.uniform(10, until, newcomers))
    for number, start in enumerate(starts.tolist()):
        leaves = start + draw.exponential(product.stay_days)
        found[f"other/{number}"] = _life(draw, product, start, 1.0, inf, min(until, leaves))
    return found


def _life(
    draw: Generator, product: Product, start: float, ratio: float, falls: float, stop: float
) -> Life:
    """Draw one customer: its time runs slower from its fall on."""
    gap = product.gap_days * float(np.exp(0.4 * draw.standard_normal()))
    count = int(1.5 * (stop - start) / gap + 60)
    gaps = np.maximum(draw.gamma(product.shape, gap / product.shape, count), 0.03)
    days = start + np.append(0.0, np.cumsum(gaps))
    if falls < inf:
        days = np.where(days < falls, days, falls + (days - falls) / ratio)
    until = HORIZON * product.horizons
    return Life(days[days < stop], ratio, falls, stop if stop < until else inf)


def replayed(
    population: Mapping[str, Life], *, decline: bool, dial: float = DIAL
) -> tuple[SweptReplay, list[list[tuple[str, float]]]]:
    """Replay a population; also give silence's alerts (customer, day) at each of `NOTICES`."""
    policy = Policy(
        horizon_ms=round(HORIZON * DAY_MS),
        false_alarms_per_customer_month=dial,
        decline=Decline(enabled=decline, share=SHARE),
    )
    settings = [{0: Dials(Dial(dial, HORIZON, notice))} for notice in NOTICES]
    sweep = Sweep(settings, policy)
    run = SweptReplay(policy, alerts=None, sweep=sweep)
    batch = _events(population)
    for begin in range(0, len(batch), 10_000):
        run.take(batch.part(begin, begin + 10_000))
    run.finish(int(batch.occurred_at[-1]))
    names = list(population)
    codes = {name: code for code, name in enumerate(names)}
    said = [
        [(names[code], _day(at)) for code, at in zip(who.tolist(), when.tolist(), strict=True)]
        for who, when in sweep.alerts(codes)
    ]
    return run, said


def _events(population: Mapping[str, Life]) -> EventBatch:
    """Put visits into events, in order."""
    ids = [customer_id for customer_id, life in population.items() for _ in life.visits]
    days = np.concatenate([life.visits for life in population.values()])
    at = STARTS_AT_MS + (days * DAY_MS).astype(np.int64)
    blank = [""] * len(ids)
    whole = EventBatch(ids, ["visit"] * len(ids), at, at, blank, np.ones(len(ids)), blank)
    return whole.taken(np.lexsort((np.array(ids), at)))


def _day(at: int) -> float:
    return (at - STARTS_AT_MS) / DAY_MS


def read(
    population: Mapping[str, Life], said: Sequence[tuple[str, float]], begin: float, until: float
) -> Read:
    """Say what alerts (customer, day) came to from day `begin` on."""
    told: dict[str, list[float]] = {}
    for who, day in said:
        told.setdefault(who, []).append(day)
    false, months = 0, 0.0
    delays: dict[str, list[float]] = {str(ratio): [] for ratio in RATIOS}
    for who, life in population.items():
        days = told.get(who, [])
        false += sum(begin <= day < life.changes for day in days)
        since = max(begin, float(life.visits[0]))
        months += max(0.0, min(life.changes, until) - since) / 30.4375
        if begin <= life.falls < inf:
            first = min((day - life.falls for day in days if day >= life.falls), default=inf)
            delays[str(life.ratio)].append(first)
    return Read(
        false_per_customer_month=false / months,
        caught={r: float(np.mean([d <= WITHIN for d in each])) for r, each in delays.items()},
        days={r: float(np.mean([min(d, WITHIN) for d in each])) for r, each in delays.items()},
    )


def between(reads: Sequence[Read], rate: float) -> Read:
    """Give what lies between two readings, at so many false alarms per customer-month."""
    rates = [each.false_per_customer_month for each in reads]
    order = np.argsort(rates, kind="stable")

    def at(values: list[float]) -> float:
        return float(np.interp(rate, np.array(rates)[order], np.array(values)[order]))

    keys = [str(ratio) for ratio in RATIOS]
    return Read(
        false_per_customer_month=at(rates),
        caught={key: at([each.caught[key] for each in reads]) for key in keys},
        days={key: at([each.days[key] for each in reads]) for key in keys},
    )


def held(product: Product, seed: int) -> Held:
    """Replay a product with and without decline, and read both at equal false alarms."""
    population, until = lives(product, seed), HORIZON * product.horizons
    begin = until / 2
    run, _ = replayed(population, decline=True)
    said = [
        (alert.customer_id, _day(alert.time))
        for alert in run.opened
        if alert.trigger in (Trigger.SILENCE, Trigger.DECLINE)
    ]
    both = read(population, said, begin, until)
    _, silences = replayed(population, decline=False)
    alone = [read(population, each, begin, until) for each in silences]
    return Held(
        product=product,
        seed=seed,
        falls={
            str(ratio): sum(
                life.ratio == ratio and begin <= life.falls < inf for life in population.values()
            )
            for ratio in RATIOS
        },
        level=run.falls["less"].level if run.falls else None,
        both=both,
        silence=between(alone, both.false_per_customer_month),
        bound_days={
            str(ratio): bound(product, ratio, both.false_per_customer_month) for ratio in RATIOS
        },
    )


def bound(product: Product, ratio: float, rate: float) -> float:
    """Give the least worst-case mean delay (days) of any test that errs so often, or seldomer.

    The CUSUM has it (Lorden 1971; Moustakides 1986).  By the Brownian approximation, where a usual
    gap brings I nats and a false alarm comes once in G of them, h with e^h - h - 1 = G I is the
    level, and the delay is (h - 1 + e^-h) / I gaps.
    """
    nats = product.shape * (ratio * log(ratio) + 1 - ratio)
    wanted = 30.4375 / rate / product.gap_days * nats
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if exp(middle) - middle - 1 < wanted else (low, middle)
    return product.gap_days * (low - 1 + exp(-low)) / nats


def main() -> None:
    """Print what was asked for, as it comes."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.declining", description=__doc__)
    parser.add_argument("--gap-days", type=float, nargs="+", default=[1.0])
    parser.add_argument("--shape", type=float, nargs="+", default=[1.0])
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    asked: Any = parser.parse_args()
    for product in (Product(g, s) for g in asked.gap_days for s in asked.shape):
        for seed in asked.seed:
            sys.stdout.write(msgspec.json.encode(held(product, seed)).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
