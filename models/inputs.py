"""Inputs: the regressors of one landmark, derived from facts and the prior in force.

Thirty-three numbers of constant cost, no window buffers.  They are frozen at the
landmark together with the offsets of the targets, as 16-bit floats (to a part
in two thousand, and they are most of what a customer weighs), and learned from
when the outcome has aged; recomputing them then would let the
model see a prior it did not have.
"""

import math
from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from models.baseline import Prior, growth, logit, logits
from models.each import each, each_pair
from models.protocol import Facts

NAMES = (
    "logit_lapse_prior",
    "ln_hazard_prior",
    "logit_alive_prior",
    "ln_silence",
    "silence_share",
    "ln_repeats",
    "ln_age",
    "age",
    "tail",
    "ln_silence_to_mean",
    "ln_silence_to_longest",
    "silence_score",
    "gap_spread",
    "gap_spread_silence",
    "last_gap",
    "long_gaps",
    "log_gap_mean",
    "log_gap_sd",
    "decline_sharp",
    "decline_slow",
    "gap_trend",
    "volume",
    "volume_usual",
    "volume_change",
    "kinds",
    "kinds_usual",
    "kinds_change",
    "volume_total",
    "weekday_cos",
    "weekday_sin",
    "last_on_weekend",
    "population_short",
    "population_long",
)
SILENCE_SHARE = NAMES.index("silence_share")
OFFSETS = 3
"""Logits of the prior behind the regressors: of lapse, gap and back."""
_LAYOUT = Struct(f"<{len(NAMES) + OFFSETS}e")
SATURDAY = 5
LEAST_AHEAD_DAYS = 0.02
MIN_GAP_DAYS = 0.5
_DAYS_OF_WEEK = [
    (math.cos(2 * math.pi * day / 7), math.sin(2 * math.pi * day / 7)) for day in range(7)
]
LIMIT = 4.0
"""Standard deviations to which a standardised regressor is clipped."""


class Setting(NamedTuple):
    """What the inputs need besides the customer."""

    horizon_days: float
    back_days: float
    """Age of the early label."""
    prior: Prior
    population_short: float
    """ln of visits in the last horizon/12 days over those usual before."""
    population_long: float
    """The same over horizon/4 days."""


class Arithmetic(NamedTuple):
    """What differs between one landmark and many: each of these, of a float or of a column."""

    log: Callable[[Any], Any]
    log1p: Callable[[Any], Any]
    pow: Callable[[Any, Any], Any]
    growth: Callable[[Any, Any], Any]
    sqrt: Callable[[Any], Any]
    most: Callable[[Any, Any], Any]
    least: Callable[[Any, Any], Any]
    logit: Callable[[Any], Any]
    day_of_week: Callable[[Any], Any]
    """Gives cosine and sine."""


ONE = Arithmetic(
    *(math.log, math.log1p, math.pow, growth, math.sqrt),
    *(max, min, logit, _DAYS_OF_WEEK.__getitem__),
)
MANY = Arithmetic(
    log=each(math.log),
    log1p=each(math.log1p),
    pow=each_pair(math.pow),
    growth=each_pair(growth),
    sqrt=np.sqrt,  # exact, as math's is
    most=np.maximum,
    least=np.minimum,
    logit=logits,
    day_of_week=lambda days: np.array(_DAYS_OF_WEEK)[days.astype(np.intp)].T,
)


def regress(
    facts: Facts, setting: Setting, of: Arithmetic = ONE
) -> tuple[list[float], tuple[float, float, float]]:
    """Give the regressors in the order of NAMES, and the offsets of lapse, gap and back.

    Of `MANY`, facts and all that is given are columns: the same numbers, to the last bit.
    """
    log, log1p, pow, grow, sqrt, most, least, logit, day_of_week = of  # noqa: A001 - the float one
    horizon, prior = setting.horizon_days, setting.prior
    silence, x, span, longest_gap, last_gap, log_gap_mean, log_gap_variance = facts[:7]
    odds = prior.gone_odds(x, span, silence, grow)
    alive = 1 / (1 + odds)
    seen = prior.alpha + span
    age = seen + silence
    power = prior.r + x
    left = most(LEAST_AHEAD_DAYS, horizon - silence)
    lapse = logit(1 - alive * (1 - pow(age / (age + horizon), power)))
    gap = logit(1 - alive * (1 - pow(age / (age + left), power)))
    back = logit(1 - (1 - alive * (1 - pow(age / (age + setting.back_days), power))))
    to_mean = log(silence * (x + 1) / (span + horizon / 6))
    ln_silence = log(silence)
    inputs = [
        lapse,
        log(alive * power / age),
        logit(alive),
        ln_silence,
        silence / horizon,
        log1p(x),
        log1p(span + silence),
        (span + silence) / horizon,
        power * log(age / seen),
        to_mean,
        log(silence / (most(1.0, longest_gap))),
        (ln_silence - log_gap_mean) / sqrt(log_gap_variance + 0.3),
        facts.gap_spread,
        facts.gap_spread * to_mean,
        log(most(MIN_GAP_DAYS, last_gap)),
        least(facts.long_gaps, 4.0),
        log_gap_mean,
        sqrt(log_gap_variance),
        facts.decline_sharp,
        facts.decline_slow,
        facts.gap_trend,
        facts.volume,
        facts.volume_usual,
        facts.volume - facts.volume_usual,
        facts.kinds,
        facts.kinds_usual,
        facts.kinds - facts.kinds_usual,
        facts.volume_total,
        *day_of_week(facts.weekday),
        (facts.last_weekday >= SATURDAY) * 1.0,
        setting.population_short,
        setting.population_long,
    ]
    return inputs, (lapse, gap, back)


def freeze(inputs: list[float], offsets: tuple[float, float, float]) -> bytes:
    """Pack regressors and offsets (33 + 3 little-endian 16-bit floats)."""
    return _LAYOUT.pack(*inputs, *offsets)


def freeze_many(inputs: np.ndarray, offsets: np.ndarray) -> list[bytes]:
    """Pack those of n landmarks, columns of shape (33, n) and (3, n), as `freeze` does each."""
    packed = np.vstack((inputs, offsets)).T.astype("<f2").tobytes()
    size = _LAYOUT.size
    return [packed[begin : begin + size] for begin in range(0, len(packed), size)]


def thaw(frozen: bytes) -> tuple[float, ...]:
    """Unpack what `freeze` packed."""
    return _LAYOUT.unpack(frozen)


def thaw_many(frozen: list[bytes]) -> np.ndarray:
    """Unpack n frozen inputs into an array of shape (n, 36)."""
    flat = np.frombuffer(b"".join(frozen), dtype="<f2")
    return flat.reshape(-1, len(NAMES) + OFFSETS).astype(float)
