"""The label-free prior every learned weight is added to, and has to beat.

MBG/NBD (Batislam, Denizel & Filiztekin 2007; Fader, Hardie & Lee 2005): while
alive a customer comes as a Poisson process, may die after any visit, and both
rates differ between customers.  With x repeat visits, t_x days from the first
to the last and T days from the first to now, everything needed is closed form.

It answers before any label has matured; from then on its logits are offsets.
"""

from collections.abc import Callable
from math import exp, log, pow  # noqa: A004 - the float one
from typing import Any, NamedTuple

import numpy as np

from models.each import Column, each

MOST_GROWTH = 1e200
"""Who came every half hour for days, and then not for months, would be gone beyond any float."""


def growth(base: float, exponent: float) -> float:
    """Give a power that may be very large, but no more than `MOST_GROWTH`."""
    try:
        return min(pow(base, exponent), MOST_GROWTH)
    except OverflowError:
        return MOST_GROWTH


class Prior(NamedTuple):
    """Parameters of MBG/NBD: rate ~ Gamma(r, alpha), death ~ Beta(a, b); alpha in days."""

    r: float
    alpha: float
    a: float
    b: float

    def gone_odds(
        self, repeats: int, span: float, silence: float, grow: Callable[[Any, Any], Any] = growth
    ) -> float:
        """Give the odds that the customer is gone after `silence` days.

        Of many customers, if `grow` is `growth` of columns.
        """
        age = self.alpha + span + silence
        gone: float = grow(age / (self.alpha + span), self.r + repeats)
        return self.a / (self.b + repeats) * gone

    def p_silent(self, repeats: int, span: float, silence: float, ahead: float) -> float:
        """Give P(no visit within `ahead` days from now)."""
        age = self.alpha + span + silence
        alive = 1 / (1 + self.gone_odds(repeats, span, silence))
        return 1 - alive * (1 - pow(age / (age + ahead), self.r + repeats))

    def hazard(self, repeats: int, span: float, silence: float) -> float:
        """Give the expected returns a day, now."""
        alive = 1 / (1 + self.gone_odds(repeats, span, silence))
        return alive * (self.r + repeats) / (self.alpha + span + silence)


_each_log, _each_exp = each(log), each(exp)


def unfitted(horizon_days: float) -> Prior:
    """Give the prior of a product of which only the horizon is known."""
    return Prior(0.5, horizon_days / 6, 0.5, 1.5)


FLOOR = 1e-4
"""No probability of the prior is nearer to 0 or to 1."""


def logit(p: float) -> float:
    """Give the logit of a probability, kept away from 0 and 1."""
    # Comparisons, here and below: calls of min and max take longer than the logarithm.
    if p < FLOOR:
        p = FLOOR
    elif p > 1 - FLOOR:
        p = 1 - FLOOR
    return log(p / (1 - p))


def logits(p: Column) -> Column:
    """Give the logits of many probabilities, to the last bit those of each."""
    p = np.minimum(np.maximum(p, FLOOR), 1 - FLOOR)
    return _each_log(p / (1 - p))


def sigmoids(x: Column) -> Column:
    """Give the probabilities of many logits, likewise."""
    p = 1 / (1 + _each_exp(-np.abs(x)))
    return np.where(x >= 0, p, 1 - p)


def sigmoid(x: float) -> float:
    """Give the probability of a logit."""
    return 1 / (1 + exp(-x)) if x >= 0 else 1 - 1 / (1 + exp(x))
