"""The topics of alerts as an AsyncAPI 3 document: channels, key, headers, data, an example a kind.

AsyncAPI's own schema format is JSON Schema's draft 7 and a little more; nothing
is used that 2020-12 reads in another way.
"""

from importlib.metadata import version
from typing import Any

import orjson

from stream.contract import account_channel
from stream.contract.account_schema import account_alert_schema
from stream.contract.alert_schema import NOTICES, TIME, alert_schema, kind_schema
from stream.contract.examples import examples
from stream.detector.alerts import Alert, Kind
from stream.wire.alerts import CONTENT_TYPE, alert_headers, alert_type, encode_alert

VERSION = "3.0.0"

_DESCRIPTION = (
    "slipaway says which customers are slipping away. Each alert is one stage of one customer's"
    " episode. Read with isolation.level=read_committed: then each is there exactly once."
    " Ignore fields and headers that you do not know, types of events that you do not know, and"
    " records without a value, which erase a customer. Alerts of one customer are in order."
)
_SUMMARIES = {
    Kind.OPENED: "A customer has begun to slip away.",
    Kind.ESCALATED: "A customer who is slipping away is about to be lost.",
    Kind.RECOVERED: "A customer who was slipping away, or had lapsed, is back.",
    Kind.LAPSED: "A customer counts as lapsed: silent for a horizon, or left in so many words.",
    Kind.RETRACTED: "An earlier alert was wrong: an event that came late disproves it, or the"
    " customer goes on under another id, has paused or is watched no longer, or is of a segment now"
    " of which nobody is alerted on.",
    Kind.SUSPENDED: "Use has collapsed for everybody: silence and decline alert on nobody.",
    Kind.RESUMED: "Use is back after a collapse: alerts go on.",
}
_HEADERS = {
    "ce_specversion": "The version of CloudEvents.",
    "ce_type": "What is said; a schema of another shape would be another version here.",
    "ce_source": "Who says it.",
    "ce_id": "Names the alert, as `alert_id`.",
    "ce_time": "When it was decided, as `time`.",
    "ce_subject": "The customer, as `customer_id`.",
    "content-type": "Of the value.",
}


def document(*, alerts: str, customers: str, account_alerts: str, accounts: str) -> dict[str, Any]:
    """Return the document: all alerts, the latest of each customer, and those on accounts."""
    said = examples()
    of_accounts = account_channel.messages(_HEADERS)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "slipaway: alerts",
            "version": version("slipaway"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "alerts": _channel(
                alerts,
                "Every alert. CloudEvents 1.0, binary mode of the Kafka binding.",
                [kind.value for kind in said],
                "delete",
            ),
            "customers": _channel(
                customers,
                "The latest alert of each customer who ever had one: how everybody stands now.",
                [kind.value for kind in said if kind not in NOTICES],
                "compact",
            ),
            "accountAlerts": _channel(
                account_alerts,
                "Every alert on an account, by what its members do, where the policy wants them.",
                list(of_accounts),
                "delete",
            ),
            "accounts": _channel(
                accounts,
                "The latest alert of each account that ever had one: how all of them stand now.",
                list(of_accounts),
                "compact",
            ),
        },
        "operations": {
            "publishAlerts": {
                "action": "send",
                "channel": {"$ref": "#/channels/alerts"},
                "summary": "slipaway publishes an alert.",
            },
            "publishCustomers": {
                "action": "send",
                "channel": {"$ref": "#/channels/customers"},
                "summary": "slipaway says how a customer stands, in one transaction with alerts.",
            },
            "publishAccountAlerts": {
                "action": "send",
                "channel": {"$ref": "#/channels/accountAlerts"},
                "summary": "slipaway publishes an alert on an account.",
            },
            "publishAccounts": {
                "action": "send",
                "channel": {"$ref": "#/channels/accounts"},
                "summary": "slipaway says how an account stands, in one transaction with alerts.",
            },
        },
        "components": {
            "messages": {
                **{kind.value: _message(kind, alert) for kind, alert in said.items()},
                **of_accounts,
            },
            "schemas": {"alert": alert_schema(), "accountAlert": account_alert_schema()},
        },
    }


def _channel(topic: str, words: str, names: list[str], policy: str) -> dict[str, Any]:
    """Describe a topic."""
    return {
        "address": topic,
        "description": words,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topicConfiguration": {"cleanup.policy": [policy]},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _traced() -> dict[str, dict[str, str]]:
    """Describe the headers that an alert has where workers trace."""
    words = "Where workers trace (W3C Trace Context): the alert's span, to go on with."
    names = ("traceparent", "ce_traceparent")
    return {name: {"type": "string", "description": words} for name in names}


def _message(kind: Kind, alert: Alert) -> dict[str, Any]:
    """Describe the alerts of a kind, by one of them."""
    headers = {name: value.decode() for name, value in alert_headers(alert)}
    return {
        "name": alert_type(alert),
        "title": f"slipaway: {kind.value}",
        "summary": _SUMMARIES[kind],
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "properties": {**{name: _header(name, alert) for name in headers}, **_traced()},
            "required": list(headers),
        },
        "payload": {"allOf": [{"$ref": "#/components/schemas/alert"}, kind_schema(kind)]},
        "correlationId": {
            "description": "All alerts of an episode.",
            "location": "$message.payload#/episode_id",
        },
        "bindings": {"kafka": {"key": _key(kind), "bindingVersion": "0.5.0"}},
        "examples": [
            {
                "name": kind.value,
                "headers": headers,
                "payload": orjson.loads(encode_alert(alert)),
            }
        ],
    }


def _header(name: str, alert: Alert) -> dict[str, Any]:
    """Describe a header: fixed, a moment, or text, all of them UTF-8."""
    fixed = {
        "ce_specversion": "1.0",
        "ce_type": alert_type(alert),
        "content-type": CONTENT_TYPE,
    }
    schema: dict[str, Any] = {"type": "string"}
    if name in fixed:
        schema["const"] = fixed[name]
    if name == "ce_time":
        schema = dict(TIME)
    return {**schema, "description": _HEADERS[name]}


def _key(kind: Kind) -> dict[str, Any]:
    """Describe the record's key."""
    if kind in NOTICES:
        return {"type": "string", "const": "", "description": "Empty: it is about everybody."}
    return {"type": "string", "minLength": 1, "description": "The customer, in UTF-8."}
