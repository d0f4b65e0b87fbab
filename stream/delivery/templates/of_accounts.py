"""Alerts on accounts, for receivers that are not about persons: plain, and Slack."""

from typing import Final

import orjson

from stream.delivery.request import AccountTemplate, Request
from stream.delivery.templates.slack import escaped, to_do
from stream.detector.accounts.alerts import AccountAlert
from stream.wire.account_alerts import account_alert_type, encode_account_alert
from stream.wire.times import iso


def plain(alert: AccountAlert, event: str) -> Request:
    """Say all of it, as of customers: `type` and `timestamp`, then the data's own fields."""
    head = {"type": event or account_alert_type(alert), "timestamp": iso(alert.time)}
    return Request(body=orjson.dumps({**head, **orjson.loads(encode_account_alert(alert))}))


def slack(alert: AccountAlert, _event: str) -> Request:
    """Say it in lines: what happened to which account, why, and what to do."""
    reasons = (alert.reason_1_text, alert.reason_2_text, alert.reason_3_text)
    why = escaped(" ".join(reason for reason in reasons if reason))
    text = (
        f"*account {escaped(alert.account_id)}* {alert.kind.value}: {alert.trigger.value},"
        f" {alert.severity.value}\n{why}"
    )
    text += "".join(f"\n{line}" for line in to_do(alert, alert.segment))
    return Request(body=orjson.dumps({"text": text}))


ACCOUNT_TEMPLATES: Final[dict[str, AccountTemplate]] = {"plain": plain, "slack": slack}
"""The templates, by the names that endpoints give them."""
