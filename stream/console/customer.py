"""One customer: episodes, and when they were here, as the topics still tell."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

import msgspec

from stream.detector.alerts import Alert
from stream.detector.events import DAY_MS, UsageEvent
from stream.tap.worklist import OPEN
from stream.wire.alerts import decode_alert
from stream.wire.usage import PREFIX, is_usage

_decode = msgspec.json.Decoder(UsageEvent).decode


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


class Day(msgspec.Struct, frozen=True):
    """What was done on one day (UTC)."""

    at: int
    """Its midnight, ms since 1970."""
    events: int
    kinds: int


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


def days(values: Iterable[bytes]) -> list[Day]:
    """Count a customer's events by the day, the earliest first; other forms are left out."""
    by_day: dict[int, list[str]] = {}
    for value in values:
        if not value.startswith(PREFIX):
            continue
        try:
            event = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if is_usage(event) and event.volume > 0:
            by_day.setdefault(event.occurred_at // DAY_MS, []).append(event.name)
    return [Day(day * DAY_MS, len(names), len(set(names))) for day, names in sorted(by_day.items())]
