"""Runs: of the events of a large batch, those that only make a waiting visit grow, together.

A replay's batch holds whole visits.  Where a customer's events follow each other within
a visit gap and say of nothing but use, all but the first come to one sum.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import reduce
from heapq import heappop
from itertools import count, repeat
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import EventBatch
from stream.detector.customer import Customer
from stream.detector.duplicates import MARK_BYTES, are_new_marks, repeated

RUNS_MIN = 128
"""Events among which it is worth looking for runs."""


class Run(NamedTuple):
    """Events of one customer, each no earlier than the one before, and within a visit gap of it."""

    others: list[int]
    """The numbers of all but the first, in their order."""
    end: int
    """Time of the last one (ms)."""
    volumes: list[float]
    kinds: int
    marks: bytes
    """Of their message ids, all different; empty where they have none."""

    def grow(self, customer: Customer) -> bool:
        """Add all to the visit that waits, which the first of them would make grow.

        False: one of them has come before, and nothing is added.
        """
        if not are_new_marks(customer, self.marks):
            return False
        visit = customer.waiting[-1]
        visit.end = max(visit.end, self.end)
        visit.volume = reduce(add, self.volumes, visit.volume)  # each in turn, as they would be
        visit.kinds |= self.kinds
        return True


def find(
    batch: EventBatch,
    places: list[int],
    marks: NDArray[np.uint32],
    kind_bits: Mapping[str, int],
    gap: int,
) -> tuple[list[int], dict[int, Run]]:
    """Give which of the events at `places` to begin with, in order, and the runs among them.

    Events are given by their number among `places`; a run is found by its first one's.  What
    comes before a run among its customer's events is no part of it: it says what the visit
    is that the run makes grow.
    """
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    ids = map(batch.customer_ids.__getitem__, places)
    who = np.fromiter(map(numbers.__getitem__, ids), np.int64, len(places))
    order = np.argsort(who, kind="stable")
    where = np.array(places)[order]
    batch, marks, who = batch.taken(where), marks[where], who[order]
    kinds = np.fromiter(map(kind_bits.get, batch.names, repeat(0)), np.int64, len(batch))
    joins = _joins(batch, who, marks, gap) & (kinds != 0)
    begins = np.flatnonzero(joins & ~np.append(False, joins[:-1]))
    if not len(begins):
        return list(range(len(batch))), {}
    ends = np.flatnonzero(joins & ~np.append(joins[1:], False)) + 1
    columns = (
        begins.tolist(),
        ends.tolist(),
        batch.occurred_at[ends - 1].tolist(),
        # From each begin to the next: what lies between two runs is of no kind here.
        np.bitwise_or.reduceat(np.where(joins, kinds, 0), begins).tolist(),
        (marks[begins] != 0).tolist(),
    )
    numbered, volumes = order.tolist(), batch.volumes.tolist()
    packed = marks.astype(">u4").tobytes()
    runs = {
        numbered[begin]: Run(
            numbered[begin + 1 : end],
            last,
            volumes[begin:end],
            kinds_of,
            packed[begin * MARK_BYTES : end * MARK_BYTES] if named else b"",
        )
        for begin, end, last, kinds_of, named in zip(*columns, strict=True)
    }
    joins[begins] = False
    return np.sort(order[~joins]).tolist(), runs


def _joins(
    batch: EventBatch, who: NDArray[np.int64], marks: NDArray[np.uint32], gap: int
) -> NDArray[np.bool_]:
    """Tell which events, ordered by customer, may be of one run with the one before.

    That a name is one of engagement is left to the caller.
    """
    at, named = batch.occurred_at, marks != 0
    accounts = np.fromiter(map(hash, batch.account_ids), np.int64, len(batch))
    joins: NDArray[np.bool_] = (batch.volumes != 0) & ~(repeated(who, marks) & named)
    if batch.traits is not None:
        joins &= ~np.fromiter(map(bool, batch.traits), np.bool_, len(batch))
    if not named.all():
        joins &= named | ~np.fromiter(map(bool, batch.message_ids), np.bool_, len(batch))
    passed = at[1:] - at[:-1]
    joins[0] = False
    joins[1:] &= (who[1:] == who[:-1]) & (passed >= 0) & (passed < gap)
    joins[1:] &= (accounts[1:] == accounts[:-1]) & (named[1:] == named[:-1])
    return joins


def in_order(left: list[int]) -> Iterator[int]:
    """Yield the least of what is left, until nothing is; more may be pushed on meanwhile."""
    while left:
        yield heappop(left)
