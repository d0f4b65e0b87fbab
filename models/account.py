"""The account: what own alerts were allowed to cost, held against what they cost and will.

An alert's chance of being false is known when it is raised, and better at every
landmark after; it becomes one when the customer comes back, and nothing when
the horizon is over.  So the account need not wait for returns, which lag behind
by up to a horizon, and would let too many alerts out meanwhile.

Where customers come back more often than expected, or less, everything expected
is corrected by the ratio, and that is known early too: a silence that goes on
settles a part of the chance (in survival analysis: martingale residuals,
Therneau, Grambsch & Fleming 1990).
"""

from collections.abc import Iterable

import msgspec

from models.protocol import Share, Tally

CREDIT = 5.0
"""False alarms that what was allowed and what was spent are both thought to have had."""
BIAS_CREDIT = 10.0
"""False alarms that came, and that were expected, likewise."""
BIAS_HORIZONS = 1 / 6
"""Half-life of what the correction is learned from."""
FEW_BIAS_CREDIT = 1.0
FEW_BIAS_HORIZONS = 1.0
"""The same two where there are few false alarms: within horizon/6 hardly one would come."""
BIAS_MOST = 4.0
"""The correction is at most this, and at least its inverse."""
EASE = 4.0
"""The rate aimed at is at most this many times the dial, and at least its inverse."""


class Account(msgspec.Struct):
    """Sums of false alarms; `allowed` and `spent` fade with a half-life of the horizon."""

    allowed: float = 0.0
    spent: float = 0.0
    """False alarms that came, and that are expected of alerts still open."""
    open: float = 0.0
    """Expected of alerts still open; does not fade, because they settle."""
    came: float = 0.0
    due: float = 0.0
    """How many should have come by now: of returns, and of silences that went on."""
    few: bool = False
    """Whether it is kept for a part of the customers only."""

    def turn(self, tallies: Iterable[Tally | Share], allowed: float, horizons: float) -> None:
        """Take the tallies of some time in, in which `allowed` more were."""
        half_life = FEW_BIAS_HORIZONS if self.few else BIAS_HORIZONS
        fade, fast = 0.5**horizons, 0.5 ** (horizons / half_life)
        self.allowed = self.allowed * fade + allowed
        self.spent *= fade
        self.came *= fast
        self.due *= fast
        for tally in tallies:
            change = tally.chance_raised - tally.chance_settled
            self.open += change
            self.spent += change + tally.false_alarms
            self.came += tally.false_alarms
            self.due += tally.chance_settled

    def absorb(self, other: "Account") -> None:
        """Take over what another account was allowed, and owes."""
        self.allowed += other.allowed
        self.spent += other.spent
        self.open += other.open
        self.came += other.came
        self.due += other.due

    @property
    def bias(self) -> float:
        """Give the false alarms that came over those that should have."""
        credit = FEW_BIAS_CREDIT if self.few else BIAS_CREDIT
        ratio = (self.came + credit) / (max(self.due, 0.0) + credit)
        return min(max(ratio, 1 / BIAS_MOST), BIAS_MOST)

    def ease(self, factor: float) -> float:
        """Give how many times the dial may be aimed at; `factor` corrects what was spent."""
        spent = max(self.spent + (self.bias - 1) * self.open, 0.0) * factor
        return min(max((self.allowed + CREDIT) / (spent + CREDIT), 1 / EASE), EASE)
