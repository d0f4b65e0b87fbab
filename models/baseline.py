"""The label-free prior every learned weight is added to, and has to beat.

MBG/NBD (Batislam, Denizel & Filiztekin 2007; Fader, Hardie & Lee 2005): while
alive a customer comes as a Poisson process, may die after any visit, and both
rates differ between customers.  With x repeat visits, t_x days from the first
to the last and T days from the first to now, everything needed is closed form.

It answers before any label has matured; from then on its logits are offsets.
"""

from collections.abc import Sequence
from math import exp, log, pow  # noqa: A004 - the float one
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

FIT_LEAST = 50
"""Customers, and repeat visits, below which a fit says nothing."""


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


def fit(summaries: Sequence[tuple[int, float, float]]) -> Prior | None:
    """Fit the prior by maximum likelihood to customers' (x, t_x, T), in visits and days.

    None where there is too little to fit.  The parameters are lightly drawn to
    one (in logarithms), so that a tiny sample cannot run away.
    """
    table = np.array(summaries, dtype=float).reshape(-1, 3)
    x, span, age = table[:, 0], table[:, 1], table[:, 2]
    if len(x) < FIT_LEAST or x.sum() < FIT_LEAST:
        return None

    def loss(logs: np.ndarray) -> float:
        r, alpha, a, b = np.exp(np.clip(logs, -12, 12))
        visits = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        stays = gammaln(a + b) + gammaln(b + x + 1) - gammaln(b) - gammaln(a + b + x + 1)
        odds = np.log(a / (b + x)) + (r + x) * np.log((alpha + age) / (alpha + span))
        likelihood = visits + stays - (r + x) * np.log(alpha + age) + np.logaddexp(0, odds)
        return float(1e-4 * np.sum(logs**2) - np.mean(likelihood))

    start = np.log([0.8, max(float(np.median(age)) / 4, 1.0), 0.8, 2.0])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 600, "xatol": 1e-3})
    return Prior(*(float(value) for value in np.exp(np.clip(found.x, -12, 12))))


def logit(p: float, floor: float = 1e-4) -> float:
    """Give the logit of a probability kept away from 0 and 1 by `floor`."""
    p = min(max(p, floor), 1 - floor)
    return log(p / (1 - p))


def sigmoid(x: float) -> float:
    """Give the probability of a logit."""
    return 1 / (1 + exp(-x)) if x >= 0 else 1 - 1 / (1 + exp(x))
