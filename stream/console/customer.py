"""One customer's past: episodes, visits, and what else was told, as the topics still tell."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from stream.detector import visits
from stream.detector.alerts import Alert
from stream.detector.errors import BadEvent
from stream.detector.events import UsageEvent
from stream.detector.policy import EventClass
from stream.tap.worklist import OPEN
from stream.wire.alerts import decode_alert
from stream.wire.bundle import Bundle
from stream.wire.erasure import Erasure
from stream.wire.events import Decoder
from stream.wire.policy_file import PolicyFile
from stream.wire.times import LATEST_MS

TOLD: Final = frozenset(EventClass) - {EventClass.ENGAGEMENT, EventClass.IGNORED}
"""Events that are listed one by one."""


class Episode(msgspec.Struct, frozen=True):
    """One episode: its alerts, the latest last."""

    alerts: list[Alert]

    @property
    def first(self) -> Alert:
        """Give the alert that opened it, or the earliest that is left."""
        return self.alerts[0]

    @property
    def last(self) -> Alert:
        """Give the alert that says how it stands."""
        return self.alerts[-1]

    @property
    def open(self) -> bool:
        """Say whether it is not over."""
        return self.last.kind in OPEN


class Visit(NamedTuple):
    """A burst of use."""

    begin: int
    """Its first event, ms since 1970."""
    events: int
    kinds: int


class Told(NamedTuple):
    """What is no use, but was told among the events: a contact, a ticket, a pause."""

    at: int
    """Ms since 1970."""
    what: EventClass
    name: str
    """The event's."""

    @property
    def word(self) -> str:
        """Say what it is, as people do."""
        return self.what.name.casefold().replace("_", " ")


class History(NamedTuple):
    """What the topic of usage still holds of a customer, in order of time."""

    visits: list[Visit]
    told: list[Told]


def episodes(values: Iterable[bytes]) -> list[Episode]:
    """Put a customer's alerts together, the latest episode first; what is no alert is left out."""
    alerts = []
    for value in values:
        try:
            alerts.append(decode_alert(value))
        except ValueError:
            continue
    once = {alert.alert_id: alert for alert in alerts}
    by_episode = sorted(once.values(), key=attrgetter("episode_id", "time"))
    found = [Episode(list(of_one)) for _, of_one in groupby(by_episode, attrgetter("episode_id"))]
    return sorted(found, key=lambda episode: -episode.first.time)


class Historian:
    """Reads what the topic of usage holds of a customer, as the workers would."""

    def __init__(self, product: PolicyFile) -> None:
        """Read by the mappings of a policy, and by what it says events mean."""
        self._policy = product.policy
        self._decoder = Decoder(product.mappings, product.policy.traits)

    def events(self, values: Iterable[bytes]) -> list[UsageEvent]:
        """Read events, in order of time; what cannot be used is in the dead letters, not here."""
        events: list[UsageEvent] = []
        for value in values:
            try:
                found = self._decoder.decode(value, received_at=LATEST_MS)
            except BadEvent:
                continue
            if isinstance(found, Erasure):
                until = LATEST_MS if found.requested_at is None else found.requested_at
                events = [event for event in events if event.occurred_at > until]
            elif isinstance(found, UsageEvent | Bundle):
                events += found.events if isinstance(found, Bundle) else [found]
        once = {(event.message_id or number): event for number, event in enumerate(events)}
        return sorted(once.values(), key=attrgetter("occurred_at"))

    def history(self, events: Iterable[UsageEvent]) -> History:
        """Put events, in order of time, together to visits, and to what was told."""
        classes = [(event, self._policy.classify(event.name)) for event in events]
        return History(
            visits=self._visits([e for e, what in classes if what.engages and e.volume > 0]),
            told=[Told(e.occurred_at, what, e.name) for e, what in classes if what in TOLD],
        )

    def _visits(self, events: Iterable[UsageEvent]) -> list[Visit]:
        found: list[visits.Visit] = []
        for event in events:
            last, at = tuple(found[-1:]), event.occurred_at
            kind = visits.kind_bit(event.name)
            found[-1:] = visits.merge(last, at, 1.0, kind, self._policy.visit_gap_ms)
        return [Visit(one.begin, round(one.volume), one.kinds.bit_count()) for one in found]
