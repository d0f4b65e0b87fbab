"""The guard: tells a product that has fallen silent from customers who have.

When a deploy or an SDK breaks, no customer is slipping away, and all of them
look as if they were.  So the returns of the whole population are held, hour by
hour, against what is usual at that hour of the week, and where they collapse the
product is what went silent.

Usual is a profile over the hours of the week, times a level.  An hour of the
week leans on what its hour of the day and its weekday say together, and these on
the average hour, by as much as one visit says: a small product knows its Sundays
after two of them, long before it knows the hours of a Sunday.
The level is the lower one of the last days' and the last weeks', so that neither
a rush that is over nor a slow decline looks like a collapse.  Hours are learned
from at midnight, once they have left the window that is judged, and not while
suspended.  Hours of the week are those of the product's own zone, so a clock that is
put forward moves no profile.  A holiday that is known says nothing: its hours are
neither judged nor learned from, and what was suspended is counted without it.

How many hours are judged together depends on how much was to be expected in
them: thirty visits tell a collapse from chance, and where visits come in bunches
as many more as they scatter more.
"""

from collections.abc import Iterator
from math import sqrt

import msgspec

from models.protocol import Guarded
from models.snapshots import Snapshot, name
from models.zone import UTC, Zone

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
HOURS_A_WEEK = 168
HOURS_A_DAY = 24
FIRST_MONDAY_HOUR = 96
"""Of UTC, counted from 1970-01-01, a Thursday."""

ARMED_AFTER = 2 * HOURS_A_WEEK
"""Hours learned from before anything is judged: every weekend was seen twice."""
LEAST_HOURS = 3
"""A dip of an hour is a deploy; against horizons of days it changes nothing."""
MOST_HOURS = HOURS_A_WEEK
"""A product with fewer returns a week than `ENOUGH` is not guarded."""
ENOUGH = 30.0
"""Expected returns, times their scatter, that a collapse is told by."""
ENOUGH_BACK = 15.0
"""The same for a recovery: the sooner alerts go on, the better."""
SIGNIFICANCE = 4.0
"""Standard deviations below the expected."""
KEPT_BACK = 24
"""Hours not learned from yet, at least: while a collapse is seen to be one it must not be usual."""
SHORT_HALF_LIFE = 84.0
LONG_HALF_LIFE = 336.0
"""Hours, of the two levels."""
PROFILE_FADE = 0.5**0.25
"""Of a week: the profile's half-life is four."""
LEAN = 1.0
"""Visits by which a part of the profile leans on what is coarser."""
SCATTER_FADE = 0.5 ** (1 / LONG_HALF_LIFE)
SCATTER_AT_FIRST = 2.0
SCATTER_MOST = 10.0
LASTING = 2 * HOURS_A_WEEK
"""Hours after which a remainder is not an outage any more, but what is usual now."""


class RecentHour(msgspec.Struct, array_like=True, frozen=True):
    """One hour that is judged."""

    of_week: int
    """0 is Monday 00:00 to 01:00 in the product's zone."""
    returns: int
    customers: float
    """Who could have returned, on average over the hour."""
    weight: float
    """Customers times how many average hours this hour is usually worth."""


class Level(msgspec.Struct, array_like=True):
    """Returns of a customer in an average hour of the week: a faded rate."""

    returns: float = 0.0
    hours: float = 0.0
    """Average hours of customers in which they came, faded alike."""

    def add(self, hour: RecentHour, half_life: float) -> None:
        """Take one more hour in."""
        fade = 0.5 ** (1 / half_life)
        self.returns = self.returns * fade + hour.returns
        self.hours = self.hours * fade + hour.weight

    def rate(self) -> float:
        """Give the returns of a customer in an average hour."""
        return self.returns / self.hours if self.hours else 0.0


class GuardState(msgspec.Struct):
    """Everything a guard needs to go on, constant in size."""

    returns: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS_A_WEEK)
    """By hour of the week from Monday 00:00, faded by the week."""
    hours: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS_A_WEEK)
    """Hours of customers in which they came, faded alike."""
    short: Level = msgspec.field(default_factory=Level)
    long: Level = msgspec.field(default_factory=Level)
    recent: list[RecentHour] = msgspec.field(default_factory=list)
    """Not learned from yet, oldest first, up to `until`."""
    until: int = 0
    """End of the last hour turned (ms)."""
    learned: int = 0
    """Hours learned from."""
    squares: float = SCATTER_AT_FIRST * ENOUGH
    """Squared differences from the expected, and the expected, both faded: scatter is their ratio,
    1 where returns are independent of each other."""
    expected: float = ENOUGH
    ratio: float | None = None
    """Observed over expected, as last judged; None before."""
    guarded: Guarded = Guarded()
    noticed_at: int = 0
    """When the present suspension was decided (ms)."""
    time_zone: str = "UTC"
    """By whose clock hours of the week are counted."""
    offset_ms: int = 0
    """How far it was ahead of UTC in the last hour turned."""


