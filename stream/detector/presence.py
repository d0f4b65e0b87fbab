"""Presence: the customers who are here, in columns.

Most events are one more of a visit that is under way, and change five numbers of
their customer.  As objects these lie all over the memory, and fetching them
takes longer than the arithmetic.  Here the five numbers of everybody who is
here stand side by side, and a batch of events is added to them at once.

A customer's columns are ahead of its `Customer` until they are written back.
"""

from collections.abc import Iterator, Mapping
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import EventBatch
from stream.detector.cadence import Rhythm
from stream.detector.customer import Customer
from stream.detector.decline import Levels
from stream.detector.duplicates import MARK_BYTES, REMEMBERED

_NOBODY = 0
"""The slot of who is not here: no moment is within its visit."""
_NEVER = np.iinfo(np.int64).max
_NONE = ("", Customer(rhythm=Rhythm(), levels=Levels()))
_SLOTS_AT_FIRST = 256
_MARKS = np.arange(REMEMBERED)


class Presence:
    """What the visits under way have come to, a slot for each."""

    def __init__(self, visit_gap_ms: int) -> None:
        """Start with nobody here."""
        self._gap = visit_gap_ms
        self._slots: dict[str, int] = {}
        self._who: list[tuple[str, Customer]] = [_NONE]
        self._free: list[int] = []
        self._earliest = np.full(1, _NEVER)  # an event after it and
        self._last_at = np.zeros(1, np.int64)  # within a gap of this is of the visit
        self._volume = np.zeros(1)
        self._kinds = np.zeros(1, np.int64)
        self._account = np.zeros(1, np.int64)  # its hash
        self._marks = np.zeros((REMEMBERED, 1), np.uint32)  # of message ids: a ring
        self._remembered = np.zeros(1, np.int64)  # ids so far: the next one's place in the ring
        self._changed = np.zeros(1, np.bool_)  # since it was last written back
        self._singly = np.zeros(1, np.bool_)  # a scratch column
        self._grow(_SLOTS_AT_FIRST)

    def __contains__(self, customer_id: str) -> bool:
        """Tell whether a customer has a slot."""
        return customer_id in self._slots

    def __len__(self) -> int:
        """Count who is here."""
        return len(self._slots)

    @property
    def changed(self) -> int:
        """Count who has changed since they were last written back."""
        return int(np.count_nonzero(self._changed))

    # ------------------------------------------------------------ coming and going

    def enter(self, customer_id: str, customer: Customer) -> None:
        """Give a customer a slot, if a visit is under way and none waits behind it."""
        if customer.waiting or not customer.visit_open:
            return
        if not self._free:
            self._grow(2 * len(self._who))
        slot = self._slots[customer_id] = self._free.pop()
        self._who[slot] = customer_id, customer
        self._earliest[slot] = customer.visit_at - self._gap
        self._last_at[slot] = customer.last_at
        self._volume[slot] = customer.visit_volume
        self._kinds[slot] = customer.visit_kinds
        self._account[slot] = hash(customer.account_id)
        marks = np.frombuffer(customer.recent_ids, ">u4")
        self._remembered[slot] = len(marks)
        self._marks[:, slot] = 0
        self._marks[: len(marks), slot] = marks
        self._changed[slot] = False

    def leave(self, customer_id: str) -> None:
        """Bring a customer up to date, as `write_back` does with many, and free the slot."""
        slot = self._slots.pop(customer_id)
        if self._changed[slot]:
            self._changed[slot] = False
            customer = self._who[slot][1]
            customer.last_at = int(self._last_at[slot])
            customer.visit_volume = float(self._volume[slot])
            customer.visit_kinds = int(self._kinds[slot])
            ring, ids = self._marks[:, slot].astype(">u4").tobytes(), int(self._remembered[slot])
            oldest = ids % REMEMBERED * MARK_BYTES
            full = ids >= REMEMBERED
            customer.recent_ids = ring[oldest:] + ring[:oldest] if full else ring[:oldest]
        self._who[slot] = _NONE
        self._earliest[slot] = _NEVER
        self._free.append(slot)

    def _grow(self, slots: int) -> None:
        more = slots - len(self._who)
        self._free += range(slots - 1, len(self._who) - 1, -1)
        self._who += [_NONE] * more
        self._earliest = np.append(self._earliest, np.full(more, _NEVER))
        for name in (
            *("_last_at", "_volume", "_kinds", "_account", "_marks", "_remembered"),
            *("_changed", "_singly"),
        ):
            column = getattr(self, name)
            new = np.zeros((*column.shape[:-1], more), column.dtype)
            setattr(self, name, np.concatenate([column, new], axis=-1))

    # ------------------------------------------------------------ events

    def add(
        self, batch: EventBatch, marks: NDArray[np.uint32], kind_bits: Mapping[str, int]
    ) -> list[int]:
        """Add what is one more of a visit under way; give the places of all other events.

        `marks` are those of the message ids, `kind_bits` those of the names of engagement.
        All events of a customer are added, or none: those left are in their order.
        """
        count = len(batch)
        ids = map(self._slots.get, batch.customer_ids, repeat(_NOBODY))
        slots = np.fromiter(ids, np.int64, count)
        kinds = np.fromiter(map(kind_bits.get, batch.names, repeat(0)), np.int64, count)
        accounts = np.fromiter(map(hash, batch.account_ids), np.int64, count)
        moments, volumes = batch.occurred_at, batch.volumes

        other = (moments <= self._earliest[slots]) | (moments >= self._last_at[slots] + self._gap)
        other |= (kinds == 0) | (volumes == 0)
        if batch.traits is not None:
            other |= np.fromiter(map(bool, batch.traits), np.bool_, count)
        other |= (accounts != self._account[slots]) & (accounts != hash(""))
        named = marks != 0
        if not named.all():
            other |= [
                not mark and bool(message_id)
                for mark, message_id in zip(marks, batch.message_ids, strict=True)
            ]
        other |= (self._marks[:, slots] == marks).any(axis=0) & named
        other |= _repeated(slots, marks) & named
        if other.any():
            strange = slots[other]
            self._singly[strange] = True
            other = self._singly[slots]
            self._singly[strange] = False
            added = ~other
            slots, moments, volumes = slots[added], moments[added], volumes[added]
            kinds, marks, named = kinds[added], marks[added], named[added]
        np.add.at(self._volume, slots, volumes)
        np.bitwise_or.at(self._kinds, slots, kinds)
        np.maximum.at(self._last_at, slots, moments)
        self._changed[slots] = True
        self._remember(slots[named], marks[named])
        return np.flatnonzero(other).tolist()

    def _remember(self, slots: NDArray[np.int64], marks: NDArray[np.uint32]) -> None:
        """Put marks into the rings, in their order."""
        order = np.argsort(slots, kind="stable")
        slots = slots[order]
        places = np.arange(len(slots))
        begins = np.ones(len(slots), np.bool_)
        begins[1:] = slots[1:] != slots[:-1]
        nth = places - np.maximum.accumulate(np.where(begins, places, 0))
        self._marks[(self._remembered[slots] + nth) % REMEMBERED, slots] = marks[order]
        np.add.at(self._remembered, slots, 1)

    # ------------------------------------------------------------ writing back

    def last_at(self, customer_id: str) -> int | None:
        """Give the time of the last event of a customer's visit; None: has no slot."""
        slot = self._slots.get(customer_id)
        return None if slot is None else int(self._last_at[slot])

    def write_back(self) -> Iterator[tuple[str, Customer]]:
        """Bring everybody up to date; yield who has changed."""
        slots = np.flatnonzero(self._changed)
        self._changed[slots] = False
        remembered = self._remembered[slots]
        oldest = np.where(remembered > REMEMBERED, remembered % REMEMBERED, 0)
        rings = self._marks[(oldest[:, None] + _MARKS) % REMEMBERED, slots[:, None]]
        marks = rings.astype(">u4").tobytes()
        columns = (
            slots.tolist(),
            self._last_at[slots].tolist(),
            self._volume[slots].tolist(),
            self._kinds[slots].tolist(),
            range(0, len(marks), REMEMBERED * MARK_BYTES),
            (np.minimum(remembered, REMEMBERED) * MARK_BYTES).tolist(),
        )
        for slot, last_at, volume, kinds, begin, length in zip(*columns, strict=True):
            customer_id, customer = self._who[slot]
            customer.last_at = last_at
            customer.visit_volume = volume
            customer.visit_kinds = kinds
            customer.recent_ids = marks[begin : begin + length]
            yield customer_id, customer


def _repeated(slots: NDArray[np.int64], marks: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Tell which events have the customer and the mark of another one among them."""
    keys = slots << 32 | marks
    ordered = np.sort(keys)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(keys, twice) if len(twice) else np.zeros(len(keys), np.bool_)
