"""Findings: where erased customers were found, and what is left of them, and until when."""

import msgspec

VERSION = 1
"""Of this format."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One topic, read from its beginning for one customer."""

    topic: str
    records: int
    """Under the customer's key, with a value, before it was erased."""
    erased: bool
    """Readers of committed records see the tombstone."""
    gone_by: str | None
    """When the records are deleted, at the latest (ISO 8601); None: nobody has set a time."""


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """One customer, in all topics that speak of it by name."""

    customer_id: str
    places: list[Place]
    goes_by: str = ""
    """The id that an alias had moved the customer's state to, as far as anybody looked; empty: none
    had.  An erasure does not follow it: whose device it was, an alias does not know for sure."""

    @property
    def erased(self) -> bool:
        """Whether every reader is told."""
        return bool(self.places) and all(place.erased for place in self.places)


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What no tombstone reaches."""

    where: str
    """A topic, or what is no topic of ours."""
    what: str
    gone_by: str | None
    """As in `Place`; None: it is not for us to delete, or never deleted."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    version: int = VERSION
    requested_at: str
    waited: bool
    """The topics were read; otherwise nobody looked."""
    customers: list[Customer]
    remains: list[Remains]

    @property
    def complete(self) -> bool:
        """Whether all of them are erased, as far as anybody looked."""
        return not self.waited or all(customer.erased for customer in self.customers)

    @property
    def unnamed(self) -> list[str]:
        """The ids that customers go by now, and that nobody asked for."""
        named = {customer.customer_id for customer in self.customers}
        found = dict.fromkeys(customer.goes_by for customer in self.customers)
        return [one for one in found if one and one not in named]


def encode(findings: Findings) -> str:
    """Write them as JSON."""
    return msgspec.json.format(msgspec.json.encode(findings)).decode()
