"""What the viewer sees: as many alerts as can be read, and how things stand.

Alerts are data and go to standard output.  How things stand is talk: one line on
standard error, rewritten in place, and only where that is a terminal.
"""

import sys
from collections.abc import Sequence
from typing import TextIO
from zlib import crc32

from stream.detector.alerts import Alert

_WAITING_SECONDS = 4
"""Longer, and the lines would be old news; shorter, and a burst would be lost."""


class Queue:
    """Lets alerts through no faster than they can be read; they come in bursts."""

    def __init__(self, lines_a_second: int) -> None:
        """Let that many through in a second, and four seconds' worth wait."""
        self._rate = lines_a_second
        self._allowance = float(lines_a_second)
        self._waiting: list[Alert] = []

    def add(self, alerts: Sequence[Alert]) -> None:
        """Let alerts wait; if too many do, only a sample of them goes on waiting."""
        self._waiting = sample([*self._waiting, *alerts], _WAITING_SECONDS * self._rate)

    def take(self, seconds: float) -> list[Alert]:
        """Return what may be shown, `seconds` after it was last asked."""
        self._allowance = min(self._allowance + seconds * self._rate, self._rate)
        taken = self._waiting[: int(self._allowance)]
        self._allowance -= len(taken)
        del self._waiting[: len(taken)]
        return taken

    def take_all(self) -> list[Alert]:
        """Return what still waits: there is time to read it afterwards."""
        taken, self._waiting = self._waiting, []
        return taken


def sample(alerts: Sequence[Alert], most: int) -> list[Alert]:
    """Pick at most that many alerts, in the order of their times.

    Of too many, the same customers are picked again and again: a reader who saw
    an episode open wants to see how it ends.  Which customers is left to the
    hash of their ids, so no kind of alert is favoured.
    """
    picked = sorted(alerts, key=lambda alert: crc32(alert.customer_id.encode()))[:most]
    return sorted(picked, key=lambda alert: (alert.time, alert.customer_id))


class StatusLine:
    """One line, rewritten in place; silent where nobody watches."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`, standard error by default."""
        self._stream = stream if stream is not None else sys.stderr
        self._shown = self._stream.isatty()

    def say(self, text: str) -> None:
        """Show `text` in place of what stood there."""
        if self._shown:
            self._stream.write(f"\r\x1b[2K{text}")
            self._stream.flush()

    def clear(self) -> None:
        """Make room for a line of something else."""
        self.say("")
