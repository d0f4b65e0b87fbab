"""Population: one event day of one partition, added up for the trainer, and its hours.

The dial is a rate over everybody, so each partition reports what the trainer
needs to set it: how long how many customers were watched, how often a silence
rose past each threshold, and which own alerts turned out false.  The guard
cannot wait for midnight, so every hour says who returned in it.
"""

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from models.protocol import DIAL_GRID, Hour, Share, Tally
from stream.detector.calendar import LocalTime
from stream.detector.customer import Customer
from stream.detector.events import DAY_MS, HOUR_MS


class Part(msgspec.Struct):
    """What of the running day belongs to one segment that has a dial of its own."""

    watched: int = 0
    customer_ms: int = 0
    crossings: dict[int, float] = msgspec.field(default_factory=dict)
    crossed: int = 0
    false_alarms: int = 0
    chance_raised: float = 0.0
    chance_settled: float = 0.0
    judged: int = 0
    withdrawn_ms: int = 0
    withdrawn_false_alarms: int = 0
    falls: dict[str, dict[int, tuple[int, int]]] = msgspec.field(default_factory=dict)

    def close(self, free: float) -> Share:
        """Give what the day came to, of which `free` was no holiday, and begin the next."""
        share = Share(
            customer_days=self.customer_ms * free / DAY_MS,
            crossings=self.crossings,
            crossed=self.crossed,
            false_alarms=self.false_alarms,
            chance_raised=self.chance_raised,
            chance_settled=self.chance_settled,
            judged=self.judged,
            withdrawn_days=self.withdrawn_ms / DAY_MS,
            withdrawn_false_alarms=self.withdrawn_false_alarms,
            falls=self.falls,
        )
        self.customer_ms = self.crossed = self.false_alarms = self.judged = 0
        self.withdrawn_ms = self.withdrawn_false_alarms = 0
        self.chance_raised = self.chance_settled = 0.0
        self.crossings, self.falls = {}, {}
        return share


