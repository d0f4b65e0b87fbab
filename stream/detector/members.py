"""Members: what an account is told of its customers, a line a visit and not one an event.

For a product that is sold to organisations, one member's silence is not the
account's.  Members of an account live in different partitions, so what they do
travels: as little as the account has to know.  A visit is told when it is
decided that it began, a member once more when it leaves, and what the account itself is
like with each message that says so.  How much a visit
holds is not known by then, and need not be: accounts count days of use.
"""

from enum import IntEnum
from typing import NamedTuple


class Tidings(IntEnum):
    """What is told; of one moment in this order."""

    VISIT = 0
    """A visit of a member began."""
    LEFT = 1
    """The policy's ending event."""
    UNOBSERVED = 2
    """From here on nobody watches this member: its silence says nothing."""
    SUSPENDED = 3
    """Of everybody, by the guard: from here on silence says nothing."""
    RESUMED = 4
    """Of everybody: use is back since then."""
    ERASED = 5
    """A member asked to be forgotten."""
    TRAITS = 6
    """What the account itself is like, as a `group` message of this member says."""


class MemberNews(NamedTuple):
    """One thing told; in the order of (time, account, member), which no batch changes."""

    at: int
    """Event time (ms since 1970 UTC)."""
    account_id: str
    """Empty: it is about everybody."""
    customer_id: str
    what: Tidings
    since: int = 0
    """Of what is resumed: since when (ms) it was suspended."""
    traits: str = ""
    """Of traits: those told, as JSON in the order of their names."""
