"""Watchdog: a worker that has work and does none of it is worse than a dead one.

Consumers have been seen to stop for good after an outage, with their
membership alive and nobody else allowed to take over.  A dead worker is
started again; so one that stands still for too long ends itself.

The judgement is a pure function of what is seen and when.  A thread of its own
watches the watcher: an event loop that hangs cannot see that it hangs, while
the heartbeat, which lives in another thread, keeps the partitions assigned.
"""

import threading
import time
from collections.abc import Mapping

from faust.types import TP

from stream.engine.exits import Exit, Fatal, leave


class Watchdog:
    """Sees positions move, or not."""

    def __init__(self, *, stalled_seconds: float, join_seconds_max: float) -> None:
        """Allow `stalled_seconds` without progress, `join_seconds_max` without an assignment."""
        self.stalled_seconds = stalled_seconds
        self.join_seconds_max = join_seconds_max
        self._moved: dict[TP, tuple[object, float]] = {}
        self._settled_at: float | None = None
        self._beat_at = time.monotonic()

    def look(
        self, now: float, behind: Mapping[TP, object], *, settled: bool, restoring: bool
    ) -> Fatal | None:
        """Return a reason to leave, or None.

        `behind` holds the partitions that have work to do, each with its
        position; one whose position has not changed for too long is stalled.
        """
        self._beat_at = time.monotonic()
        if settled or restoring or self._settled_at is None:
            self._settled_at = now
        if now - self._settled_at > self.join_seconds_max:
            return self._leave("no partitions assigned", self.join_seconds_max)
        moved = {}
        for tp, position in behind.items():
            last, since = self._moved.get(tp, (None, now))
            if last != position:
                since = now
            if now - since > self.stalled_seconds:
                return self._leave(
                    f"{tp.topic}/{tp.partition} is behind and stands still at {position}",
                    self.stalled_seconds,
                )
            moved[tp] = (position, since)
        self._moved = moved
        return None

    def _leave(self, what: str, seconds: float) -> Fatal:
        return Fatal(f"Watchdog: {what}, for {seconds:.0f} s. Starting again.", Exit.TEMPORARY)

    def guard(self) -> None:
        """Start the thread that ends the process when nobody looks any more."""
        threading.Thread(target=self._guard, name="watchdog", daemon=True).start()

    def _guard(self) -> None:
        self._beat_at = time.monotonic()
        while True:
            time.sleep(1)
            if time.monotonic() - self._beat_at > self.stalled_seconds:
                leave(self._leave("the event loop hangs", self.stalled_seconds))
