"""Features: a customer's state at one moment, as numbers a model can weigh.

Raw facts only; whatever needs a model's parameters (priors, scales) is derived
by the model itself, so that the detector never depends on a version.
"""

from math import log1p

from models.protocol import Facts
from stream.detector.calendar import LocalTime
from stream.detector.customer import Customer
from stream.detector.events import DAY_MS

SHORTEST_SILENCE_DAYS = 0.02
"""Half an hour: a silence is compared by its logarithm."""
_new = tuple.__new__


def facts(customer: Customer, at: int, local: LocalTime, paused_ms: int = 0) -> Facts:
    """State what is known of the customer at `at` (ms), at or after its last event.

    `paused_ms` of the time since then count as no silence; weekdays are those of `local`.
    """
    rhythm = customer.rhythm
    last_at = customer.last_at or at
    levels = customer.levels
    # By position, and past Facts' own constructor: a third of the cost of names, and this runs at
    # every landmark.
    return _new(
        Facts,
        (
            max((at - last_at - paused_ms) / DAY_MS, SHORTEST_SILENCE_DAYS),
            rhythm.gaps,
            (customer.visit_at - customer.first_at) / DAY_MS,
            rhythm.longest_gap,
            rhythm.last_gap,
            rhythm.log_mean,
            rhythm.log_variance,
            rhythm.spread,
            rhythm.survived,
            rhythm.trend,
            log1p(levels.sharp),
            log1p(levels.slow),
            log1p(customer.volume),
            customer.volume_usual,
            float(customer.kinds),
            customer.kinds_usual,
            log1p(customer.volume_total),
            local.weekday(at),
            local.weekday(last_at),
        ),
    )
