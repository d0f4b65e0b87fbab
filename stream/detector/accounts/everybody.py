"""What is told of everybody: the guard's notices, as accounts hear of them."""

from collections.abc import Sequence

from stream.detector.alerts import Alert, Kind
from stream.detector.events import SECOND_MS
from stream.detector.members import MemberNews, Tidings


def of_everybody(alerts: Sequence[Alert]) -> list[MemberNews]:
    """Give what accounts are told of the notices among some alerts."""
    news = []
    for alert in alerts:
        if alert.kind is Kind.SUSPENDED:
            news.append(MemberNews(alert.time, "", "", Tidings.SUSPENDED))
        elif alert.kind is Kind.RESUMED:
            since = alert.time - alert.silent_for_seconds * SECOND_MS
            news.append(MemberNews(alert.time, "", "", Tidings.RESUMED, since))
    return news
