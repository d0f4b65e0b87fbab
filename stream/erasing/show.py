"""Show: what became of an erasure, for people; ids are shown so that none can move the cursor."""

from collections.abc import Iterator

from stream.erasing.findings import Customer, Findings, Place, Remains
from stream.wire.fields import shown


def lines(findings: Findings) -> Iterator[str]:
    """Give what is said, line by line."""
    if findings.waited:
        for customer in findings.customers:
            yield from _customer(customer)
    else:
        count = len(findings.customers)
        yield f"Asked for {count:,} customer{'s' * (count != 1)}; nobody has looked (--no-wait)."
    yield "What no tombstone reaches:"
    for remains in findings.remains:
        yield f"  {remains.where}: {remains.what}{_until(remains)}"


def _customer(customer: Customer) -> Iterator[str]:
    yield f"{shown(customer.customer_id)}: {'erased' if customer.erased else 'NOT ERASED YET'}"
    if customer.goes_by:
        yield f"  its state had gone to {shown(customer.goes_by)}, by an alias"
    for place in customer.places:
        yield f"  {place.topic}: {_place(place)}"


def _place(place: Place) -> str:
    if not place.erased:
        return f"{_count(place.records)}, and no tombstone yet"
    if not place.records:
        return "nothing was there; the tombstone is"
    by = f"; deleted by {place.gone_by[:10]} at the latest" if place.gone_by else ""
    return f"{_count(place.records)}, and the tombstone behind{by}"


def _count(records: int) -> str:
    return f"{records:,} record{'s' * (records != 1)}" if records else "no record"


def _until(remains: Remains) -> str:
    return f", until {remains.gone_by[:10]} at the latest" if remains.gone_by else ""
