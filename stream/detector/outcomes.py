"""Outcomes: what became of a landmark, released at one age for both classes.

The early label ("back": a visit within a twelfth of the horizon) is released at
that age; the two late ones ("lapse": none within the horizon from the landmark;
"gap": none within the horizon from the last event) together at the horizon.
"""

from collections.abc import Iterator

from models.protocol import Example, RiskModels, Sighting
from stream.detector.customer import Customer, customer_hash
from stream.detector.events import DAY_MS
from stream.detector.landmarks import Ladder, Landmark
from stream.detector.policy import Policy

BACK_SHARE = 12
BACK = "back"
LAPSE = "lapse"


def back_age_ms(policy: Policy) -> int:
    """Give the age of the early label: horizon/12, at least a day."""
    return max(DAY_MS, policy.horizon_ms // BACK_SHARE)


def next_release(customer: Customer, back_ms: int, horizon_ms: int) -> int | None:
    """Give when the customer's labels are next released (ms); None if none is pending.

    That is the last moment of the event day on which the first of them is due:
    the trainer turns whole days, and one timer a day serves all of a day's labels.
    """
    pending = customer.landmarks
    if not pending:
        return None
    first = pending[0].at + horizon_ms
    if customer.back_released < len(pending):
        first = min(first, pending[customer.back_released].at + back_ms)
    return (first // DAY_MS + 1) * DAY_MS - 1


def release(
    customer: Customer, customer_id: str, at: int, back_ms: int, ladder: Ladder
) -> Iterator[Example]:
    """Take every label due by `at` (ms) out of the customer, as examples to learn from."""
    pending, horizon_ms = customer.landmarks, ladder.horizon_ms
    number = customer_hash(customer_id)
    while customer.back_released < len(pending):
        landmark = pending[customer.back_released]
        due = landmark.at + back_ms
        if due > at:
            break
        customer.back_released += 1
        back = (_returned(landmark, due),)
        yield Example(BACK, due, number, landmark.at, landmark.inputs, back)
    while pending and pending[0].at + horizon_ms <= at:
        landmark = pending.pop(0)
        customer.back_released -= 1
        due = landmark.at + horizon_ms
        lapsed = 1 - _returned(landmark, due)
        gap = 1 - _returned(landmark, landmark.last_at + horizon_ms)
        share = ladder.share(landmark.rung)
        yield Example(LAPSE, due, number, landmark.at, landmark.inputs, (lapsed, gap), share)


def sight(
    customer: Customer, customer_id: str, at: int, models: RiskModels, *, until: int = 0
) -> Iterator[Sighting]:
    """Tell of a sampled customer's visits up to `at` (ms); `until` is when observation ended."""
    number = customer_hash(customer_id)
    if models.at(at).samples(number):
        seen = customer.first_at, customer.visit_at, customer.rhythm.gaps
        yield Sighting(at, number, *seen, until)


def _returned(landmark: Landmark, until: int) -> int:
    """Tell (1 or 0) whether a visit followed the landmark by `until`."""
    return int(0 < landmark.returned_at <= until)
