"""The online model: one snapshot, answering.

Three small regressions on the prior's offset, and the value of an alert made of
them.  P(lapse) alone is the wrong score: an alert is worth its price now if it
gains more days than a false alarm costs, and if waiting another day would cost
more than it saves.
"""

from collections.abc import Iterable, Sequence
from math import inf, log, log1p
from struct import Struct

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import inputs
from models.baseline import logit, sigmoid, sigmoids
from models.each import Column, each
from models.protocol import Assessment, Facts, WarningAssessment
from models.snapshots import BACK_SHARE, Snapshot, Weights, cold
from models.warned import freeze
from models.working import TARGETS, Odds, Target, Term, Working

DAY_MS = 86_400_000
LEAST_CHANCE = 1e-5
SILENCE = Facts._fields.index("silence")
_DOUBLES = Struct(f"={len(inputs.NAMES)}d")
_HIGHEST = np.full((1, len(inputs.NAMES)), inputs.LIMIT)
_LOWEST = -_HIGHEST
_each_log, _each_log1p = each(log), each(log1p)


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
        self._of = {
            horizon_ms: self._part(learned) for horizon_ms, learned in snapshot.of_segments.items()
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

    def of(self, horizon_ms: int) -> "OnlineModel":
        """Give what answers for customers of a segment with a horizon of its own.

        Of one that nothing was learned of yet, the prior answers, and opens no silence alerts.
        """
        model = self._of.get(horizon_ms)
        if model is None:
            days = horizon_ms / DAY_MS
            begun = cold(days, max(1.0, days / BACK_SHARE), self.snapshot.prior)
            model = self._of[horizon_ms] = self._part(begun)
        return model

    def _part(self, learned: Snapshot) -> "OnlineModel":
        """Let what was learned of one horizon answer as a part of this version."""
        of_all = self.snapshot
        return OnlineModel(
            msgspec.structs.replace(
                learned,
                version=of_all.version,
                effective_from=of_all.effective_from,
                guarded=of_all.guarded,
            )
        )

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
            pushes, intercepts = _added(self._pushes(regressors)), self._intercepts
            lapse = lapse + intercepts[0] + pushes[0]
            gap = gap + intercepts[1] + pushes[1]
            back = back + intercepts[2] + pushes[2]
        p_lapse, p_gap, p_back = _chance(lapse), _chance(gap), _chance(back)
        hazard = -log1p(-p_back) / snapshot.back_days
        return Assessment(
            p_lapse=p_lapse,
            p_gap=p_gap,
            hazard=hazard,
            value=_value(p_lapse, p_gap, hazard, snapshot.horizon_days - facts.silence),
            inputs=inputs.freeze(regressors, offsets),
        )

    def assess_warning(self, event: str, facts: Facts) -> WarningAssessment:
        """Judge a customer who has just given a warning, by an event of this name."""
        p_lapse = self.assess(facts).p_lapse
        inputs, found = freeze(event, p_lapse), self.snapshot.warned.get(event)
        if found is None:
            return WarningAssessment(p_lapse, 0.0, 0.0, inputs)
        return WarningAssessment(found.p_leaves(p_lapse), found.resolved, found.left, inputs)

    def assess_many(self, facts: Sequence[Facts]) -> list[Assessment]:
        """Judge many customers, each to the last bit as alone."""
        columns = np.array(facts, np.float64).T
        found, prior = inputs.regress(Facts(*columns), self._setting, inputs.MANY)
        regressors, offsets = np.array(np.broadcast_arrays(*found)), np.array(prior)
        logits, snapshot = offsets, self.snapshot
        if self._learned:
            z = regressors - self._means[:, :, None]
            z /= self._scales[:, :, None]
            np.minimum(z, inputs.LIMIT, out=z)
            np.maximum(z, -inputs.LIMIT, out=z)
            z *= self._weights[:, :, None]
            np.add.accumulate(z, axis=1, out=z)
            logits = offsets + np.array(self._intercepts)[:, None] + z[:, -1]
        p_lapse, p_gap, p_back = map(_chances, logits)
        hazard = -_each_log1p(-p_back) / snapshot.back_days
        value = _values(p_lapse, p_gap, hazard, snapshot.horizon_days - columns[SILENCE])
        numbers = (column.tolist() for column in (p_lapse, p_gap, hazard, value))
        frozen = inputs.freeze_many(regressors, offsets)
        return list(map(Assessment, *numbers, frozen))

    def working(self, facts: Facts) -> Working:
        """Judge one customer, and say how: the numbers that the answer is made of, all of them."""
        regressors, offsets = inputs.regress(facts, self._setting)
        standardised, pushes = self._standardised(regressors), self._pushes(regressors)
        added, snapshot = _added(pushes), self.snapshot
        weights = (snapshot.lapse, snapshot.gap, snapshot.back)
        lapse, gap, back = (
            _target(
                *(name, offsets[place], learned, added[place]),
                zip(regressors, standardised[place].tolist(), pushes[place].tolist(), strict=True),
            )
            for place, (name, learned) in enumerate(zip(TARGETS, weights, strict=True))
        )
        return Working(self._odds(facts), lapse, gap, back)

    def _odds(self, facts: Facts) -> Odds:
        """Say how the prior comes to its answer."""
        prior, horizon = self.snapshot.prior, self.snapshot.horizon_days
        repeats, span, silence = facts.repeats, facts.span, facts.silence
        gone = prior.gone_odds(repeats, span, silence)
        return Odds(
            **prior._asdict(),
            age=prior.alpha + span + silence,
            gone=gone,
            alive=1 / (1 + gone),
            p_lapse=prior.p_silent(repeats, span, silence, horizon),
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
        return tuple(zip(inputs.NAMES, self._pushes(regressors)[0].tolist(), strict=True))

    def _pushes(self, regressors: Sequence[float]) -> NDArray[np.float64]:
        """Give what each standardised, clipped regressor adds to each target, in logits (3, 33)."""
        z = self._standardised(regressors)
        np.multiply(z, self._weights, out=z)
        return z

    def _standardised(self, regressors: Sequence[float]) -> NDArray[np.float64]:
        """Give each regressor as each target sees it: standardised and clipped (3, 33)."""
        packed = np.frombuffer(_DOUBLES.pack(*regressors))  # sooner an array than a list
        z: NDArray[np.float64] = packed - self._means
        np.divide(z, self._scales, out=z)
        np.minimum(z, _HIGHEST, out=z)
        np.maximum(z, _LOWEST, out=z)
        return z

    def samples(self, customer_hash: int) -> bool:
        """Say whether the customer is among those the prior is fitted on."""
        return customer_hash < self.snapshot.sample_below

    def teaches(self, customer_hash: int) -> bool:
        """Say whether the next model learns from what becomes of this customer, too."""
        return customer_hash < self.snapshot.teach_below


def _added(pushes: NDArray[np.float64]) -> list[float]:
    """Add up what the regressors push each target by, in logits.

    One after the other: a sum, or a product of matrices, may round differently on another machine,
    or of many together, and then two workers would disagree.
    """
    added: list[float] = np.add.accumulate(pushes, axis=1)[:, -1].tolist()
    return added


def _target(
    name: str,
    prior_logit: float,
    weights: Weights | None,
    pushed: float,
    regressors: Iterable[tuple[float, float, float]],
) -> Target:
    """Say how one target's probability comes about; `regressors`: value, standardised, push."""
    intercept = weights.intercept if weights else 0.0
    logit = prior_logit + intercept + pushed
    terms: tuple[Term, ...] = ()
    if weights is not None:
        scales = zip(weights.means, weights.scales, weights.weights, strict=True)
        rows = zip(inputs.NAMES, regressors, scales, strict=True)
        terms = tuple(
            Term(input_name, value, mean, scale, standardised, weight, push)
            for input_name, (value, standardised, push), (mean, scale, weight) in rows
        )
    return Target(name, prior_logit, intercept, terms, pushed, logit, _chance(logit))


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


def _values(p_lapse: Column, p_gap: Column, hazard: Column, days_left: Column) -> Column:
    """Give `_value` of many."""
    late = days_left <= 0
    gain = _each_log(np.where(late, 1.0, days_left) * p_gap / (1 - p_lapse))
    value: Column = np.where(late, -inf, np.minimum(gain, _each_log(p_gap / hazard)))
    return value


def _chance(logit_of_it: float) -> float:
    """Give the probability of a logit, kept where its logarithms are finite."""
    p = sigmoid(logit_of_it)
    if p < LEAST_CHANCE:
        return LEAST_CHANCE
    return min(p, 1 - LEAST_CHANCE)


def _chances(logits: Column) -> Column:
    """Give `_chance` of many."""
    return np.minimum(np.maximum(sigmoids(logits), LEAST_CHANCE), 1 - LEAST_CHANCE)
