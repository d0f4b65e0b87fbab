"""Ranking: everybody's risk at one moment, for those who plan instead of react."""

from collections.abc import Iterable, Iterator
from copy import deepcopy

from models.protocol import RiskModels
from stream.detector.calendar import local_time
from stream.detector.customer import Customer, complete_visit
from stream.detector.features import facts
from stream.detector.horizons import Horizon, Horizons
from stream.detector.policy import Policy
from stream.detector.roster import Roster


def rank(
    customers: Roster,
    models: RiskModels,
    policy: Policy,
    at: int,
    *,
    of: Iterable[str] | None = None,
    ahead_days: float | None = None,
) -> Iterator[tuple[str, float]]:
    """Give (customer id, P(no visit within `ahead_days`)) of everybody seen by `at` (ms), by id.

    `of` names some customers instead of all; `ahead_days` is each one's horizon unless
    given.  Who left explicitly is gone; who is no longer observed is judged at the moment the
    watching ended.
    """
    local, horizons = local_time(policy.calendar), Horizons(policy)
    for customer_id in sorted(customers if of is None else of):
        customer = customers.look(customer_id)
        if not customer.visits:
            continue
        moment = at if customer.observed else customer.frontier
        if customer.ended:
            yield customer_id, 1.0
        else:
            horizon = horizons.of(customer)
            known = facts(as_if_left(customer, horizon, policy), moment, local)
            yield customer_id, models.at(moment, horizon.key).risk(known, ahead_days)


def as_if_left(customer: Customer, horizon: Horizon, policy: Policy) -> Customer:
    """Give the customer as it is if the visit under way does not go on.

    Half of those who came today may still be here, and today's visit says more of them
    than all before it.
    """
    if not customer.visit_open:
        return customer
    seen = deepcopy(customer)
    complete_visit(seen, horizon.days, policy.decline)
    return seen
