"""About: whom an endpoint hears of, customers or accounts; each has a topic and a form of its own.

An endpoint hears of one of them: so its consumer group has one topic, and who
wrote a receiver for customers is not sent what names none.
"""

from enum import StrEnum

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert
from stream.settings import Topics
from stream.wire.account_alerts import decode_account_alert
from stream.wire.alerts import decode_alert

Said = Alert | AccountAlert


class About(StrEnum):
    """Whom alerts are about."""

    CUSTOMERS = "customers"
    ACCOUNTS = "accounts"


def topic_of(about: About, topics: Topics) -> str:
    """Name the topic of such alerts."""
    return topics.alerts if about is About.CUSTOMERS else topics.account_alerts


def decode(about: About, value: bytes) -> Said:
    """Read such an alert; raise ValueError if it is none."""
    return decode_alert(value) if about is About.CUSTOMERS else decode_account_alert(value)


def subject(alert: Said) -> str:
    """Give whom an alert is about: alerts of one subject are delivered in order."""
    return alert.customer_id if isinstance(alert, Alert) else alert.account_id
