"""The timeline: which model answers at which event time.

A snapshot answers from its own effective time on, or, if it came too late for
that, from where the partition had got to.  Every past switch stays, so that a
customer judged late is judged by the model of its time.
"""

from bisect import bisect_right

from models.protocol import RiskModel

KEPT = 4_096
"""Switches kept; at one a day, eleven years."""


class Timeline:
    """Models in the order in which they take over."""

    def __init__(self, first: RiskModel) -> None:
        """Let the first model answer from the beginning of time."""
        self._starts = [0]
        self._models = [first]

    def add(self, model: RiskModel, not_before: int = 0) -> int:
        """Let a model take over at its effective time, or at `not_before` if that is later.

        Gives the moment (ms) of the switch.  A model no newer than the last one is ignored.
        """
        start = max(model.effective_from, not_before)
        if model.effective_from <= self._models[-1].effective_from:
            return start
        start = max(start, self._starts[-1])
        self._starts.append(start)
        self._models.append(model)
        if len(self._models) > KEPT:
            del self._starts[0], self._models[0]
        return start

    def at(self, moment: int, horizon_ms: int = 0) -> RiskModel:
        """Give the model in force at `moment` (ms); of a horizon that segments have of their own.

        0: of the policy's.
        """
        if moment >= self._starts[-1]:
            model = self._models[-1]
        else:
            model = self._models[max(bisect_right(self._starts, moment) - 1, 0)]
        return model.of(horizon_ms) if horizon_ms else model

    def switches(self) -> list[tuple[int, str]]:
        """Give the switches so far: (moment, version)."""
        return [(s, m.version) for s, m in zip(self._starts, self._models, strict=True)]
