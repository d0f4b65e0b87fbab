"""Guarding: every partition's hours in, and what the guard makes of them all together.

An hour is judged when every partition has closed it, so lag never looks like
silence.  All that is remembered is small, and saved whenever it has changed.
"""

from collections.abc import Iterator

import msgspec

from models.guard import Guard, GuardState
from models.protocol import Hour
from models.snapshots import Snapshot
from stream.detector.calendar import local_time
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.policy import Policy
from stream.wire.state import StateCodec
from stream.worker.metrics import Metrics
from stream.worker.training_days import Closed, TrainingDays


class Watched(msgspec.Struct, array_like=True):
    """What is saved of the guard, and of the hours it has not judged yet."""

    guard: GuardState = msgspec.field(default_factory=GuardState)
    hours: Closed = msgspec.field(default_factory=Closed)
    sums: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    """End of an hour -> returns and customers' time (ms), of the partitions heard so far."""


WATCHED = StateCodec(Watched)


class Guarding:
    """The guard of all partitions together."""

    def __init__(
        self, policy: Policy, partitions: int, metrics: Metrics, saved: bytes | None = None
    ) -> None:
        """Go on from what was saved."""
        self._watched = Watched() if saved is None else WATCHED.decode(saved)
        self._enabled = policy.guard.enabled
        self._guard = Guard(
            collapse=policy.guard.collapse,
            recover=policy.guard.recover,
            zone=local_time(policy.calendar),
            state=self._watched.guard,
        )
        self._hours = TrainingDays(partitions, self._watched.hours, length_ms=HOUR_MS)
        self._metrics = metrics
        self.changed = False
        """Something is not as last saved."""
        self._say()

    def hear(self, partition: int, hour: Hour) -> Iterator[int]:
        """Take in that a partition has closed an hour.

        Yields the ends (ms) of hours that changed what the guard takes to be the
        case, but for those that end with a day: what a day teaches says it, too.
        """
        if not self._enabled:
            return
        self.changed = True
        watched = self._watched
        self._hours.close(partition, hour.hour_end)
        if hour.hour_end > watched.hours.turned:
            returns, customer_ms = watched.sums.get(hour.hour_end, (0, 0))
            watched.sums[hour.hour_end] = returns + hour.returns, customer_ms + hour.customer_ms
        for hour_end in self._hours.due():
            changed = self._guard.turn(hour_end, *watched.sums.pop(hour_end))
            self._say()
            if changed and hour_end % DAY_MS:
                yield hour_end

    def stamp(self, snapshot: Snapshot, effective_from: int) -> Snapshot:
        """Give a snapshot that says what the guard has found, effective from a moment (ms)."""
        return self._guard.stamp(snapshot, effective_from) if self._enabled else snapshot

    def _say(self) -> None:
        """Tell the metrics what was found."""
        guard = self._watched.guard
        self._metrics.guards(guard.ratio, suspended_since=guard.guarded.suspended_since)

    def save(self) -> bytes:
        """Give what is to be saved."""
        self.changed = False
        return WATCHED.encode(self._watched)
