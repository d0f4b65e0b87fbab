"""Usage events as the detector sees them, whatever they looked like on the wire.

Every time is an integer: milliseconds since 1970-01-01 UTC.  Integers compare,
sort and add the same on every machine, so the same log gives the same alerts.
"""

from collections.abc import Mapping

import msgspec

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

EARLIEST_MS = 631_152_000_000
"""1990-01-01: an event from before it carries a broken clock, not a memory."""

INTERNAL = "\0"
"""Begins the name of what is no use, but said among events in its time: see `identity`.
From outside nothing of this name comes, for no text there may hold a null character."""


class UsageEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Something one customer did, once.

    `occurred_at` is the customer's clock, `received_at` the broker's (or, for a
    file, the moment the replay began): the first makes state, the second only
    unmasks clocks that run ahead.
    """

    customer_id: str
    name: str
    occurred_at: int
    received_at: int
    message_id: str = ""
    """Identifies the event among its customer's; empty if the sender gave none."""
    volume: float = 1.0
    """How much use it stands for: 1, the count of an aggregated row, or 0 for what happened
    without the customer being there: it may warn or end, and is no engagement."""
    account_id: str = ""
    traits: Mapping[str, str | int | float | bool | None] | None = None
    """What it says of who the customer is; None under a name: no longer so."""
