"""Episodes: from a log of alerts, who was alerted on, and who came back in time.

An episode is judged when a horizon has passed since it was opened, whatever
came of it meanwhile: else those who came back at once would be counted first,
and in a young log they would be all.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from stream.detector.alerts import Alert, Kind, Trigger


class Episode(NamedTuple):
    """One episode that is old enough to be judged."""

    customer_id: str
    holdout: bool
    trigger: Trigger
    recovered: bool
    """The customer came back, within a horizon of the alert that opened it."""


def episodes(alerts: Iterable[Alert], horizon_of: Callable[[str], int]) -> list[Episode]:
    """Give the episodes opened at least a horizon before the last alert, in order of time.

    `horizon_of` gives that of a segment (ms), by its name.

    Repeated alerts count once, in whatever order they come.  Episodes of customers who said
    that they leave are left out, for there is nobody to be won back by an alert; so are those
    that a late event retracted.
    """
    opened: dict[str, Alert] = {}
    back: dict[str, int] = {}
    retracted = set()
    until = 0
    for alert in alerts:
        if alert.trigger is Trigger.POPULATION:
            continue
        until = max(until, alert.time)
        match alert.kind:
            case Kind.OPENED:
                opened[alert.episode_id] = alert
            case Kind.RECOVERED:
                back[alert.episode_id] = alert.time
            case Kind.RETRACTED:
                retracted.add(alert.episode_id)
            case _:
                pass
    judged = [
        alert
        for alert in opened.values()
        if alert.time + horizon_of(alert.segment) <= until
        and alert.episode_id not in retracted
        and alert.trigger is not Trigger.ENDING
    ]
    return [
        Episode(
            customer_id=alert.customer_id,
            holdout=alert.holdout,
            trigger=alert.trigger,
            recovered=back.get(alert.episode_id, until + 1)
            <= alert.time + horizon_of(alert.segment),
        )
        for alert in sorted(judged, key=lambda alert: (alert.time, alert.episode_id))
    ]
