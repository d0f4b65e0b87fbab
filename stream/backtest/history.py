"""History: who was active when, as far as a log tells.  What alerts are held against.

Arrays, one entry for each activity: a customer at a moment.  Times are
milliseconds since 1970 UTC.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS
from stream.detector.policy import EventClass, Policy
from stream.retention.moves import MoveRecorder

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEVER = np.iinfo(np.int64).max // 4
"""A moment after any in a log; its negative lies before."""


@dataclass(frozen=True, eq=False)
class History:
    """The activity of every customer, by customer and then by time; each moment once."""

    customers: list[str]
    customer: Ints
    """Places in `customers`, shape (n,)."""
    time: Ints
    volume: Floats
    end: Ints
    """Up to when each customer was watched, shape (customers,)."""
    horizon: int
    """The policy's."""
    horizons: Ints
    """The customer's at each activity: the silence after it that is a lapse; shape (n,)."""

    def horizon_of(self, customer: Ints, time: Ints) -> Ints:
        """Give the horizons by which silences at some moments are lapses: of the activity before.

        Where there was none, the policy's.
        """
        place = self.places(customer, time)
        before = np.maximum(place - 1, 0)
        had = (place > 0) & (self.customer[before] == customer) if len(self.time) else place > 0
        return np.where(had, self.horizons[before] if len(self.time) else 0, self.horizon)

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """Which activities are their customer's first."""
        return np.append(True, self.customer[1:] != self.customer[:-1])[: len(self.customer)]

    @cached_property
    def next(self) -> Ints:
        """The moment of the customer's next activity, NEVER where there is none."""
        following = np.append(self.time[1:], NEVER)[: len(self.time)]
        return np.where(np.append(self.first[1:], True)[: len(self.time)], NEVER, following)

    @cached_property
    def start(self) -> int:
        """The midnight before the first activity."""
        return int(self.time.min(initial=NEVER)) // DAY_MS * DAY_MS

    def around(self, customer: Ints, time: Ints) -> tuple[Ints, Ints]:
        """Give each customer's last activity at or before a moment, and the next one after it.

        -NEVER and NEVER stand for none.
        """
        if not len(self.time):
            return np.full(len(time), -NEVER), np.full(len(time), NEVER)
        place = self.places(customer, time)
        before, after = np.maximum(place - 1, 0), np.minimum(place, len(self.time) - 1)
        had = (place > 0) & (self.customer[before] == customer)
        has = (place < len(self.time)) & (self.customer[after] == customer)
        return np.where(had, self.time[before], -NEVER), np.where(has, self.time[after], NEVER)

    def places(self, customer: Ints, time: Ints) -> Ints:
        """Count the activities before each customer's, and of its own those up to a moment."""
        return np.searchsorted(self._keys, self._key(customer, time), side="right")

    @cached_property
    def _span(self) -> int:
        return int(self.time.max(initial=0)) - self.start + 2

    @cached_property
    def _keys(self) -> Ints:
        return self._key(self.customer, self.time)

    def _key(self, customer: Ints, time: Ints) -> Ints:
        """Give integers that are in the order of customers, then times."""
        return customer * self._span + np.clip(time - self.start + 1, 0, self._span - 1)


class Recorder:
    """Takes a log's events, and makes a history of those that are use."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing; `policy` says what is use."""
        self._policy = policy
        self._classes: dict[str, EventClass] = {}
        self._codes: dict[str, int] = {}
        self._parts: list[tuple[Ints, Ints, Floats]] = []
        self._moves = MoveRecorder(policy)
        self._unobserved: dict[int, int] = {}
        self._latest = 0

    def take(self, batch: EventBatch) -> None:
        """Take events, in whatever order."""
        if not batch:
            return
        classes = self._classes
        for name in set(batch.names) - classes.keys():
            classes[name] = self._policy.classify(name)
        if self._policy.horizons and batch.traits is not None:
            times = batch.occurred_at.tolist()
            for customer_id, at, told in zip(batch.customer_ids, times, batch.traits, strict=True):
                if told:
                    self._moves.take(customer_id, at, told)
        codes = self._codes
        for customer_id in dict.fromkeys(batch.customer_ids):
            codes.setdefault(customer_id, len(codes))
        count = len(batch)
        customer = np.fromiter(map(codes.__getitem__, batch.customer_ids), np.int64, count)
        kinds = [classes[name] for name in batch.names]
        used = np.fromiter((kind.engages for kind in kinds), np.bool_, count)
        self._parts.append((customer[used], batch.occurred_at[used], batch.volumes[used]))
        self._latest = max(self._latest, int(batch.occurred_at.max()))
        for place in np.flatnonzero(~used).tolist():
            if kinds[place] in (EventClass.UNOBSERVED, EventClass.PAUSED):
                code, at = int(customer[place]), int(batch.occurred_at[place])
                self._unobserved[code] = max(at, self._unobserved.get(code, at))

    def history(self) -> History:
        """Give what was taken; a customer is watched to the end of the log's last day.

        Or until the log says that it is not watched any more.
        """
        none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        customer, time, volume = (np.concatenate(c) for c in zip(none, *self._parts, strict=True))
        order = np.lexsort((time, customer))
        customer, time, volume = customer[order], time[order], volume[order]
        new = np.ones(len(time), np.bool_)
        new[1:] = (customer[1:] != customer[:-1]) | (time[1:] != time[:-1])
        volume = np.add.reduceat(volume, np.flatnonzero(new)) if len(volume) else volume
        customer, time = customer[new], time[new]
        end = np.full(len(self._codes), (self._latest // DAY_MS + 1) * DAY_MS - 1)
        last = np.zeros(len(self._codes), np.int64)
        np.maximum.at(last, customer, time)
        for code, at in self._unobserved.items():
            if at >= last[code]:  # nobody was seen again
                end[code] = at
        own = self._policy.horizon_ms
        horizons = self._horizons(customer, time)
        return History(list(self._codes), customer, time, volume, end, own, horizons)

    def _horizons(self, customer: Ints, time: Ints) -> Ints:
        """Give the horizon in force at each activity."""
        if not self._policy.horizons:
            return np.full(len(time), self._policy.horizon_ms)
        moves = self._moves.moves(self._codes)
        of = np.array([self._policy.horizon_of(name) for name in moves.names])
        return of[moves.segments_of(customer, time)]
