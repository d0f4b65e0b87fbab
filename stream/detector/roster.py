"""Roster: the customers of one partition, most of them asleep.

At any moment few customers are here; the others lie between visits for days.
A customer who is awake is an object of a kilobyte; asleep, it is the row that
was last saved, of a few hundred bytes, and one number can be read from it
without waking it: when it is next due.
"""

from collections.abc import Iterator
from typing import Protocol

from stream.detector.customer import Customer


class Codec(Protocol):
    """How a customer is written; lossless, since nobody may decide otherwise for having slept."""

    def encode(self, customer: Customer) -> bytes:
        """Write a customer."""
        ...

    def decode(self, row: bytes) -> Customer:
        """Read what `encode` wrote."""
        ...

    def due(self, row: bytes) -> int | None:
        """Read only `Customer.due`; None where the row is too old to say."""
        ...


class Roster:
    """Customers by id; finding one that sleeps wakes it."""

    __slots__ = ("_codec", "entries", "touched")

    def __init__(self, codec: Codec | None = None) -> None:
        """Begin empty; without a codec nobody ever sleeps."""
        self._codec = codec
        self.entries: dict[str, Customer | bytes] = {}
        self.touched: list[str] = []
        """Who is not as last saved."""

    def __len__(self) -> int:
        """Count the customers."""
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids."""
        return iter(self.entries)

    def __getitem__(self, customer_id: str) -> Customer:
        """Give a customer, awake from now on until it is saved again."""
        entry = self.entries[customer_id]
        if isinstance(entry, Customer):
            return entry
        assert self._codec is not None
        customer = self.entries[customer_id] = self._codec.decode(entry)
        self.touch(customer_id, customer)
        return customer

    def touch(self, customer_id: str, customer: Customer) -> None:
        """Note that a customer is to be saved; once only, as `Customer.touched` tells."""
        customer.touched = True
        self.touched.append(customer_id)

    def look(self, customer_id: str) -> Customer:
        """Give a customer without waking it: for reading only."""
        entry = self.entries[customer_id]
        if isinstance(entry, Customer):
            return entry
        assert self._codec is not None
        return self._codec.decode(entry)

    def due(self, customer_id: str) -> int | None:
        """Say when a customer is due, as `Customer.due` does; None: its row is too old to say.

        Who was forgotten never is.
        """
        entry = self.entries.get(customer_id)
        if entry is None:
            return 0
        if isinstance(entry, Customer):
            return entry.due
        assert self._codec is not None
        return self._codec.due(entry)

    def load(self, customer_id: str, row: bytes | None) -> None:
        """Take a row as it was saved; None: there is no such customer any more."""
        if row is None:
            self.entries.pop(customer_id, None)
        else:
            self.entries[customer_id] = row

    def forget(self, customer_id: str) -> None:
        """Drop a customer of whom nothing is to be remembered; its row is to go, too."""
        del self.entries[customer_id]
        self.touched.append(customer_id)

    def erase(self, customer_id: str) -> None:
        """Forget a customer, if there is one; that its row is to go, is for others to say."""
        self.entries.pop(customer_id, None)

    def rest(self, customer_id: str) -> None:
        """Let a touched customer sleep until it is saved, if anybody saves."""
        if self._codec is not None:
            customer = self[customer_id]
            customer.touched = False
            self.entries[customer_id] = self._codec.encode(customer)

    def save(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield the row of everybody touched, None of who was forgotten.

        Who is not here goes to sleep with it.
        """
        assert self._codec is not None
        encode, entries = self._codec.encode, self.entries
        touched, self.touched = self.touched, []
        for customer_id in touched:
            customer = entries.get(customer_id)
            if customer is None or isinstance(customer, bytes):  # is no more, or was let rest
                yield customer_id, customer
                continue
            customer.touched = False
            row = encode(customer)
            if not (customer.visit_open or customer.waiting or customer.signals):
                entries[customer_id] = row
            yield customer_id, row
