"""The chronicle: what became of episodes day by day, and of customers period by period.

It is kept from the topics of alerts, delivered or held out, and of who stayed.  Of days and
periods there are sums; of single episodes only as many are remembered as it takes to say
whether alerts brought anything.
"""

from typing import Final

import msgspec

from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.events import DAY_MS
from stream.uplift.episodes import Episodes
from stream.wire.alerts import decode_alert
from stream.wire.retained import Retained, decode_retained

EPISODES_MAX: Final = 50_000
"""The latest, that the holdout is compared by: some 25 MB of memory, and a fifth of a second."""
DAYS_MAX: Final = 800
PERIODS_MAX: Final = 60

KINDS: Final = (Kind.OPENED, Kind.RECOVERED, Kind.LAPSED, Kind.RETRACTED)


class Moves(msgspec.Struct):
    """What happened to episodes."""

    opened: int = 0
    recovered: int = 0
    lapsed: int = 0
    retracted: int = 0

    def add(self, other: "Moves") -> None:
        """Add others to these."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Chronicle:
    """Sums of what was told, and the latest episodes."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self.days: dict[int, dict[str, Moves]] = {}
        """Day (since 1970 UTC) -> segment -> what happened to its customers' episodes."""
        self.episodes = Episodes(EPISODES_MAX)
        self.periods: dict[tuple[int, str], dict[int, Retained]] = {}
        """(Begin in ms, kind of period) -> partition -> what it counted."""
        self.unread = 0
        """Records that were none of this version: passed over."""

    def alert(self, key: bytes, value: bytes | None) -> None:
        """Take in a record of the topics of alerts; None: erased, but for the sums."""
        if value is None:
            self.episodes.forget(key.decode(errors="replace"))
            return
        try:
            said = decode_alert(value)
        except ValueError:
            self.unread += 1
            return
        if said.kind in KINDS and said.trigger is not Trigger.POPULATION:
            self._note(said)

    def _note(self, said: Alert) -> None:
        if not self.episodes.take(said):
            return
        of_day = self.days.setdefault(said.time // DAY_MS, {})
        moves = of_day.setdefault(said.segment, Moves())
        setattr(moves, said.kind.value, getattr(moves, said.kind.value) + 1)
        if len(self.days) > DAYS_MAX:
            del self.days[min(self.days)]

    def retained(self, _key: bytes, value: bytes | None) -> None:
        """Take in a record of the topic of who stayed."""
        if value is None:
            return
        try:
            said = decode_retained(value)
        except ValueError:
            self.unread += 1
            return
        self.periods.setdefault((said.begin, said.every.value), {})[said.partition] = said
        if len(self.periods) > PERIODS_MAX:
            del self.periods[min(self.periods)]
