"""Life: what is known of one customer beside its use, and what follows from it.

Its traits, whether it has got going, whom it waits for, when it was last spoken to.
Kept only where the policy asks for any of it.
"""

from enum import StrEnum
from typing import Final

import msgspec

from stream.detector.events import DAY_MS
from stream.detector.segments import OpenTicket, Segment, Value

TICKETS_MAX: Final = 8  # more that are open at once say nothing new
TICKET_LASTS_MS: Final = 30 * DAY_MS
"""A ticket nobody closed for so long was closed elsewhere: it must not silence alerts for ever."""


class Phase(StrEnum):
    """Where a customer is on its way."""

    ONBOARDING = "onboarding"
    """Not activated yet; only where the segment gives a time for it."""
    ACTIVE = "active"
    PAUSED = "paused"
    DORMANT = "dormant"
    """Silent for the horizon."""
    LEFT = "left"
    """Said so."""


class Withheld(StrEnum):
    """Why an episode that was due did not open."""

    TICKET = "ticket"
    CONTACTED = "contacted"


class Life(msgspec.Struct, array_like=True, gc=False):
    """One customer's life cycle; times in ms since 1970 UTC, 0: never."""

    traits: dict[str, Value] = msgspec.field(default_factory=dict)
    """Those the policy asks for."""
    traits_at: int = 0
    """When they were last told."""
    activated_at: int = 0
    tickets: list[int] = msgspec.field(default_factory=list)
    """When those that are open were opened."""
    contacted_at: int = 0
    paused: bool = False
    """By its own wish; over with its next visit."""


NOBODY_SPECIAL: Final = Life()
"""Of a customer of whom nothing was told; not to be written to."""


def open_tickets(life: Life, at: int) -> list[int]:
    """Give when the tickets open at a moment (ms) were opened, oldest first."""
    return [opened for opened in life.tickets if opened <= at < opened + TICKET_LASTS_MS]


def withheld(life: Life, segment: Segment, at: int) -> Withheld | None:
    """Say why no episode may open at a moment (ms); None: it may."""
    if segment.ticket is OpenTicket.SUPPRESS and open_tickets(life, at):
        return Withheld.TICKET
    if life.contacted_at and at - life.contacted_at < segment.contact_rest_ms:
        return Withheld.CONTACTED
    return None
