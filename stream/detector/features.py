"""Features: a customer's state at one moment, as numbers a model can weigh.

Raw facts only; whatever needs a model's parameters (priors, scales) is derived
by the model itself, so that the detector never depends on a version.
"""

from math import log1p

from models.protocol import Facts
from stream.detector.cadence import days
from stream.detector.customer import Customer
from stream.detector.events import DAY_MS

SHORTEST_SILENCE_DAYS = 0.02
"""Half an hour: a silence is compared by its logarithm."""


def weekday(at: int) -> int:
    """Give the day of the week in UTC, 0 for Monday (1970-01-01 was a Thursday)."""
    return (at // DAY_MS + 3) % 7


def facts(customer: Customer, at: int) -> Facts:
    """State what is known of the customer at `at` (ms), at or after its last event."""
    rhythm = customer.rhythm
    return Facts(
        silence=max(days(at - (customer.last_at or at)), SHORTEST_SILENCE_DAYS),
        repeats=rhythm.gaps,
        span=customer.span_days,
        longest_gap=rhythm.longest_gap,
        last_gap=rhythm.last_gap,
        log_gap_mean=rhythm.log_mean,
        log_gap_variance=rhythm.log_variance,
        gap_spread=rhythm.spread,
        long_gaps=rhythm.survived,
        gap_trend=rhythm.trend,
        decline_sharp=log1p(customer.levels.sharp),
        decline_slow=log1p(customer.levels.slow),
        volume=customer.volume,
        volume_usual=customer.volume_usual,
        kinds=float(customer.kinds),
        kinds_usual=customer.kinds_usual,
        volume_total=log1p(customer.volume_total),
        weekday=weekday(at),
        last_weekday=weekday(customer.last_at),
    )
