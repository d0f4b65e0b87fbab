"""Horizons: the silence that counts as a lapse, and everything that follows from how long it is.

It is the policy's, or that of a segment: a trial lapses in a week, the largest account
in a quarter.  A segment with a horizon of its own has a dial of its own, too, so whose
dial a customer counts for (`Customer.dial`) says its horizon.  A landmark keeps the
one that it was judged by.
"""

from dataclasses import dataclass

from stream.detector import cadence
from stream.detector.customer import Customer
from stream.detector.decline import Levels
from stream.detector.events import DAY_MS
from stream.detector.landmarks import Ladder, Landmark
from stream.detector.policy import Policy
from stream.detector.segments import segment_of

BACK_SHARE = 12


@dataclass(frozen=True, slots=True, eq=False)
class Horizon:
    """One horizon under one policy."""

    key: int
    """What models and landmarks know it by: its length (ms); 0: it is the policy's."""
    ms: int
    days: float
    back_ms: int
    """Age of the early label: horizon/12, at least a day."""
    ladder: Ladder

    @classmethod
    def of(cls, policy: Policy, key: int) -> "Horizon":
        """Give the one that is known by a key."""
        ms = key or policy.horizon_ms
        back_ms = max(DAY_MS, ms // BACK_SHARE)
        return cls(key, ms, cadence.days(ms), back_ms, Ladder(policy, ms))


class Horizons:
    """Knows the horizon of everybody."""

    def __init__(self, policy: Policy) -> None:
        """Follow this policy."""
        self._policy = policy
        self.own = Horizon.of(policy, 0)
        """The policy's."""
        self._by_key = {0: self.own}
        self._by_dial = {name: self._known(ms) for name, ms in policy.horizons.items()}
        first = segment_of(policy.segments, {})
        self._first_dial = first.name if first.name in self._by_dial else ""

    def of(self, customer: Customer) -> Horizon:
        """Give the horizon of a customer."""
        return self._by_dial.get(customer.dial, self.own)

    def of_landmark(self, landmark: Landmark) -> Horizon:
        """Give the horizon that a landmark was judged by, even if nobody has it any more."""
        return self._known(landmark.rung // Ladder.PLACES)

    @property
    def differ(self) -> bool:
        """Whether there is any but the policy's."""
        return bool(self._by_dial)

    def stranger(self) -> Customer:
        """Give a customer of whom nothing is known yet."""
        horizon = self._by_dial.get(self._first_dial, self.own)
        rhythm = cadence.fresh(horizon.days)
        return Customer(rhythm=rhythm, levels=Levels(), dial=self._first_dial)

    def _known(self, key: int) -> Horizon:
        horizon = self._by_key.get(key)
        if horizon is None:
            horizon = self._by_key[key] = Horizon.of(self._policy, key)
        return horizon
