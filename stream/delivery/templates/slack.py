"""Slack: a message to a channel by an incoming webhook, whose URL is the channel's.

Slack reads `text` as mrkdwn, in which three characters have to be escaped
(https://docs.slack.dev/messaging/formatting-message-text, "Escaping text"):
an id such as "<!channel>" would ring everybody's bell.
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import orjson

from stream.delivery.request import Request
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert, Trigger
from stream.tap.line import play_of, shown


def slack(alert: Alert, _event: str) -> Request:
    """Say it in lines: what happened to whom, why, and what to do."""
    reasons = (alert.reason_1_text, alert.reason_2_text, alert.reason_3_text)
    why = escaped(" ".join(reason for reason in reasons if reason))
    if alert.trigger is Trigger.POPULATION:
        text = f"*everybody* {alert.kind.value}\n{why}"
    else:
        account = f" of {escaped(alert.account_id)}" if alert.account_id else ""
        text = (
            f"*{escaped(alert.customer_id)}*{account} {alert.kind.value}:"
            f" {alert.trigger.value}, {alert.severity.value}, risk {alert.risk:.2f}\n{why}"
        )
        kind = alert.segment and f"{alert.segment}, {alert.phase.value}"
        text += "".join(f"\n{line}" for line in to_do(alert, kind))
        text += f"\nNew since: {escaped(alert.whats_new)}" if alert.whats_new else ""
    return Request(body=orjson.dumps({"text": text}))


def to_do(alert: Alert | AccountAlert, kind: str) -> list[str]:
    """Say what to do, and for whom: `kind` is what sort of customer, or account, it is."""
    worth = f"worth {alert.value:g}" if alert.value is not None else ""
    about = [one for one in (kind, worth, alert.owner and f"owner: {alert.owner}") if one]
    play = [f"→ {escaped(play_of(alert))}"] if alert.play else []
    return [*play, *([escaped(" · ".join(about))] if about else [])]


def escaped(text: str) -> str:
    """Give text that mrkdwn shows as it is: no mention, no link, one line."""
    return shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
