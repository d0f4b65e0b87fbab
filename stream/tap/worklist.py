"""The worklist: whom to talk to first, owner by owner.

Of every customer, or account, the latest alert counts; an episode that is open is work.
It is ranked by what is at stake, and nobody gets more than a day holds.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from statistics import median
from typing import Any, TypeVar

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert
from stream.detector.stages import Kind

OPEN = (Kind.OPENED, Kind.ESCALATED)
Said = TypeVar("Said", Alert, AccountAlert)


async def open_episodes(found: AsyncIterator[Any], decode: Callable[[bytes], Said]) -> list[Said]:
    """Give the latest alert of everybody whose episode is open.

    `decode` reads them, and raises ValueError if one is no alert.
    """
    latest: dict[bytes, bytes | None] = {}
    async for record in found:
        latest[record.key] = record.value
    alerts = [decode(value) for value in latest.values() if value is not None]
    return [alert for alert in alerts if alert.kind in OPEN]


def worklists(alerts: Iterable[Said], daily: Mapping[str, int]) -> dict[str, list[Said]]:
    """Give each owner's work, the most at stake first; no more than `daily` has for the owner.

    An owner whom it does not name gets all.
    """
    by_owner: dict[str, list[Said]] = defaultdict(list)
    for alert in ranked(alerts):
        by_owner[alert.owner].append(alert)
    return {owner: by_owner[owner][: daily.get(owner)] for owner in sorted(by_owner)}


def ranked(alerts: Iterable[Said]) -> list[Said]:
    """Give the most at stake first; of no known value is as of the median of those known."""
    alerts = list(alerts)
    values = [alert.value for alert in alerts if alert.value is not None]
    usual = median(values) if values else 1.0
    return sorted(alerts, key=lambda one: (-at_stake(one, usual), _name(one)))


def at_stake(alert: Alert | AccountAlert, usual: float) -> float:
    """Give risk times value, of an account what has gone quiet; `usual` is the value of none."""
    risk = alert.risk if isinstance(alert, Alert) else alert.quiet_share
    return risk * (usual if alert.value is None else alert.value)


def _name(alert: Alert | AccountAlert) -> str:
    """Give whom an alert is about."""
    return alert.customer_id if isinstance(alert, Alert) else alert.account_id
