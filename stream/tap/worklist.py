"""The worklist: whom to talk to first, owner by owner.

Of every customer the latest alert counts; an episode that is open is work.  It is
ranked by what is at stake, risk times value, and nobody gets more than a day holds.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from statistics import median
from typing import Any

from stream.detector.alerts import Alert
from stream.detector.stages import Kind
from stream.wire.alerts import decode_alert

OPEN = (Kind.OPENED, Kind.ESCALATED)


async def open_episodes(found: AsyncIterator[Any]) -> list[Alert]:
    """Give the latest alert of everybody whose episode is open; ValueError if one is no alert."""
    latest: dict[bytes, bytes | None] = {}
    async for record in found:
        latest[record.key] = record.value
    alerts = [decode_alert(value) for value in latest.values() if value is not None]
    return [alert for alert in alerts if alert.kind in OPEN]


def worklists(alerts: Iterable[Alert], daily: Mapping[str, int]) -> dict[str, list[Alert]]:
    """Give each owner's work, the most at stake first; no more than `daily` has for the owner.

    An owner whom it does not name gets all.  A customer of no known value counts as one of
    the median of those known.
    """
    alerts = list(alerts)
    values = [alert.value for alert in alerts if alert.value is not None]
    usual = median(values) if values else 1.0
    by_owner: dict[str, list[Alert]] = defaultdict(list)
    for alert in sorted(alerts, key=lambda one: (-at_stake(one, usual), one.customer_id)):
        by_owner[alert.owner].append(alert)
    return {owner: by_owner[owner][: daily.get(owner)] for owner in sorted(by_owner)}


def at_stake(alert: Alert, usual: float) -> float:
    """Give risk times value; `usual` is the value of who has none."""
    return alert.risk * (usual if alert.value is None else alert.value)
