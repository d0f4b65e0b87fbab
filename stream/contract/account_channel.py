"""The topic of alerts on accounts, as parts of the AsyncAPI document."""

from typing import Any

import orjson

from stream.contract.account_examples import account_examples
from stream.contract.account_schema import kind_schema
from stream.contract.alert_schema import TIME
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Kind
from stream.wire.account_alerts import (
    account_alert_headers,
    account_alert_type,
    encode_account_alert,
)
from stream.wire.alerts import CONTENT_TYPE

_SUMMARIES = {
    Kind.OPENED: "An account has begun to slip away.",
    Kind.ESCALATED: "Something more speaks for it that an account is slipping away.",
    Kind.RECOVERED: "What was told of an account is over: members are back, or others carry on.",
    Kind.LAPSED: "An account counts as lapsed: nobody came for a horizon.",
    Kind.RETRACTED: "An earlier alert was wrong: a visit that was told late disproves it.",
}
_FIXED = ("ce_specversion", "ce_type", "content-type")


def messages(words: dict[str, str]) -> dict[str, Any]:
    """Return the messages by name; `words` describe the headers."""
    return {
        f"account_{kind.value}": _message(kind, alert, words)
        for kind, alert in account_examples().items()
    }


def _message(kind: Kind, alert: AccountAlert, words: dict[str, str]) -> dict[str, Any]:
    """Describe the alerts of a kind, by one of them."""
    headers = {name: value.decode() for name, value in account_alert_headers(alert)}
    words = {**words, "ce_subject": "The account, as `account_id`."}
    described: dict[str, dict[str, Any]] = {
        name: {"type": "string", "description": words[name]} for name in headers
    }
    for name in _FIXED:
        described[name]["const"] = headers[name]
    described["ce_time"] = {**TIME, "description": words["ce_time"]}
    key = {"type": "string", "minLength": 1, "description": "The account, in UTF-8."}
    return {
        "name": account_alert_type(alert),
        "title": f"slipaway, of an account: {kind.value}",
        "summary": _SUMMARIES[kind],
        "contentType": CONTENT_TYPE,
        "headers": {"type": "object", "properties": described, "required": list(headers)},
        "payload": {"allOf": [{"$ref": "#/components/schemas/accountAlert"}, kind_schema(kind)]},
        "correlationId": {
            "description": "All alerts of an episode.",
            "location": "$message.payload#/episode_id",
        },
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
        "examples": [
            {
                "name": kind.value,
                "headers": headers,
                "payload": orjson.loads(encode_account_alert(alert)),
            }
        ],
    }
