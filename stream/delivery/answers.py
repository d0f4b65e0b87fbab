"""What an endpoint answered, and what that means."""

from enum import Enum, auto

import msgspec

GONE = 410
TOO_MANY = 429
BUSY = 503
SERVER_FAULTS = 500


class Meaning(Enum):
    """What to do about an answer."""

    DELIVERED = auto()
    GONE = auto()
    """Nothing is wanted there any more: the endpoint is disabled."""
    LATER = auto()
    """The endpoint cannot: whatever else is sent to it now will fail alike."""
    REFUSED = auto()
    """This one was not taken; others may be."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to one attempt."""

    status: int
    """Of HTTP; 0: there was no answer."""
    reason: str = ""
    """Why there was none."""
    retry_after: str | None = None
    """The header, as it came."""

    def __str__(self) -> str:
        """Say it in a line of a log."""
        return f"status {self.status}" if self.status else self.reason


def meaning(answer: Answer) -> Meaning:
    """Say what an answer means: only 2xx is a success, and redirects are not followed."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - as HTTP says
        return Meaning.DELIVERED
    if answer.status == GONE:
        return Meaning.GONE
    if answer.status in {0, TOO_MANY} or answer.status >= SERVER_FAULTS:
        return Meaning.LATER
    return Meaning.REFUSED
