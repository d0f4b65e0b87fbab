"""Falls: what came of customers who came less, and so from where on it is worth telling of them.

A fall is a guess that a customer will go on like this.  So every one is recorded,
told of or not, with the level its evidence reached, and a horizon later it has
come true or it has not.  Beside them stand customers who had not fallen, held to
the same rule: what would have come anyway.

Once a day of event time the lowest level is chosen that earns its place: more
falls come true than not, more than among those who had not fallen, and those that
do not stay within a share of the dial.  Where no level does, nobody is told of.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import sqrt

import msgspec

from models.dial import CAUTION, MONTH_DAYS
from models.protocol import CONTROL_RUNG, FALL_GRID, FALLS, Tally

FADE_HORIZONS = 4.0
"""Half-life of the record."""
RESOLVED_MIN = 20.0
"""Falls, and controls, before which nothing is concluded from them."""
ERRORS = 2.33
"""Standard errors by which a share has to be higher: by chance one time in a hundred."""


class FallsFound(msgspec.Struct, frozen=True, kw_only=True):
    """What the record says of one kind of fall; faded counts."""

    level: float | None
    """Nats from which on it is told of; None: its record does not bear that out."""
    resolved: float
    """Falls whose outcome is known: by the level, or by the lowest one there is."""
    came_true: float | None
    """Share of them; None: none is known."""
    controls: float
    """Customers who had not fallen, with a known outcome."""
    controls_true: float | None
    """Share of them who use the product as little as if they had."""
    false_per_customer_month: float | None
    """Falls told of that mean nothing, caution included; None where there is no level."""


class FallRecord(msgspec.Struct):
    """Of one kind of fall, faded: counts by the level, each at the time it was reached."""

    true: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(FALL_GRID))
    false: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(FALL_GRID))
    controls_true: float = 0.0
    controls_false: float = 0.0

    def fade(self, fade: float) -> None:
        """Let everything so far count less."""
        self.true = [count * fade for count in self.true]
        self.false = [count * fade for count in self.false]
        self.controls_true *= fade
        self.controls_false *= fade

    def add(self, outcomes: Mapping[int, tuple[int, int]]) -> None:
        """Add what came of some falls and controls: by rung, true and false."""
        for rung, (true, false) in outcomes.items():
            if rung == CONTROL_RUNG:
                self.controls_true += true
                self.controls_false += false
            else:
                self.true[rung] += true
                self.false[rung] += false

    def find(
        self, months: float, rate_most: float, factor: float, fixed_level: float | None
    ) -> FallsFound:
        """Choose the lowest level that earns its place; `factor` corrects rates."""
        if fixed_level is not None:
            place = min(bisect_left(FALL_GRID, fixed_level), len(FALL_GRID) - 1)
            rate = _rate(self._in_vain(self.true[place], self.false[place]), months, factor)
            return self._found(fixed_level, self.true[place], self.false[place], rate)
        for level, came, came_not in zip(FALL_GRID, self.true, self.false, strict=True):
            rate = _rate(self._in_vain(came, came_not), months, factor)
            if rate is not None and rate <= rate_most and self._earns(came, came_not):
                return self._found(level, came, came_not, rate)
        return self._found(None, self.true[0], self.false[0], None)

    def _earns(self, came: float, came_not: float) -> bool:
        """Tell whether falls come true clearly more often than not, and than controls do."""
        resolved, controls = came + came_not, self.controls_true + self.controls_false
        if min(resolved, controls) < RESOLVED_MIN:
            return False
        share, usual = came / resolved, self.controls_true / controls
        error = sqrt(_variance(came, resolved) + _variance(self.controls_true, controls))
        return lower_bound(share, resolved) > 1 / 2 and share - usual > ERRORS * error

    def _in_vain(self, came: float, came_not: float) -> float:
        """Give the falls that meant nothing: some came true all the same, as controls do."""
        controls = self.controls_true + self.controls_false
        by_chance = self.controls_true / controls if controls else 0.0
        return (
            came_not / (1 - by_chance) if by_chance * (came + came_not) < came else came_not + came
        )

    def _found(
        self, level: float | None, came: float, came_not: float, rate: float | None
    ) -> FallsFound:
        resolved, controls = came + came_not, self.controls_true + self.controls_false
        return FallsFound(
            level=level,
            resolved=resolved,
            came_true=came / resolved if resolved else None,
            controls=controls,
            controls_true=self.controls_true / controls if controls else None,
            false_per_customer_month=rate,
        )


class Falls(msgspec.Struct):
    """The records of one product, and the levels that follow from them."""

    horizon_days: float
    rate_most: float
    """Falls told of in vain, per customer-month."""
    fixed_level: float | None = None
    """Set instead, in nats: falls are told of from there on whatever came of them."""
    months: float = 0.0
    """Customer-months whose falls are known, faded."""
    waiting: list[float] = msgspec.field(default_factory=list)
    """Customer-months of the last horizon, by day, the latest last."""
    records: dict[str, FallRecord] = msgspec.field(
        default_factory=lambda: {fall: FallRecord() for fall in FALLS}
    )
    found: dict[str, FallsFound] = msgspec.field(default_factory=dict)

    def turn(self, tallies: Iterable[Tally], factor: float = 1.0) -> None:
        """Take the tallies of one event day in, and choose the levels anew.

        `factor` is the rate of false alarms where it is known, over that of all.
        """
        fade = 0.5 ** (1 / (FADE_HORIZONS * self.horizon_days))
        self.months *= fade
        for record in self.records.values():
            record.fade(fade)
        today = 0.0
        for tally in tallies:
            today += tally.customer_days / MONTH_DAYS
            for fall, outcomes in tally.falls.items():
                self.records[fall].add(outcomes)
        self.waiting.append(today)
        while len(self.waiting) > self.horizon_days:
            self.months += self.waiting.pop(0)
        left = self.rate_most
        for fall, record in self.records.items():
            found = record.find(self.months, left, factor, self.fixed_level)
            left -= found.false_per_customer_month or 0.0
            self.found[fall] = found

    @property
    def tells(self) -> bool:
        """Tell whether any fall is told of."""
        return any(found.level is not None for found in self.found.values())


def lower_bound(share: float, count: float) -> float:
    """Give the lower end of a share of so many, at `ERRORS` standard errors (Wilson 1927)."""
    z = ERRORS * ERRORS / count
    middle = share + z / 2
    return (middle - sqrt(z * (share * (1 - share) + z / 4))) / (1 + z)


def _variance(part: float, whole: float) -> float:
    """Give the variance of a share, at least that of one more and one less of each."""
    share = (part + 1) / (whole + 2)
    return share * (1 - share) / whole


def _rate(false: float, months: float, factor: float) -> float | None:
    """Give events per customer-month, at the upper end while there are few."""
    if months <= 0:
        return None
    rate = false / months * factor
    return rate + CAUTION * sqrt(max(rate, 1 / months) / months)
