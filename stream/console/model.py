"""The model, for people: what its dials came to, how well it does, and what weighs most."""

from collections.abc import Sequence
from math import exp
from typing import Final, NamedTuple

from models import inputs
from models.snapshots import Reliability, SegmentDial, Snapshot, Weights

WEIGHS_MOST: Final = 10
CHAMPION: Final = "newton"
PRIOR: Final = "prior"
"""As the snapshots name them."""
LEAST_LABELS: Final = 1.0
"""Of a tenth; what has faded to less says nothing."""


class Dialled(NamedTuple):
    """One dial: false alarms per customer-month, and what one may cost."""

    segment: str
    """Whose it is; empty: everybody's who has none."""
    asked: float
    expected: float | None
    """What the record expects; None: nothing is opened yet."""
    measured: float | None
    """What own alerts came to; None: not known yet."""
    days: float | None
    """Of earlier notice that one false alarm has to be worth; None: nothing is opened yet."""


class Weight(NamedTuple):
    """What one input adds to the logit of a lapse, a standard deviation above the average."""

    name: str
    logits: float


class Progress(NamedTuple):
    """Log-losses of `lapse` (nats) day by day, by who answered: (ms since 1970, loss)."""

    by_name: dict[str, list[tuple[int, float]]]
    drifted: list[tuple[int, str]]
    """When what was found to have changed (ms since 1970)."""


class Tenth(NamedTuple):
    """What was said to be about equally likely, and what came of it."""

    labels: float
    """How many, faded."""
    said: float
    """Mean chance that was said, 0 to 1."""
    came: float
    """Share that lapsed, 0 to 1."""


class Better(NamedTuple):
    """How far off who answers is, against what is known without learning; nats."""

    loss: float
    prior: float

    @property
    def gain(self) -> float:
        """Give the share of the prior's loss that is saved; below 0: it is worse."""
        return 1 - self.loss / self.prior


def dials(snapshot: Snapshot) -> list[Dialled]:
    """Give the policy's dial, and those that segments have of their own."""
    each: dict[str, Snapshot | SegmentDial] = {"": snapshot, **snapshot.segments}
    return [
        Dialled(
            name,
            dial.false_alarms_set,
            dial.false_alarms_expected,
            dial.false_alarms_measured,
            None if dial.threshold is None else exp(dial.threshold),
        )
        for name, dial in each.items()
    ]


def tenths(reliability: Reliability) -> list[Tenth]:
    """Give the tenths of P(lapse) that anything was said in, and known of by now."""
    sums = zip(reliability.labels, reliability.said, reliability.came, strict=True)
    return [Tenth(n, said / n, came / n) for n, said, came in sums if n >= LEAST_LABELS]


def better(snapshot: Snapshot) -> Better | None:
    """Hold who answers against the prior; None: nothing is known yet."""
    losses = snapshot.log_losses
    if CHAMPION not in losses or not losses.get(PRIOR):
        return None
    return Better(losses[CHAMPION], losses[PRIOR])


def weighs_most(weights: Weights | None) -> list[Weight]:
    """Give the inputs that weigh most, the heaviest first; none while the prior answers alone."""
    if weights is None:
        return []
    found = map(Weight, inputs.NAMES, weights.weights)
    return sorted(found, key=lambda one: (-abs(one.logits), one.name))[:WEIGHS_MOST]


def progress(models: Sequence[Snapshot]) -> Progress:
    """Give how well they did, one after the other."""
    by_name: dict[str, list[tuple[int, float]]] = {}
    for model in models:
        for name, loss in model.log_losses.items():
            by_name.setdefault(name, []).append((model.effective_from, loss))
    drifted = [(model.effective_from, what) for model in models for what in model.drifted]
    return Progress(by_name, drifted)
