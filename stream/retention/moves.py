"""Moves: which segment each customer was in when, by the traits told up to then."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import Traits
from stream.detector.policy import Policy
from stream.detector.segments import Value, merge_traits, segment_of

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moves:
    """Every change of a segment, in order of time; times in ms since 1970 UTC."""

    names: tuple[str, ...]
    """The segments, in the policy's order, and "" for who is in none."""
    start: int
    """The place in `names` of a customer of whom no trait was told."""
    customer: Ints
    """Shape (n,), numbered as in `Spans`."""
    at: Ints
    into: Ints
    """Place in `names`."""

    def segments_of(self, customer: Ints, at: Ints) -> Ints:
        """Give the segments of customers, each at a moment (ms) of its own; places in `names`."""
        order = np.lexsort((self.at, self.customer))
        known, since = self.customer[order], self.at[order]
        found = np.full(len(customer), self.start)
        for place, (who, moment) in enumerate(zip(customer.tolist(), at.tolist(), strict=True)):
            begin, end = np.searchsorted(known, [who, who + 1])
            count = int(np.searchsorted(since[begin:end], moment))
            if count:
                found[place] = self.into[order][begin + count - 1]
        return found

    def segment_at(self, moment: int, customers: int) -> Ints:
        """Give each customer's segment at a moment (ms), as places in `names`."""
        segments = np.full(customers, self.start)
        count = int(np.searchsorted(self.at, moment, side="right"))
        segments[self.customer[:count]] = self.into[:count]
        return segments


class MoveRecorder:
    """Takes what is told of customers, in order of time."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nobody told of."""
        self._segments = policy.segments
        self._asked = policy.traits_of_customers
        self._names = (*(segment.name for segment in policy.segments), "")
        self._traits: dict[str, dict[str, Value]] = {}
        self._moves: list[tuple[str, int, int]] = []

    def take(self, customer_id: str, at: int, told: Traits) -> str:
        """Take the traits told of a customer at a moment (ms); name the segment that it is in."""
        known = self._traits.setdefault(customer_id, {})
        merge_traits(known, {name: told[name] for name in self._asked & told.keys()})
        place = self._place(known)
        self._moves.append((customer_id, at, place))
        return self._names[place]

    def moves(self, codes: dict[str, int]) -> Moves:
        """Give the moves of the customers numbered in `codes`."""
        rows = [(codes[who], at, into) for who, at, into in self._moves if who in codes]
        table = np.array(rows, np.int64).reshape(-1, 3)
        start = self._place({})
        return Moves(self._names, start, table[:, 0], table[:, 1], table[:, 2])

    def _place(self, traits: dict[str, Value]) -> int:
        return self._names.index(segment_of(self._segments, traits).name)
