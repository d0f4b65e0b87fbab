"""Training days: when everything a day of event time has to teach is there.

Each partition closes its own event days, at its own pace.  The trainer turns a
day once all of them have; but a partition that has fallen silent, or has no
customers at all, is not waited for: two days behind the furthest, it is left
behind, and what it says later counts for the next day that is turned.

The guard's hours are turned in the same way.
"""

import msgspec

from stream.detector.events import DAY_MS

PATIENCE_MS = 2 * DAY_MS


class Closed(msgspec.Struct, array_like=True):
    """Which days (or hours) were closed by whom, in milliseconds since 1970 UTC."""

    latest: dict[int, int] = msgspec.field(default_factory=dict)
    """Partition -> the last day it closed."""
    waiting: list[int] = msgspec.field(default_factory=list)
    """Days closed by somebody and not turned yet, in order."""
    turned: int = 0
    """The last day turned."""
    begin: int = 0
    """Just before the first day anybody closed: where partitions not heard of yet stand."""


class TrainingDays:
    """The days still to be turned."""

    def __init__(
        self, partitions: int, closed: Closed | None = None, *, length_ms: int = DAY_MS
    ) -> None:
        """Follow that many partitions, from `closed` on; `length_ms` is that of a day."""
        self.closed = Closed() if closed is None else closed
        self._partitions = partitions
        self._length = length_ms

    def close(self, partition: int, day_end: int) -> None:
        """Note that a partition has closed a day."""
        closed = self.closed
        if not closed.latest:
            closed.begin = day_end - self._length
        closed.latest[partition] = max(day_end, closed.latest.get(partition, 0))
        if day_end > closed.turned and day_end not in closed.waiting:
            closed.waiting.append(day_end)
            closed.waiting.sort()

    def due(self) -> list[int]:
        """Take out the days that can be turned now, in order."""
        closed = self.closed
        furthest = max(closed.latest.values(), default=0)
        known = [closed.latest.get(p, closed.begin) for p in range(self._partitions)]
        waited_for = [day for day in known if furthest - day <= PATIENCE_MS]
        complete = min(waited_for, default=0)
        days = [day for day in closed.waiting if day <= complete]
        if days:
            closed.waiting = [day for day in closed.waiting if day > complete]
            closed.turned = days[-1]
        return days
