"""The label-free prior every learned weight is added to, and has to beat.

MBG/NBD (Batislam, Denizel & Filiztekin 2007; Fader, Hardie & Lee 2005): while
alive a customer comes as a Poisson process, may die after any visit, and both
rates differ between customers.  With x repeat visits, t_x days from the first
to the last and T days from the first to now, everything needed is closed form.

It answers before any label has matured; from then on its logits are offsets.
"""

from math import exp, log, pow  # noqa: A004 - the float one
from typing import NamedTuple


class Prior(NamedTuple):
    """Parameters of MBG/NBD: rate ~ Gamma(r, alpha), death ~ Beta(a, b); alpha in days."""

    r: float
    alpha: float
    a: float
    b: float

    def gone_odds(self, repeats: int, span: float, silence: float) -> float:
        """Give the odds that the customer is gone after `silence` days."""
        age = self.alpha + span + silence
        return self.a / (self.b + repeats) * pow(age / (self.alpha + span), self.r + repeats)

    def p_silent(self, repeats: int, span: float, silence: float, ahead: float) -> float:
        """Give P(no visit within `ahead` days from now)."""
        age = self.alpha + span + silence
        alive = 1 / (1 + self.gone_odds(repeats, span, silence))
        return 1 - alive * (1 - pow(age / (age + ahead), self.r + repeats))

    def hazard(self, repeats: int, span: float, silence: float) -> float:
        """Give the expected returns a day, now."""
        alive = 1 / (1 + self.gone_odds(repeats, span, silence))
        return alive * (self.r + repeats) / (self.alpha + span + silence)


def unfitted(horizon_days: float) -> Prior:
    """Give the prior of a product of which only the horizon is known."""
    return Prior(0.5, horizon_days / 6, 0.5, 1.5)


def logit(p: float, floor: float = 1e-4) -> float:
    """Give the logit of a probability kept away from 0 and 1 by `floor`."""
    # Comparisons, here and below: calls of min and max take longer than the logarithm.
    if p < floor:
        p = floor
    elif p > 1 - floor:
        p = 1 - floor
    return log(p / (1 - p))


def sigmoid(x: float) -> float:
    """Give the probability of a logit."""
    return 1 / (1 + exp(-x)) if x >= 0 else 1 - 1 / (1 + exp(x))
