"""Origins: the time that several sources have reached together.

The partitions of a raw topic are read at different paces.  While one is hours
behind, the time that the others have come to proves nothing about its
customers, and taking it for the time would make thousands of them look silent.
So each partition of a raw source tells how far it has come, and time is what
the slowest of those with a backlog has reached.
"""

import msgspec

from stream.wire.heartbeat import Heartbeat


class Origin(msgspec.Struct, array_like=True):
    """How far one source has come."""

    latest: int
    """Event time (ms)."""
    busy: bool
    """It has a backlog."""


class Origins(msgspec.Struct, array_like=True):
    """What has been heard of every source."""

    expected: int
    """How many sources there are; 0: the topic is fed directly, and time is its events'."""
    heard: dict[str, Origin] = msgspec.field(default_factory=dict)

    @property
    def move_time(self) -> bool:
        """Tell whether time is what they say; otherwise the events themselves carry it.

        They do beside sources of which none has ever had anything to send.
        """
        if len(self.heard) < self.expected:
            return True
        return any(origin.busy or origin.latest for origin in self.heard.values())

    def hear(self, heartbeat: Heartbeat) -> int | None:
        """Take one source's word; give the time (ms) all have reached, None while some are silent.

        Sources without a backlog are waited for by nobody: where all are, the
        furthest tells the time.
        """
        before = self.heard.get(heartbeat.origin)
        latest = max(heartbeat.watermark, before.latest if before else 0)
        self.heard[heartbeat.origin] = Origin(latest, heartbeat.busy)
        self.expected = heartbeat.origins
        if len(self.heard) < self.expected:
            return None
        backlogs = [origin.latest for origin in self.heard.values() if origin.busy]
        return min(backlogs) if backlogs else max(o.latest for o in self.heard.values())
