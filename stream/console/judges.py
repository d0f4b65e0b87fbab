"""Judges: which of the published models answers at which time, as the workers' do."""

from bisect import bisect_right
from operator import attrgetter

from models import snapshots
from models.online import OnlineModel
from models.protocol import RiskModel
from stream.console.book import MODELS_MAX, Book
from stream.detector import cadence, outcomes
from stream.detector.policy import Policy


class Judges:
    """The models of a book by event time; before the first of them, the prior alone."""

    def __init__(self, book: Book, policy: Policy) -> None:
        """Follow what `book` is told; the prior is that of the policy's horizon."""
        self._book = book
        horizon_days = cadence.days(policy.horizon_ms)
        back_days = cadence.days(outcomes.back_age_ms(policy))
        self._cold = OnlineModel(snapshots.cold(horizon_days, back_days))
        self._made: dict[str, OnlineModel] = {}

    def at(self, moment: int, horizon_ms: int = 0) -> RiskModel:
        """Give the model in force at a moment (ms), of a segment's own horizon; 0: the policy's."""
        model = self._at(moment)
        return model.of(horizon_ms) if horizon_ms else model

    def _at(self, moment: int) -> OnlineModel:
        models = self._book.models
        place = bisect_right(models, moment, key=attrgetter("effective_from"))
        if not place:
            return self._cold
        snapshot = models[place - 1]
        model = self._made.get(snapshot.version)
        if model is None:
            if len(self._made) >= MODELS_MAX:
                self._made.clear()
            model = self._made[snapshot.version] = OnlineModel(snapshot)
        return model
