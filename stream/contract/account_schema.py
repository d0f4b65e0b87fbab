"""The data of an alert on an account as a JSON Schema, from the type, as it is written."""

from typing import Any

import msgspec

from stream.contract.account_examples import KINDS
from stream.contract.alert_schema import JSON_SCHEMA, as_written, words_of
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Kind


def account_alert_schema() -> dict[str, Any]:
    """Return the schema of an alert on an account, of any kind."""
    _, types = msgspec.json.schema_components([AccountAlert])
    alert, words = types["AccountAlert"], words_of(AccountAlert)
    schema = {
        "type": "object",
        "properties": {
            name: {**as_written(name, found, types), "description": words[name]}
            for name, found in alert["properties"].items()
        },
        "required": alert["required"],
    }
    properties = schema["properties"]
    properties["kind"]["enum"] = [kind.value for kind in KINDS]
    properties["account_id"]["minLength"] = 1
    for name in ("members_active", "members_usual", "quiet_share"):
        properties[name]["minimum"] = 0
    properties["quiet_share"]["maximum"] = 1
    properties["seats_bought"]["minimum"] = 1
    return schema


def kind_schema(kind: Kind) -> dict[str, Any]:
    """Return what an alert of this kind is beside an alert on an account."""
    return {"properties": {"kind": {"const": kind.value}}}


def document() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the value of a record."""
    return {
        "$schema": JSON_SCHEMA,
        "$id": "urn:slipaway:account-alert:v1",
        "title": "An alert of slipaway on an account",
        **account_alert_schema(),
    }
