"""Pace: how hard an endpoint is tried, from how it has answered.

One that fails for one alert after another is down.  Then a single attempt at a time
finds out whether it is back, after ever longer pauses, and the rest waits: whoever
has trouble gets less work, not a thousand retries.
"""

from dataclasses import dataclass

from stream.delivery.schedule import JITTER_MAX, SECOND_MS

FAILURES_DOWN = 3
PAUSE_FIRST_MS = 5 * SECOND_MS
PAUSE_MAX_MS = 300 * SECOND_MS


@dataclass(slots=True, kw_only=True)
class Pace:
    """The pace of one endpoint; times in ms since 1970 UTC."""

    at_once: int
    """How many attempts may be under way while all is well."""
    failures: int = 0
    """In a row."""
    quiet_until: int = 0

    @property
    def down(self) -> bool:
        """Whether the endpoint takes nothing."""
        return self.failures >= FAILURES_DOWN

    def room(self, now: int, under_way: int) -> int:
        """Say how many more attempts may begin now."""
        if now < self.quiet_until:
            return 0
        return max(0, (1 if self.down else self.at_once) - under_way)

    def took(self) -> bool:
        """Hear of an answer that shows that it works; say whether it was down."""
        was_down = self.down
        self.failures = 0
        self.quiet_until = 0
        return was_down

    def failed(self, now: int, asked_ms: int, chance: float) -> None:
        """Hear of a failure; `asked_ms` is the pause it asks for, `chance` 0 to 1."""
        self.failures += 1
        pause = asked_ms
        if self.down:
            doublings = min(self.failures - FAILURES_DOWN, 10)
            own = min(PAUSE_FIRST_MS << doublings, PAUSE_MAX_MS)
            pause = max(pause, round(own * (1 + JITTER_MAX * chance)))
        self.quiet_until = max(self.quiet_until, now + pause)
