"""Outages: time in which everybody was silent, and which is nobody's silence."""

import msgspec

from stream.detector.calendar import LocalTime

OUTAGES_MAX = 16
"""The last ones are remembered: those before them lie behind every silence that is judged."""


class Outages(msgspec.Struct, array_like=True):
    """When alerts were suspended, as far as it is decided."""

    since: int = 0
    """Since when (ms) they are; 0: they are not."""
    over: list[tuple[int, int]] = msgspec.field(default_factory=list)
    """Begin and end (ms) of those that are over, in order."""

    def begin(self, at: int) -> None:
        """Note that use has collapsed."""
        self.since = at

    def end(self, since: int, at: int) -> None:
        """Note that use is back at a moment (ms)."""
        self.over = [*self.over, (since, at)][-OUTAGES_MAX:]
        self.since = 0

    def silence(self, since: int, at: int, local: LocalTime) -> int:
        """Give how long (ms) a silence from one moment to another is.

        Less what was suspended, and the holidays of `local`.
        """
        silent = _counted(since, at, local)
        for begin, end in self.over:
            silent -= _counted(max(begin, since), min(end, at), local)
        if self.since:
            silent -= _counted(max(self.since, since), at, local)
        return silent


def _counted(since: int, until: int, local: LocalTime) -> int:
    """Give the time (ms) from one moment to another, but for holidays; 0 if it ends before."""
    return max(0, until - since) - local.holidays_ms(since, until)
