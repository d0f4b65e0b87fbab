"""Telling accounts: what partitions of customers send to those of accounts.

An account's members are spread over all partitions, so each of these tells
every partition of accounts how far it has come, beside what it tells of its
members.  It does so with its rows: what was told before them is in the topic
already, and a restored partition says it once more, to no effect.
"""

from collections.abc import Sequence

from stream.detector.accounts.everybody import of_everybody
from stream.detector.alerts import Alert
from stream.detector.events import DAY_MS
from stream.detector.members import MemberNews
from stream.engine.flow import Output
from stream.wire.heartbeat import Heartbeat, encode_heartbeat
from stream.wire.members import encode_member

BEAT_MS = 1_000  # of event time; shorter: accounts are judged sooner, and the topic fills


class Teller:
    """Tells the partitions of accounts what one partition of customers has decided."""

    def __init__(self, *, topic: str, partitions: int, origin: int, origins: int) -> None:
        """Speak to `partitions` of a topic, as number `origin` of so many that do."""
        self._topic = topic
        self._partitions = partitions
        self._origin = str(origin)
        self._origins = origins
        self._began = 0
        self._told: int | None = None

    def begin(self, watermark: int) -> None:
        """Take up the work at an event time (ms), 0 at the log's beginning."""
        self._began = watermark

    def outputs(self, members: Sequence[MemberNews], alerts: Sequence[Alert]) -> list[Output]:
        """Return the records of what was decided."""
        told = [
            Output(self._topic, None, news.account_id.encode(), encode_member(news))
            for news in members
        ]
        for news in of_everybody(alerts):
            told += self._to_all(encode_member(news))
        return told

    def owes(self, watermark: int) -> bool:
        """Say whether time (ms) has come so far that everybody is to hear of it."""
        return self._told is None or watermark - self._told >= BEAT_MS

    def beats(self, watermark: int) -> list[Output]:
        """Return the records that say how far (ms) this partition has come, if that is news.

        One for each day: all days of a backlog in one record would be judged in
        one go, for longer than the worker may be deaf.
        """
        if watermark == self._told:
            return []
        since = self._began if self._told is None else self._told
        self._told = watermark
        midnights = range((since // DAY_MS + 1) * DAY_MS, watermark, DAY_MS) if since else ()
        return [beat for moment in (*midnights, watermark) for beat in self._beat(moment)]

    def _beat(self, moment: int) -> list[Output]:
        return self._to_all(
            encode_heartbeat(Heartbeat(moment, self._origin, self._origins, busy=True))
        )

    def _to_all(self, value: bytes) -> list[Output]:
        return [Output(self._topic, number, None, value) for number in range(self._partitions)]
