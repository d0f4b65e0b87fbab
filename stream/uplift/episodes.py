"""Episodes: from alerts, who was alerted on, and who came back in time.

An episode is judged when a horizon has passed since it was opened, whatever
came of it meanwhile: else those who came back at once would be counted first,
and in a young log they would be all.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from stream.detector.alerts import Alert, Kind, Trigger


class Episode(NamedTuple):
    """One episode that is old enough to be judged."""

    customer_id: str
    holdout: bool
    trigger: Trigger
    recovered: bool
    """The customer came back, within a horizon of the alert that opened it."""


class _Course(msgspec.Struct, gc=False):
    """What is known of one episode; moments in ms since 1970 UTC, None: not told of."""

    customer_id: str
    holdout: bool
    trigger: Trigger
    segment: str
    opened: int | None = None
    recovered: int | None = None
    lapsed: int | None = None
    retracted: int | None = None


_NOT_WATCHED: Final = "not_watched"  # the reason of an alert taken back though it was right
_MOMENTS = {
    Kind.OPENED: "opened",
    Kind.RECOVERED: "recovered",
    Kind.LAPSED: "lapsed",
    Kind.RETRACTED: "retracted",
}


class Episodes:
    """Takes alerts, in whatever order they come; those that come again count once."""

    def __init__(self, most: int | None = None) -> None:
        """Remember all episodes, or no more than `most`: the latest that were told of."""
        self._most = most
        self._courses: dict[str, _Course] = {}
        self._theirs: dict[str, list[str]] = {}
        """Customer -> episodes."""
        self._until = 0

    def __len__(self) -> int:
        """Count the episodes."""
        return len(self._courses)

    def take(self, alert: Alert) -> bool:
        """Take an alert; tell whether it says of its episode what was not known."""
        if alert.trigger is Trigger.POPULATION:
            return False
        self._until = max(self._until, alert.time)
        moment = _MOMENTS.get(alert.kind)
        if moment is None or alert.reason_1 == _NOT_WATCHED:  # a pause may be what the alert led to
            return False
        course = self._courses.get(alert.episode_id)
        if course is None:
            course = _Course(alert.customer_id, alert.holdout, alert.trigger, alert.segment)
            self._courses[alert.episode_id] = course
            self._theirs.setdefault(alert.customer_id, []).append(alert.episode_id)
            if self._most is not None and len(self._courses) > self._most:
                self._drop(next(iter(self._courses)))
        if getattr(course, moment) is not None:
            return False
        setattr(course, moment, alert.time)
        if alert.kind is Kind.OPENED:
            course.trigger, course.segment = alert.trigger, alert.segment
        return True

    def forget(self, customer_id: str) -> None:
        """Forget the episodes of a customer who was erased."""
        for name in self._theirs.pop(customer_id, ()):
            del self._courses[name]

    def _drop(self, name: str) -> None:
        customer_id = self._courses.pop(name).customer_id
        self._theirs[customer_id].remove(name)
        if not self._theirs[customer_id]:
            del self._theirs[customer_id]

    def judged(self, horizon_of: Callable[[str], int]) -> list[Episode]:
        """Give the episodes opened at least a horizon before the last alert, in order of time.

        `horizon_of` gives that of a segment (ms), by its name.
        Episodes of customers who said that they leave are left out, for there is nobody to be won
        back by an alert; so are those that a late event retracted.
        Who paused, or was watched no longer, did not come back: that, too, alerts may bring about.
        """
        judged = [
            (one.opened, name, one)
            for name, one in self._courses.items()
            if one.opened is not None
            and one.opened + horizon_of(one.segment) <= self._until
            and one.retracted is None
            and one.trigger is not Trigger.ENDING
        ]
        return [
            Episode(
                customer_id=one.customer_id,
                holdout=one.holdout,
                trigger=one.trigger,
                recovered=one.recovered is not None
                and one.recovered <= opened + horizon_of(one.segment),
            )
            for opened, _, one in sorted(judged, key=lambda found: found[:2])
        ]


def episodes(alerts: Iterable[Alert], horizon_of: Callable[[str], int]) -> list[Episode]:
    """Give the episodes of a log of alerts that can be judged, in order of time."""
    found = Episodes()
    for alert in alerts:
        found.take(alert)
    return found.judged(horizon_of)