class Day(msgspec.Struct):
    """The running event day of one partition."""

    end: int = 0
    """Event time at which it ends (ms, a UTC midnight); 0 before the first event."""
    since: int = 0
    """Up to where the customer time is accounted for (ms)."""
    watched: int = 0
    """Customers eligible, observed and not silent for the horizon."""
    customer_ms: int = 0
    visits: int = 0
    crossings: dict[int, float] = msgspec.field(default_factory=dict)
    crossed: int = 0
    false_alarms: int = 0
    judged: int = 0
    withdrawn_ms: int = 0
    withdrawn_false_alarms: int = 0
    chance_raised: float = 0.0
    chance_settled: float = 0.0
    hour_end: int = 0
    """Event time at which the running hour ends (ms); 0 before the first event."""
    hour_since: int = 0
    """Up to where the running hour's customer time is accounted for (ms)."""
    hour_customer_ms: int = 0
    falls: dict[str, dict[int, tuple[int, int]]] = msgspec.field(default_factory=dict)
    returns: int = 0
    """Visits of watched customers in the running hour."""
    parts: dict[str, Part] = msgspec.field(default_factory=dict)
    """Of all of the day, by the segment whose dial it counts for; the rest is the policy's."""

    def count_visit(self, *, watched: bool) -> None:
        """Count a visit that began, of a customer who is watched or was not until now."""
        self.visits += 1
        self.returns += watched

    def enter(self, at: int, dial: str) -> None:
        """Count one more customer from `at` on."""
        self._account(at)
        for one in self._and_part(dial):
            one.watched += 1

    def leave(self, at: int, dial: str) -> None:
        """Count one customer less from `at` on."""
        self._account(at)
        for one in self._and_part(dial):
            one.watched -= 1

    def cross(self, best: float, value: float, false_chance: float, dial: str) -> None:
        """Note that a silence's best value rose from `best` to `value`."""
        for one in self._and_part(dial):
            for cell, change in ((cell_of(value), false_chance), (cell_of(best), -false_chance)):
                one.crossings[cell] = one.crossings.get(cell, 0.0) + change
            one.crossed += 1

    def expect(self, false_chance: float, dial: str) -> None:
        """Note how likely an alert that was raised is false; below zero: that nobody will know."""
        for one in self._and_part(dial):
            one.chance_raised += false_chance

    def settle(self, false_chance: float, dial: str) -> None:
        """Note how much of such a chance is settled."""
        for one in self._and_part(dial):
            one.chance_settled += false_chance

    def count_false_alarm(self, dial: str) -> None:
        """Count an alert whose customer came back."""
        for one in self._and_part(dial):
            one.false_alarms += 1

    def count_judged(self, dial: str) -> None:
        """Count a landmark at which a customer was judged."""
        for one in self._and_part(dial):
            one.judged += 1

    def count_fall(self, fall: str, rung: int, dial: str, *, came_true: bool) -> None:
        """Count what came of a fall, or of a control."""
        for one in self._and_part(dial):
            rungs = one.falls.setdefault(fall, {})
            true, false = rungs.get(rung, (0, 0))
            rungs[rung] = (true + came_true, false + (not came_true))

    def withdraw(self, customer: Customer, at: int, horizon_ms: int) -> None:
        """Note what the end of a customer's observation at `at` leaves undecided.

        Nobody will know what would have become of an alert in the last horizon before it.
        """
        begin = max(customer.eligible_since, at - horizon_ms)
        end = min(customer.last_at + horizon_ms, at)
        if customer.eligible_since and end > begin:
            for one in self._and_part(customer.dial):
                one.withdrawn_ms += end - begin
                one.withdrawn_false_alarms += customer.false_alarm_at > at - horizon_ms

    def close_until(self, moment: int, local: LocalTime) -> Iterator[Hour | Tally]:
        """Close every hour and day that has ended by `moment` (ms); the first begin with it.

        Of a day, holidays of `local` are no customer time: what the dial allows for days on which
        nobody is alerted on would all be spent on the next.
        """
        if not self.end:
            self.end = (moment // DAY_MS + 1) * DAY_MS
            self.since = moment
        if not self.hour_end:
            self.hour_end = (self.since // HOUR_MS + 1) * HOUR_MS
            self.hour_since = self.since
        while self.hour_end <= moment:
            self._account_hour(self.hour_end)
            yield Hour(self.hour_end, self.returns, self.hour_customer_ms)
            self.hour_customer_ms = self.returns = 0
            self.hour_end += HOUR_MS
            if self.hour_end <= self.end:
                continue
            self._account(self.end)
            free = 1 - local.holidays_ms(self.end - DAY_MS, self.end) / DAY_MS
            yield Tally(
                day_end=self.end,
                visits=self.visits,
                customer_days=self.customer_ms * free / DAY_MS,
                crossings=self.crossings,
                crossed=self.crossed,
                false_alarms=self.false_alarms,
                judged=self.judged,
                withdrawn_days=self.withdrawn_ms / DAY_MS,
                withdrawn_false_alarms=self.withdrawn_false_alarms,
                chance_raised=self.chance_raised,
                chance_settled=self.chance_settled,
                falls=self.falls,
                segments={name: self.parts[name].close(free) for name in sorted(self.parts)},
            )
            self.parts = {name: part for name, part in self.parts.items() if part.watched}
            self.customer_ms = self.visits = self.crossed = self.false_alarms = self.judged = 0
            self.withdrawn_ms = self.withdrawn_false_alarms = 0
            self.chance_raised = self.chance_settled = 0.0
            self.crossings, self.falls = {}, {}
            self.end += DAY_MS

    def _and_part(self, dial: str) -> Iterator["Day | Part"]:
        """Yield what counts for everybody, and what does for the segment whose dial it is."""
        yield self
        if dial:
            yield self.parts.setdefault(dial, Part())

    def _account(self, at: int) -> None:
        """Add the customer time up to `at`; a late event adds none."""
        if at > self.since:
            self.customer_ms += self.watched * (at - self.since)
            for part in self.parts.values():
                part.customer_ms += part.watched * (at - self.since)
            self.since = at
        self._account_hour(at)

    def _account_hour(self, at: int) -> None:
        """Do so for the running hour alone."""
        if at > self.hour_since:
            self.hour_customer_ms += self.watched * (at - self.hour_since)
            self.hour_since = at


def cell_of(value: float) -> int:
    """Give the cell of the dial's grid: how many thresholds a value reaches."""
    return bisect_right(DIAL_GRID, value)
