"""Spans: from when to when somebody was a customer, as far as a log tells.

A customer is whoever has been active and has neither been silent for the
horizon (its segment's, if that has one) since nor said that it left.  What it still
does in the visit in which it says so is no return.  So whether somebody is one at a moment
hangs on what came before it alone: the figures of a month never change later.
"""

from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import EventBatch
from stream.detector.calendar import LocalTime, local_time
from stream.detector.policy import EventClass, Policy
from stream.detector.segments import segment_of
from stream.detector.stays import Close
from stream.retention.moves import MoveRecorder, Moves

Ints = NDArray[np.int64]

OPEN = np.iinfo(np.int64).max
"""The end of a span that has none yet."""


@dataclass(frozen=True, eq=False)
class Spans:
    """Every span of every customer, by customer and then by time; times in ms since 1970 UTC."""

    customer: Ints
    """A number for each customer, from 0 on, shape (n,)."""
    begin: Ints
    """The span's first activity."""
    end: Ints
    """The first moment after it; OPEN if it goes on."""
    close: Ints
    """A `Close`."""
    until: int
    """Up to when the log tells: its last event."""
    moves: Moves
    """Which segment each customer was in when."""
    local: LocalTime
    """By whose days they are counted."""
    horizons: dict[str, int]
    """By segment, those (ms) that are not the policy's."""

    @property
    def first(self) -> int:
        """Give the first activity of all; `until` if there is none."""
        return int(self.begin.min(initial=self.until))

    @property
    def customers(self) -> int:
        """Count the customers."""
        return int(self.customer.max(initial=-1)) + 1


class Recorder:
    """Takes a log's events in order of time, and makes spans of them."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing; `policy` says what is use, what ends it, and the horizon."""
        self._policy = policy
        self._classes: dict[str, EventClass] = {}
        self._codes: dict[str, int] = {}
        self._open: dict[int, list[int]] = {}
        """Customer -> begin and last activity of the span it is in."""
        self._closed: list[tuple[int, int, int, int]] = []
        self._parting: dict[int, int] = {}
        """Customer who is in none -> last activity of the visit in which it left."""
        self._until = 0
        self._moves = MoveRecorder(policy)
        self._horizons = policy.horizons
        self._horizon_of: dict[str, int] = {}
        """Customer -> its horizon (ms), where traits were told."""
        self._first_horizon = policy.horizon_of(segment_of(policy.segments, {}).name)
        self._moved: dict[str, tuple[int, int]] = {}
        """Customer -> the moment (ms) of a change of its horizon, to this one, that is not yet in
        force: what it does at that moment comes before."""

    def take(self, batch: EventBatch) -> None:
        """Take events that follow the earlier ones in time."""
        classes = self._classes
        for name in set(batch.names) - classes.keys():
            classes[name] = self._policy.classify(name)
        times = batch.occurred_at.tolist()
        traits = batch.traits or repeat(None)
        columns = zip(batch.customer_ids, batch.names, times, batch.volumes.tolist(), strict=True)
        for (customer_id, name, at, volume), told in zip(columns, traits, strict=False):
            kind = classes[name]
            if kind.engages:
                if volume:
                    self._use(customer_id, at)
            elif kind is EventClass.ENDING:
                self._leave(customer_id, at, Close.ENDED)
            elif kind in (EventClass.UNOBSERVED, EventClass.PAUSED):
                self._leave(customer_id, at, Close.UNOBSERVED)
            if told:
                self._move(customer_id, at, self._moves.take(customer_id, at, told))
        self._until = max(self._until, times[-1] if times else 0)

    def spans(self) -> Spans:
        """Give what was taken."""
        until, ids = self._until, list(self._codes)
        for customer_id in list(self._moved):
            self._horizon(customer_id, until + 1)
        rows = list(self._closed)
        for code, (begin, last) in self._open.items():
            horizon = self._horizon(ids[code], until)
            if until - last >= horizon:
                rows.append((code, begin, last + horizon, Close.LAPSED))
            else:
                rows.append((code, begin, OPEN, Close.NOT))
        table = np.array(sorted(rows), np.int64).reshape(-1, 4)
        return Spans(
            table[:, 0],
            table[:, 1],
            table[:, 2],
            table[:, 3],
            until,
            self._moves.moves(self._codes),
            local_time(self._policy.calendar),
            self._horizons,
        )

    def _use(self, customer_id: str, at: int) -> None:
        """Let a customer be active."""
        horizon = self._horizon(customer_id, at)
        code = self._codes.setdefault(customer_id, len(self._codes))
        span = self._open.get(code)
        if span is None and self._still_parting(code, at):
            return
        if span is not None and at - span[1] >= horizon:
            self._close(code, span[1] + horizon, Close.LAPSED)
            span = None
        if span is None:
            self._open[code] = [at, at]
        else:
            span[1] = at

    def _leave(self, customer_id: str, at: int, close: Close) -> None:
        """End the span that a customer is in, if it is in one."""
        horizon, code = self._horizon(customer_id, at), self._codes.get(customer_id)
        span = None if code is None else self._open.get(code)
        if code is None or span is None:
            return
        if at - span[1] >= horizon:
            at, close = span[1] + horizon, Close.LAPSED
        else:
            self._parting[code] = span[1]
        self._close(code, at, close)

    def _move(self, customer_id: str, at: int, segment: str) -> None:
        """Note a customer's segment from a moment (ms) on."""
        if self._horizons:
            self._horizon(customer_id, at)
            self._moved[customer_id] = at, self._policy.horizon_of(segment)

    def _horizon(self, customer_id: str, at: int) -> int:
        """Give the horizon (ms) that a customer has had until a moment (ms).

        A span that was over when that changed is; one too long by the new one was from then on.
        """
        before = self._horizon_of.get(customer_id, self._first_horizon)
        changed_at, after = self._moved.get(customer_id, (at, before))
        if changed_at >= at:
            return before
        del self._moved[customer_id]
        self._horizon_of[customer_id] = after
        code = self._codes.get(customer_id)
        span = None if code is None else self._open.get(code)
        if code is not None and span is not None and after != before:
            end = min(span[1] + before, max(span[1] + after, changed_at))
            if end <= changed_at:
                self._close(code, end, Close.LAPSED)
        return after

    def _still_parting(self, code: int, at: int) -> bool:
        """Tell whether activity at a moment (ms) is of the visit in which a customer left."""
        last = self._parting.get(code)
        if last is None:
            return False
        if at - last < self._policy.visit_gap_ms:
            self._parting[code] = at
            return True
        del self._parting[code]
        return False

    def _close(self, code: int, end: int, close: Close) -> None:
        """End the span that a customer is in."""
        begin, _ = self._open.pop(code)
        self._closed.append((code, begin, end, close))
