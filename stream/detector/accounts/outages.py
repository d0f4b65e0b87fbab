"""Outages: time in which everybody was silent, and which is nobody's silence."""

import msgspec

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

    def silence(self, since: int, at: int) -> int:
        """Give how long (ms) a silence from one moment to another is, less what was suspended."""
        silent = at - since
        if not (self.over or self.since):
            return silent
        for begin, end in self.over:
            silent -= max(0, min(end, at) - max(begin, since))
        if self.since:
            silent -= max(0, at - max(self.since, since))
        return silent
