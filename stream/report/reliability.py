"""Reliability: whether what is said to happen three times in ten does."""

from collections.abc import Iterable
from typing import Final

import msgspec

from models.calibration import BINS, Calibration

FEW: Final = 20.0
"""Answers; a tenth with fewer is told of as little known."""


class Tenth(msgspec.Struct, frozen=True, kw_only=True):
    """Answers whose chance, as said, lay within one tenth."""

    said: float
    """The mean chance."""
    came: float
    """The share that came true."""
    answers: float
    """How many there were, or count as that many where older ones count less."""


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """The tenths that there are answers in, the lowest first."""

    tenths: list[Tenth]
    error: float
    """Mean distance of what was said from what came, 0 to 1: the expected calibration error."""


def of_silences(found: Calibration | None) -> Reliability | None:
    """Say how the risks of all silences that were judged came to be, older ones counting less.

    As they were said before the model learned of their outcome; None: nobody knows.
    """
    if found is None:
        return None
    return _of(zip(found.labels, found.said, found.came, strict=True))


def of_alerts(fates: Iterable[tuple[float, bool]]) -> Reliability | None:
    """Say the same of alerts: the risk that each told, and whether it came true."""
    sums = [[0.0, 0.0, 0.0] for _ in range(BINS)]
    for risk, came_true in fates:
        tenth = sums[min(int(risk * BINS), BINS - 1)]
        for place, value in enumerate((1.0, risk, float(came_true))):
            tenth[place] += value
    return _of((labels, said, came) for labels, said, came in sums)


def _of(sums: Iterable[tuple[float, float, float]]) -> Reliability | None:
    known = [(labels, said, came) for labels, said, came in sums if labels > 0]
    total = sum(labels for labels, _, _ in known)
    if not total:
        return None
    return Reliability(
        tenths=[
            Tenth(said=said / labels, came=came / labels, answers=labels)
            for labels, said, came in known
        ],
        error=sum(abs(said - came) for _, said, came in known) / total,
    )
