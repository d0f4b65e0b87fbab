"""Outcomes: what became of a landmark, released at one age for both classes.

The early label ("back": a visit within a twelfth of the horizon) is released at
that age; the two late ones ("lapse": none within the horizon from the landmark;
"gap": none within the horizon from the last event) together at the horizon.
"""

from models.protocol import Example
from stream.detector.customer import Customer
from stream.detector.events import DAY_MS
from stream.detector.landmarks import Landmark
from stream.detector.policy import Policy

BACK_SHARE = 12
BACK = "back"
LAPSE = "lapse"


def back_age_ms(policy: Policy) -> int:
    """Give the age of the early label: horizon/12, at least a day."""
    return max(DAY_MS, policy.horizon_ms // BACK_SHARE)


def next_release(customer: Customer, back_ms: int, horizon_ms: int) -> int | None:
    """Give when the customer's next label is due (ms); None if none is pending."""
    pending = customer.landmarks
    if not pending:
        return None
    late = pending[0].at + horizon_ms
    if customer.back_released < len(pending):
        return min(late, pending[customer.back_released].at + back_ms)
    return late


def release(
    customer: Customer, customer_id: str, at: int, back_ms: int, horizon_ms: int
) -> Example:
    """Take the label due at `at` (ms) out of the customer, as an example to learn from."""
    pending = customer.landmarks
    n = customer.back_released
    if n < len(pending) and pending[n].at + back_ms == at:
        landmark = pending[n]
        customer.back_released += 1
        return _example(BACK, at, customer_id, landmark, (_returned(landmark, at),))
    landmark = pending.pop(0)
    customer.back_released -= 1
    lapsed = 1 - _returned(landmark, at)
    gap = 1 - _returned(landmark, landmark.last_at + horizon_ms)
    return _example(LAPSE, at, customer_id, landmark, (lapsed, gap))


def _returned(landmark: Landmark, until: int) -> int:
    """Tell (1 or 0) whether a visit followed the landmark by `until`."""
    return int(0 < landmark.returned_at <= until)


def _example(
    target: str, at: int, customer_id: str, landmark: Landmark, labels: tuple[int, ...]
) -> Example:
    """Put the frozen inputs and the labels together."""
    return Example(target, at, customer_id, landmark.at, landmark.inputs, labels)
