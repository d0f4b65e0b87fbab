"""Fitting the prior: maximum likelihood on a bounded sample of customers.

Apart from the prior itself because only the trainer fits: a worker that answers
need not load an optimiser.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from models.baseline import Prior

FIT_LEAST = 50
"""Customers, and repeat visits, below which a fit says nothing."""


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