class Guard:
    """Judges the population hour by hour."""

    def __init__(
        self,
        *,
        collapse: float = 0.3,
        recover: float = 0.6,
        zone: Zone = UTC,
        state: GuardState | None = None,
    ) -> None:
        """Suspend where the ratio falls below `collapse`, resume where it rises above `recover`.

        Hours and holidays are those of `zone`; UTC, and none, unless one is named.
        """
        self.state = GuardState() if state is None else state
        self._zone = zone
        self._collapse = collapse
        self._recover = recover

    @property
    def suspended(self) -> bool:
        """Tell whether the population is taken to be silent for no reason of its own."""
        return self.state.guarded.suspended_since > 0

    def turn(self, hour_end: int, returns: int, customer_ms: int) -> bool:
        """Take one hour in, in order of time; tell whether that changed what is taken to be.

        `returns` are visits that began in the hour before `hour_end` (ms), and
        `customer_ms` how long how many customers were watched in it.  Only watched
        customers count in both: new ones tell of advertising, not of silence.
        """
        state, customers = self.state, customer_ms / HOUR_MS
        if hour_end != state.until + HOUR_MS:
            state.recent.clear()  # nobody told of the hours between
        state.until = hour_end
        of_week = self._hour_of_week(hour_end - HOUR_MS)
        if 2 * self._zone.holidays_ms(hour_end - HOUR_MS, hour_end) >= HOUR_MS:
            returns, customers = 0, 0.0
        weight = customers * self._share(of_week)
        state.recent.append(RecentHour(of_week, returns, customers, weight))
        if self.suspended:
            del state.recent[:-MOST_HOURS]
            return self._resume()
        if state.learned >= ARMED_AFTER and self._suspend():
            return True
        if hour_end % DAY_MS == 0:
            self._learn_old()
        return False

    def stamp(self, snapshot: Snapshot, effective_from: int) -> Snapshot:
        """Give a snapshot that says what the guard has found, effective from a moment (ms)."""
        guarded = self.state.guarded
        if snapshot.guarded == guarded and snapshot.effective_from == effective_from:
            return snapshot
        return name(
            msgspec.structs.replace(snapshot, effective_from=effective_from, guarded=guarded)
        )

    def _hour_of_week(self, begin: int) -> int:
        """Give the hour of the week that begins at a moment (ms), by the zone's clock.

        Where the policy names another zone than the profile was learned in, that is turned.
        """
        state, zone = self.state, self._zone
        offset = zone.offset_ms(begin)
        if state.time_zone != zone.time_zone:
            turn = (offset - state.offset_ms) // HOUR_MS % HOURS_A_WEEK
            state.returns = [*state.returns[-turn:], *state.returns[:-turn]]
            state.hours = [*state.hours[-turn:], *state.hours[:-turn]]
            state.recent = [
                msgspec.structs.replace(hour, of_week=(hour.of_week + turn) % HOURS_A_WEEK)
                for hour in state.recent
            ]
        state.time_zone, state.offset_ms = zone.time_zone, offset
        return ((begin + offset) // HOUR_MS - FIRST_MONDAY_HOUR) % HOURS_A_WEEK

    # ------------------------------------------------------------ judging

    def _suspend(self) -> bool:
        """Suspend if the latest hours, as few as suffice, have collapsed."""
        for length, observed, expected in self._latest(ENOUGH):
            self.state.ratio = observed / expected
            if self.state.ratio >= self._collapse:
                return False
            deviation = 2 * (sqrt(observed + 3 / 8) - sqrt(expected + 3 / 8))
            if deviation <= -SIGNIFICANCE * sqrt(self._scatter()):
                self._change(self._fell_silent(length), observed, expected)
                return True
        return False

    def _resume(self) -> bool:
        """Resume if the latest hours, as few as suffice, are what they used to be."""
        state = self.state
        judged = next(self._latest(ENOUGH_BACK), None)
        if judged is None:
            return False
        length, observed, expected = judged
        state.ratio = observed / expected
        if state.ratio <= self._recover:
            if state.until - state.noticed_at < LASTING * HOUR_MS:
                return False
            length, observed = len(state.recent), sum(hour.returns for hour in state.recent)
            if observed < ENOUGH:
                return False
            hours = sum(hour.weight for hour in state.recent)
            state.short, state.long = Level(observed, hours), Level(observed, hours)
            expected = float(observed)
        self._change(0, observed, expected)
        del state.recent[:-length]
        return True

    def _latest(self, enough: float) -> Iterator[tuple[int, int, float]]:
        """Give (hours, observed, expected) of the latest hours, from as few on as suffice."""
        level, enough = self._level(), enough * self._scatter()
        observed, expected = 0, 0.0
        for length, hour in enumerate(reversed(self.state.recent), 1):
            observed += hour.returns
            expected += hour.weight * level
            if length >= LEAST_HOURS and expected >= enough:
                yield length, observed, expected

    def _fell_silent(self, length: int) -> int:
        """Give when (ms) in the last `length` hours silence began: from then on most is missing."""
        level, until = self._level() * (1 + self._collapse) / 2, self.state.until
        missing, most, begin = 0.0, 0.0, length
        for number, hour in enumerate(reversed(self.state.recent[-length:]), 1):
            missing += hour.weight * level - hour.returns
            if hour.weight and missing >= most:
                most, begin = missing, number
        return until - begin * HOUR_MS

    def _change(self, suspended_since: int, observed: int, expected: float) -> None:
        """Note that something else is the case from now on."""
        state, before = self.state, self.state.guarded
        since, ended = before.suspended_since, 0
        if since:
            ended = state.until - since - self._zone.holidays_ms(since, state.until)
        state.noticed_at = state.until
        state.guarded = Guarded(
            suspended_since=suspended_since,
            changed_at=state.until,
            lasted_ms=ended,
            suspended_before_ms=before.suspended_before_ms + ended,
            observed=observed,
            expected=round(expected, 1),
        )
        if suspended_since:
            silent = (state.until - suspended_since) // HOUR_MS
            for hour in state.recent[:-silent]:
                self._learn(hour)
            del state.recent[:-silent]

    # ------------------------------------------------------------ what is usual

    def _share(self, of_week: int) -> float:
        """Give how many average hours an hour of the week is worth, by the profile."""
        returns, hours = self.state.returns, self.state.hours
        of_day = slice(of_week % HOURS_A_DAY, None, HOURS_A_DAY)
        midnight = of_week - of_week % HOURS_A_DAY
        weekday = slice(midnight, midnight + HOURS_A_DAY)
        average = (sum(returns) + LEAN) / (sum(hours) + LEAN)
        by_hour = _lean(sum(returns[of_day]), sum(hours[of_day]), average)
        by_weekday = _lean(sum(returns[weekday]), sum(hours[weekday]), average)
        usual = by_hour * by_weekday / average
        return _lean(returns[of_week], hours[of_week], usual) / average

    def _level(self) -> float:
        """Give the returns of a customer that are usual in an average hour."""
        return min(self.state.short.rate(), self.state.long.rate())

    def _scatter(self) -> float:
        """Give how many times the variance of independent returns theirs is."""
        state = self.state
        return min(max(state.squares / state.expected, 1.0), SCATTER_MOST)

    def _learn_old(self) -> None:
        """Learn from the hours that the window does not need any more: it is half of those kept."""
        recent, level = self.state.recent, self._level()
        spare = sum(hour.weight for hour in recent) * level - 2 * ENOUGH * self._scatter()
        old = 0
        for hour in recent[:-KEPT_BACK]:
            spare -= hour.weight * level
            if spare < 0 and len(recent) - old <= MOST_HOURS:
                break
            old += 1
        for hour in recent[:old]:
            self._learn(hour)
        del recent[:old]

    def _learn(self, hour: RecentHour) -> None:
        """Learn what is usual from one hour."""
        state, of_week = self.state, hour.of_week
        if state.learned >= ARMED_AFTER:
            expected = hour.weight * self._level()
            state.squares = state.squares * SCATTER_FADE + (hour.returns - expected) ** 2
            state.expected = state.expected * SCATTER_FADE + expected
        state.returns[of_week] = state.returns[of_week] * PROFILE_FADE + hour.returns
        state.hours[of_week] = state.hours[of_week] * PROFILE_FADE + hour.customers
        state.short.add(hour, SHORT_HALF_LIFE)
        state.long.add(hour, LONG_HALF_LIFE)
        state.learned += 1


def _lean(returns: float, hours: float, usual: float) -> float:
    """Give the returns an hour, leaning on what is usual by as much as `LEAN` visits say."""
    return (returns + LEAN) / (hours + LEAN / usual)
