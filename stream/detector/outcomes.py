"""Outcomes: what became of a landmark, released at one age for both classes.

The early label ("back": a visit within a twelfth of the horizon) is released at
that age; the two late ones ("lapse": none within the horizon from the landmark;
"gap": none within the horizon from the last event) together at the horizon.

They leave in the order of their landmarks.  Where a customer has come to a segment with
a shorter horizon, a label may be due before an older one: it waits for it, as that
of every customer who moves, whatever came of it.

What came of a warning is released at the horizon, too (`warned`).
"""

from collections.abc import Iterator

from models.protocol import Example, RiskModels, Sighting
from stream.detector import warned
from stream.detector.customer import Customer, customer_hash
from stream.detector.events import DAY_MS
from stream.detector.horizons import Horizon, Horizons
from stream.detector.landmarks import Landmark
from stream.detector.policy import Policy

BACK = "back"
LAPSE = "lapse"
_NEVER = 1 << 62


def back_age_ms(policy: Policy) -> int:
    """Give the age of the early label by the policy's own horizon."""
    return Horizon.of(policy, 0).back_ms


def next_release(customer: Customer, horizons: Horizons) -> int | None:
    """Give when the customer's labels are next released (ms); None if none is pending.

    That is the last moment of the event day on which the first of them is due:
    the trainer turns whole days, and one timer a day serves all of a day's labels.
    """
    pending = customer.landmarks
    if not pending and not customer.warned:
        return None
    first = _NEVER
    if pending:
        first = pending[0].at + horizons.of_landmark(pending[0]).ms
    for one in customer.warned:
        first = min(first, one.at + horizons.of(customer).ms)
    if customer.back_released < len(pending):
        newer = pending[customer.back_released]
        first = min(first, newer.at + horizons.of_landmark(newer).back_ms)
    return (first // DAY_MS + 1) * DAY_MS - 1


def release(customer: Customer, customer_id: str, at: int, horizons: Horizons) -> Iterator[Example]:
    """Take every label due by `at` (ms) out of the customer, as examples to learn from.

    What had to wait counts for the day on which it leaves.
    """
    pending, today = customer.landmarks, at // DAY_MS * DAY_MS
    number = customer_hash(customer_id)
    while customer.back_released < len(pending):
        landmark = pending[customer.back_released]
        horizon = horizons.of_landmark(landmark)
        due = landmark.at + horizon.back_ms
        if due > at:
            break
        customer.back_released += 1
        seen, back = (number, landmark.at, landmark.inputs), (_returned(landmark, due),)
        yield Example(BACK, max(due, today), *seen, back, horizon_ms=horizon.key)
    while pending:
        landmark = pending[0]
        horizon = horizons.of_landmark(landmark)
        due = landmark.at + horizon.ms
        if due > at:
            break
        pending.pop(0)
        customer.back_released -= 1
        lapsed = 1 - _returned(landmark, due)
        gap = 1 - _returned(landmark, landmark.last_at + horizon.ms)
        seen, share = (number, landmark.at, landmark.inputs), horizon.ladder.share(landmark.rung)
        yield Example(LAPSE, max(due, today), *seen, (lapsed, gap), share, horizon.key)
    if customer.warned:
        horizon = horizons.of(customer)
        yield from warned.release(customer.warned, number, at, horizon.ms, horizon.key)


def sight(
    customer: Customer,
    customer_id: str,
    at: int,
    models: RiskModels,
    horizons: Horizons,
    *,
    until: int = 0,
) -> Iterator[Sighting]:
    """Tell of a sampled customer's visits up to `at` (ms); `until` is when observation ended."""
    number, key = customer_hash(customer_id), horizons.of(customer).key
    if models.at(at, key).samples(number):
        seen = customer.first_at, customer.visit_at, customer.rhythm.gaps
        yield Sighting(at, number, *seen, until, key)


def _returned(landmark: Landmark, until: int) -> int:
    """Tell (1 or 0) whether a visit followed the landmark by `until`."""
    return int(0 < landmark.returned_at <= until)
