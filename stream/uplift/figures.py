"""Figures: the share that came back where alerts were acted on, less the share where none was.

Customers are drawn into the holdout, not episodes, so the spread is that between
customers: shares are ratios of sums over customers, and their variance that of a
ratio (Cochran 1977, chapter 6).  One customer who came back and one who did not
are added to each side, as Agresti and Caffo (2000) do: without them, intervals
of small samples are too short.
"""

from collections import defaultdict
from collections.abc import Iterable
from math import ceil, sqrt
from statistics import NormalDist

import msgspec

from stream.uplift.episodes import Episode

CONFIDENCE = 0.90
LEAST_CUSTOMERS = 20
"""On either side: below, nothing is said of a difference."""
WORTH_KNOWING = 0.05
"""Of a difference: five customers in a hundred who come back for it."""
POWER = 0.8


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side of the comparison."""

    customers: int
    episodes: int
    recovered: int
    share: float | None
    """Recovered of the episodes; None: there are none."""


class Uplift(msgspec.Struct, frozen=True, kw_only=True):
    """What acting on alerts brought."""

    alerted: Side
    holdout: Side
    difference: float | None
    """Share recovered of the alerted less that of the holdout; None: too few to say."""
    low: float | None
    """Of the interval (90 %) around the difference."""
    high: float | None
    confidence: float = CONFIDENCE
    customers_wanted: int | None = None
    """In the holdout, and as many alerted to each of them as now, to show a difference of
    `WORTH_KNOWING` in four of five such comparisons; None: too few by far to say."""

    @property
    def clear(self) -> bool:
        """Tell whether chance alone does not explain the difference."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def uplift(episodes: Iterable[Episode]) -> Uplift:
    """Compare the alerted with the holdout."""
    sides: dict[bool, dict[str, list[int]]] = {True: {}, False: {}}
    for episode in episodes:
        counts = sides[episode.holdout].setdefault(episode.customer_id, [0, 0])
        counts[0] += 1
        counts[1] += episode.recovered
    alerted, held = (list(sides[holdout].values()) for holdout in (False, True))
    found = Uplift(
        alerted=_side(alerted), holdout=_side(held), difference=None, low=None, high=None
    )
    if min(len(alerted), len(held)) < LEAST_CUSTOMERS:
        return found
    (share, variance), (base, base_variance) = _ratio(alerted), _ratio(held)
    difference, error = share - base, sqrt(variance + base_variance)
    normal = NormalDist()
    reach = normal.inv_cdf((1 + CONFIDENCE) / 2)
    # The error falls with the root of the customers.
    more = ((reach + normal.inv_cdf(POWER)) * error / WORTH_KNOWING) ** 2
    return msgspec.structs.replace(
        found,
        difference=difference,
        low=difference - reach * error,
        high=difference + reach * error,
        customers_wanted=ceil(len(held) * more),
    )


def by_trigger(episodes: Iterable[Episode]) -> dict[str, Uplift]:
    """Compare for each trigger by itself."""
    groups: defaultdict[str, list[Episode]] = defaultdict(list)
    for episode in episodes:
        groups[episode.trigger.value].append(episode)
    return {trigger: uplift(groups[trigger]) for trigger in sorted(groups)}


def _side(counts: list[list[int]]) -> Side:
    total, recovered = (sum(column) for column in zip((0, 0), *counts, strict=True))
    return Side(
        customers=len(counts),
        episodes=total,
        recovered=recovered,
        share=recovered / total if total else None,
    )


def _ratio(counts: list[list[int]]) -> tuple[float, float]:
    """Give the share recovered and its variance, from (episodes, recovered) of each customer."""
    counts = [*counts, [1, 0], [1, 1]]
    customers = len(counts)
    total, recovered = (sum(column) for column in zip(*counts, strict=True))
    share = recovered / total
    squares = sum((back - share * number) ** 2 for number, back in counts)
    return share, squares / total**2 * customers / (customers - 1)
