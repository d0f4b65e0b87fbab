"""The model, for people: what its dials came to, how well it does, and what weighs most."""

from collections.abc import Sequence
from math import exp
from typing import Final, NamedTuple

from models import inputs
from models.snapshots import Snapshot, Weights

WEIGHS_MOST: Final = 10


class Dialled(NamedTuple):
    """One dial: false alarms per customer-month, and what one may cost."""

    segment: str
    """Whose it is; empty: everybody's who has none."""
    asked: float
    expected: float | None
    """What the record expects; None: nothing is opened yet."""
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


def dials(snapshot: Snapshot) -> list[Dialled]:
    """Give the policy's dial, and those that segments have of their own."""
    own = (snapshot.false_alarms_set, snapshot.false_alarms_expected, snapshot.threshold)
    others = {
        name: (dial.false_alarms_set, dial.false_alarms_expected, dial.threshold)
        for name, dial in snapshot.segments.items()
    }
    return [
        Dialled(name, asked, expected, None if threshold is None else exp(threshold))
        for name, (asked, expected, threshold) in {"": own, **others}.items()
    ]


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
