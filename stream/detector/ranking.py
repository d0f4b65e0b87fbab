"""Ranking: everybody's risk at one moment, for those who plan instead of react."""

from collections.abc import Iterator

from models.protocol import RiskModels
from stream.detector.features import facts
from stream.detector.roster import Roster


def rank(customers: Roster, models: RiskModels, at: int) -> Iterator[tuple[str, float]]:
    """Give (customer id, P(no visit within the horizon)) of everybody seen by `at` (ms), by id.

    Who left explicitly is gone; who is no longer observed is judged at the
    moment the watching ended.
    """
    for customer_id in sorted(customers):
        customer = customers.look(customer_id)
        if not customer.visits:
            continue
        moment = at if customer.observed else customer.frontier
        model = models.at(moment)
        yield customer_id, 1.0 if customer.ended else model.assess(facts(customer, moment)).p_lapse
