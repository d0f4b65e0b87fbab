"""When to try again: Standard Webhooks' schedule over three days, and what an answer asks for."""

from email.utils import parsedate_to_datetime

from stream.wire.times import milliseconds

SECOND_MS = 1_000
DELAYS_SECONDS = (
    5,
    5 * 60,
    30 * 60,
    2 * 3_600,
    5 * 3_600,
    10 * 3_600,
    14 * 3_600,
    20 * 3_600,
    24 * 3_600,
)
"""Between one attempt and the next; ten attempts in 75 hours and 35 minutes."""
JITTER_MAX = 0.2
"""What is added at most, as a share: those who failed together do not come back together."""
FAILURES_MIN = 3
ALL_OF_IT_MS = round(sum(DELAYS_SECONDS) * SECOND_MS * (1 + JITTER_MAX))
"""The schedule at its longest."""
ASKED_SECONDS_MAX = 24 * 3_600
"""More than a day is not waited, whatever the answer asks for."""


def next_delay_ms(failures: int, published_ms: int, chance: float) -> int | None:
    """Return the wait (ms) after so many failures, None after the last; `chance` is 0 to 1.

    Failures before a restart are not counted: an alert that was published longer ago
    (`published_ms`) than the whole schedule takes is given three attempts.
    """
    if failures > len(DELAYS_SECONDS):
        return None
    if failures >= FAILURES_MIN and published_ms > ALL_OF_IT_MS:
        return None
    return round(DELAYS_SECONDS[failures - 1] * SECOND_MS * (1 + JITTER_MAX * chance))


def asked_ms(retry_after: str | None, now_ms: int) -> int:
    """Return the wait (ms) that a Retry-After header asks for: seconds or a date; 0: none."""
    if not retry_after:
        return 0
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        asked = int(text[:10]) * SECOND_MS
    else:
        try:
            asked = milliseconds(parsedate_to_datetime(text)) - now_ms
        except ValueError:
            return 0
    return max(0, min(asked, ASKED_SECONDS_MAX * SECOND_MS))
