"""Foresight: the landmarks of one advance of the watermark, assessed together.

What a model says of a landmark depends on its own customer alone, and not on what
else falls due; so where many are due before the same watermark, they are assessed in
columns, before the first of them comes up.  What follows from it is done in order,
one by one, as ever.  Who may have changed another customer meanwhile has to `forget`.
"""

from collections.abc import Sequence

from models.protocol import Assessment, Facts, RiskModel, RiskModels
from stream.detector.calendar import LocalTime
from stream.detector.customer import Customer
from stream.detector.features import facts
from stream.detector.horizons import Horizons
from stream.detector.roster import Roster
from stream.detector.timers import KINDS, Due

TOGETHER_MIN = 32
"""Landmarks that are worth being assessed together."""
TOGETHER_MAX = 1_000
"""More at a time: no faster, they no longer fit the CPU's cache."""

FORESEEN_MAX = 50_000
"""Of a million who fall due in one hour the others are assessed as they come up: each that is
foreseen takes half a kilobyte until then."""
_LANDMARK = int(Due.LANDMARK)


class Foresight:
    """Knows what is said of landmarks that are about to come up."""

    def __init__(self, models: RiskModels, local: LocalTime, horizons: Horizons) -> None:
        """Ask these models; weekdays are those of `local`."""
        self._models = models
        self._horizons = horizons
        self._local = local
        self._foreseen: dict[str, tuple[int, RiskModel, Facts, Assessment]] = {}

    def look(self, coming: Sequence[tuple[int, str]], customers: Roster) -> None:
        """Assess the landmarks among what comes up (ms, customer id; last first), if they are many.

        Only what is the first thing due of its customer is known to come up as things are.
        """
        if len(coming) < TOGETHER_MIN:
            return
        entries = customers.entries
        by_model: dict[RiskModel, list[tuple[int, str, Customer]]] = {}
        for at, customer_id in coming[-FORESEEN_MAX:]:
            entry = entries.get(customer_id)
            due = entry.due if isinstance(entry, Customer) else customers.due(customer_id)
            if due == at * KINDS + _LANDMARK:
                customer = entry if isinstance(entry, Customer) else customers[customer_id]
                model = self._models.at(at, self._horizons.of(customer).key)
                alike = by_model.setdefault(model, [])
                alike.append((at, customer_id, customer))
        for model, alike in by_model.items():
            if len(alike) >= TOGETHER_MIN:
                for begin in range(0, len(alike), TOGETHER_MAX):
                    self._assess(model, alike[begin : begin + TOGETHER_MAX])

    def _assess(self, model: RiskModel, due: Sequence[tuple[int, str, Customer]]) -> None:
        """Assess landmarks by the model in force at all of them."""
        known = [facts(customer, at, self._local) for at, _, customer in due]
        found = zip(due, known, model.assess_many(known), strict=True)
        for (at, customer_id, _), one, judged in found:
            self._foreseen[customer_id] = at, model, one, judged

    def assess(
        self, customer_id: str, customer: Customer, at: int, model: RiskModel
    ) -> tuple[Facts, Assessment]:
        """Give what is known of a customer at a landmark, and what the model says of it."""
        found = self._foreseen.pop(customer_id, None)
        if found is not None and found[0] == at and found[1] is model:
            return found[2], found[3]
        known = facts(customer, at, self._local)
        return known, model.assess(known)

    def forget(self) -> None:
        """Forget what was foreseen and has not come up."""
        self._foreseen.clear()
