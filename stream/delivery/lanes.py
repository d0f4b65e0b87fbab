"""Lanes: what waits for delivery to one endpoint, in order for each customer, and bounded.

Whoever waits for another try holds up nobody but the same customer's later alerts.
How far a partition is, is what a restart has to know (`progress.py`).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stream.delivery.progress import Progress, joined
from stream.detector.alerts import Alert


@dataclass(slots=True, eq=False, kw_only=True)
class Waiting:
    """An alert on its way; times in ms since 1970 UTC."""

    alert: Alert
    record: Any
    """As it was read: `partition`, `offset`, `timestamp`, `key`, `value`, `headers`."""
    due_at: int = 0
    failures: int = 0
    first_failed_at: int = 0
    under_way: bool = False
    erased: bool = False
    """The customer is to hear nothing more: no further attempt."""


class Lanes:
    """Everything that is read and not settled."""

    def __init__(self, most: int) -> None:
        """Hold at most that many."""
        self._most = most
        self._lanes: dict[tuple[int, str], deque[Waiting]] = {}
        self._unsettled: dict[int, dict[int, Waiting]] = {}
        """By partition and offset, in the order of offsets."""
        self._read: dict[int, int] = {}
        """The offset to read next, by partition."""
        self._known: dict[int, Progress] = {}
        """How far earlier ones had come, by partition."""
        self._count = 0

    @property
    def room(self) -> int:
        """How many more may be read."""
        return max(0, self._most - self._count)

    @property
    def count(self) -> int:
        """How many are read and not settled."""
        return self._count

    @property
    def oldest_ms(self) -> int | None:
        """When the eldest of them was published (ms since 1970 UTC); None if there is none."""
        first = (next(iter(waiting.values())) for waiting in self._unsettled.values() if waiting)
        return min((waiting.record.timestamp for waiting in first), default=None)

    @property
    def empty(self) -> bool:
        """Whether everything read is settled."""
        return self._count == 0

    def begin(self, partition: int, progress: Progress) -> None:
        """Note where a partition is read from, and what is settled beyond."""
        self._read[partition] = progress.position
        self._known[partition] = progress

    def knows(self, record: Any) -> bool:
        """Say whether a record was settled before this one began."""
        known = self._known.get(record.partition)
        return known is not None and known.settled(record.offset)

    def passed(self, record: Any) -> None:
        """Note a record that was read, and needs nothing."""
        self._read[record.partition] = record.offset + 1

    def add(self, waiting: Waiting) -> None:
        """Let an alert wait behind the customer's others."""
        record = waiting.record
        self.passed(record)
        self._unsettled.setdefault(record.partition, {})[record.offset] = waiting
        self._lanes.setdefault(self._lane(waiting), deque()).append(waiting)
        self._count += 1

    def take(self, now: int, most: int) -> list[Waiting]:
        """Send off at most so many of those that are first in their lane and due; the eldest."""
        due = [
            lane[0]
            for lane in self._lanes.values()
            if not lane[0].under_way and lane[0].due_at <= now
        ]
        due.sort(key=lambda waiting: (waiting.due_at, waiting.alert.time, waiting.record.offset))
        taken = due[:most]
        for waiting in taken:
            waiting.under_way = True
        return taken

    def settle(self, waiting: Waiting) -> None:
        """Note that an alert needs no more; the next in its lane may go."""
        unsettled = self._unsettled.get(waiting.record.partition, {})
        if unsettled.get(waiting.record.offset) is not waiting:
            return  # its partition is another member's by now
        del unsettled[waiting.record.offset]
        lane = self._lanes[self._lane(waiting)]
        lane.popleft()
        if not lane:
            del self._lanes[self._lane(waiting)]
        self._count -= 1

    def erase(self, partition: int, customer_id: str) -> int:
        """Drop what waits for a customer; return how many there were.

        What is under way is past recall, and only marked: its attempt is the last.
        """
        lane = self._lanes.get((partition, customer_id), deque())
        for waiting in lane:
            waiting.erased = True
        dropped = [waiting for waiting in lane if not waiting.under_way]
        for waiting in dropped:
            lane.remove(waiting)
            del self._unsettled[partition][waiting.record.offset]
        if dropped and not lane:
            del self._lanes[partition, customer_id]
        self._count -= len(dropped)
        return len(dropped)

    def again(self, waiting: Waiting, due_at: int) -> None:
        """Let an alert wait for another try."""
        waiting.under_way = False
        waiting.due_at = due_at

    def hurry(self, now: int) -> None:
        """Let all that wait for another try be due now."""
        for lane in self._lanes.values():
            lane[0].due_at = min(lane[0].due_at, now)

    def next_due_at(self) -> int | None:
        """Say when the next one is due; None if nothing waits."""
        heads = (lane[0] for lane in self._lanes.values())
        return min((head.due_at for head in heads if not head.under_way), default=None)

    def progress(self) -> dict[int, Progress]:
        """Say how far each partition is."""
        return {
            partition: joined(self._known.get(partition), read, self._unsettled.get(partition, ()))
            for partition, read in self._read.items()
        }

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget partitions that are another member's now."""
        gone = set(partitions)
        for partition in gone:
            self._read.pop(partition, None)
            self._known.pop(partition, None)
            self._count -= len(self._unsettled.pop(partition, ()))
        self._lanes = {key: lane for key, lane in self._lanes.items() if key[0] not in gone}

    @staticmethod
    def _lane(waiting: Waiting) -> tuple[int, str]:
        return waiting.record.partition, waiting.alert.customer_id
