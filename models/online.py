"""The online model: one snapshot, answering.

Three small regressions on the prior's offset, and the value of an alert made of
them.  P(lapse) alone is the wrong score: an alert is worth its price now if it
gains more days than a false alarm costs, and if waiting another day would cost
more than it saves.
"""

from collections.abc import Sequence
from math import inf, log, log1p
from struct import Struct

import numpy as np

from models import inputs
from models.baseline import logit, sigmoid
from models.protocol import Assessment, Facts
from models.snapshots import Snapshot, Weights

LEAST_CHANCE = 1e-5
_DOUBLES = Struct(f"={len(inputs.NAMES)}d")
_HIGHEST = np.full((1, len(inputs.NAMES)), inputs.LIMIT)
_LOWEST = -_HIGHEST


class OnlineModel:
    """Answers for one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Prepare the snapshot for answering."""
        self.snapshot = snapshot
        self.version = snapshot.version
        self.effective_from = snapshot.effective_from
        self.guarded = snapshot.guarded
        self._thresholds = {"": snapshot.threshold} | {
            name: dial.threshold for name, dial in snapshot.segments.items()
        }
        targets = (snapshot.lapse, snapshot.gap, snapshot.back)
        none = np.zeros(len(inputs.NAMES))
        self._learned = any(targets)
        self._intercepts = [weights.intercept if weights else 0.0 for weights in targets]
        self._means = np.array([weights.means if weights else none for weights in targets])
        self._scales = np.array([weights.scales if weights else none + 1 for weights in targets])
        self._weights = np.array([weights.weights if weights else none for weights in targets])
        self._setting = inputs.Setting(
            snapshot.horizon_days,
            snapshot.back_days,
            snapshot.prior,
            snapshot.population_short,
            snapshot.population_long,
        )

    def threshold(self, dial: str) -> float:
        """Say from which value on an episode opens; infinite: of these open none.

        `dial` is the segment that has a dial of its own, empty: the policy's.  That one also
        decides for a segment that had none when the snapshot was made.
        """
        threshold = self._thresholds.get(dial, self._thresholds[""])
        return inf if threshold is None else threshold

    def fall_level(self, fall: str) -> float | None:
        """Say from which level of evidence on a fall is told of; None: never."""
        found = self.snapshot.falls.get(fall)
        return None if found is None else found.level

    def assess(self, facts: Facts) -> Assessment:
        """Judge one customer."""
        regressors, offsets = inputs.regress(facts, self._setting)
        snapshot = self.snapshot
        lapse, gap, back = offsets
        if self._learned:
            intercepts, pushes = self._intercepts, self._pushes(regressors)
            lapse = lapse + intercepts[0] + sum(pushes[0])
            gap = gap + intercepts[1] + sum(pushes[1])
            back = back + intercepts[2] + sum(pushes[2])
        p_lapse, p_gap, p_back = _chance(lapse), _chance(gap), _chance(back)
        hazard = -log1p(-p_back) / snapshot.back_days
        return Assessment(
            p_lapse=p_lapse,
            p_gap=p_gap,
            hazard=hazard,
            value=_value(p_lapse, p_gap, hazard, snapshot.horizon_days - facts.silence),
            inputs=inputs.freeze(regressors, offsets),
        )

    def risk(self, facts: Facts, ahead_days: float | None = None) -> float:
        """Give P(no visit within so many days from now; the horizon unless said), for rankings.

        What was learned of the horizon corrects the prior of any other time ahead, too.
        """
        snapshot = self.snapshot
        ahead = snapshot.horizon_days if ahead_days is None else ahead_days
        silent = snapshot.prior.p_silent(facts.repeats, facts.span, facts.silence, ahead)
        regressors, _ = inputs.regress(facts, self._setting)
        correction = _correction(regressors, snapshot.rank or snapshot.lapse)
        return _chance(logit(silent) + correction)

    def contributions(self, frozen: bytes) -> Sequence[tuple[str, float]]:
        """Say how much each input pushes P(lapse) up from the average customer (name, logits)."""
        if self.snapshot.lapse is None:
            return ()
        regressors = inputs.thaw(frozen)[: len(inputs.NAMES)]
        return tuple(zip(inputs.NAMES, self._pushes(regressors)[0], strict=True))

    def _pushes(self, regressors: Sequence[float]) -> list[list[float]]:
        """Give what each standardised, clipped regressor adds to each target, in logits.

        Element by element, and summed by the caller in a fixed order: a matrix product may
        round differently on another machine, and then two workers would disagree.
        """
        z = np.frombuffer(_DOUBLES.pack(*regressors)) - self._means  # sooner an array than a list
        np.divide(z, self._scales, out=z)
        np.minimum(z, _HIGHEST, out=z)
        np.maximum(z, _LOWEST, out=z)
        np.multiply(z, self._weights, out=z)
        pushes: list[list[float]] = z.tolist()
        return pushes

    def samples(self, customer_hash: int) -> bool:
        """Say whether the customer is among those the prior is fitted on."""
        return customer_hash < self.snapshot.sample_below

    def teaches(self, customer_hash: int) -> bool:
        """Say whether the next model learns from what becomes of this customer, too."""
        return customer_hash < self.snapshot.teach_below


def _correction(regressors: Sequence[float], weights: Weights | None) -> float:
    """Give the logits that a regression adds to the prior's, summed in a fixed order."""
    if weights is None:
        return 0.0
    terms = zip(regressors, weights.means, weights.scales, weights.weights, strict=True)
    limit = inputs.LIMIT
    return weights.intercept + sum(
        weight * min(max((x - mean) / scale, -limit), limit) for x, mean, scale, weight in terms
    )


def _value(p_lapse: float, p_gap: float, hazard: float, days_left: float) -> float:
    """Give ln of the days of earlier notice that one false alarm may cost here.

    `gain`: days gained if it is true, over the chance that it is false.  `urgency`: days lost
    by waiting, over the returns that waiting saves.
    """
    if days_left <= 0:
        return -inf
    gain = log(days_left * p_gap / (1 - p_lapse))
    urgency = log(p_gap / hazard)
    return min(gain, urgency)


def _chance(logit_of_it: float) -> float:
    """Give the probability of a logit, kept where its logarithms are finite."""
    p = sigmoid(logit_of_it)
    if p < LEAST_CHANCE:
        return LEAST_CHANCE
    return min(p, 1 - LEAST_CHANCE)
