"""The alert's data as a JSON Schema: the type's own fields, as `encode_alert` writes them.

Words come from the type's source; those that it leaves to the names are here.
Readers have to ignore fields that they do not know: a later release adds some.
"""

import ast
import inspect
from textwrap import dedent
from typing import Any

import msgspec

from stream.detector.alerts import Alert, Kind, Trigger
from stream.wire.alerts import SHARES, TIMES

JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
NOTICES = (Kind.SUSPENDED, Kind.RESUMED)
"""Kinds that are said of everybody, and name no customer."""

TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$",
}
_WORDS = {
    "customer_id": "Who; the record's key as well. Empty in notices, which are about everybody.",
    "time": "Event time of the decision (UTC), never the moment it was noticed.",
    "kind": "The stage of the episode that this alert is about; one alert each.",
    "alert_id": "Names this alert, in every repetition: to be remembered by who acts on it once.",
    "episode_id": "Names the episode; all its alerts have it.",
    "account_id": "The customer's organisation; empty if none is known.",
    "severity": "How sure it is that the customer goes.",
    "trigger": "What gave the customer away; `population` in notices.",
    "silent_for_seconds": "Since the customer's last visit; in notices, since use collapsed.",
    "reason_1": "Code of the fact that led to this alert.",
    "reason_1_text": "The fact in words.",
    "reason_2": "Code of what weighed most in the model; empty if nothing did.",
    "reason_2_text": "The same in words.",
    "reason_3": "Code of what weighed next; empty if nothing did.",
    "reason_3_text": "The same in words.",
    "policy_version": "The policy that said what slipping away means.",
}


def alert_schema() -> dict[str, Any]:
    """Return the schema of an alert of any kind."""
    _, types = msgspec.json.schema_components([Alert])
    alert = types["Alert"]
    words = {**words_of(Alert), **_WORDS}
    return {
        "type": "object",
        "properties": {
            name: {**as_written(name, found, types), "description": words[name]}
            for name, found in alert["properties"].items()
        },
        "required": alert["required"],
    }


def kind_schema(kind: Kind) -> dict[str, Any]:
    """Return what an alert of this kind is beside an alert."""
    if kind in NOTICES:
        about: dict[str, Any] = {
            "customer_id": {"const": ""},
            "trigger": {"const": Trigger.POPULATION.value},
        }
    else:
        about = {
            "customer_id": {"minLength": 1},
            "trigger": {"enum": [word.value for word in Trigger if word != Trigger.POPULATION]},
        }
    return {"properties": {"kind": {"const": kind.value}, **about}}


def document() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the value of a record; one definition a kind."""
    return {
        "$schema": JSON_SCHEMA,
        "$id": "urn:slipaway:alert:v1",
        "title": "An alert of slipaway",
        "oneOf": [{"$ref": f"#/$defs/{kind.value}"} for kind in Kind],
        "$defs": {
            "alert": alert_schema(),
            **{
                kind.value: {"allOf": [{"$ref": "#/$defs/alert"}, kind_schema(kind)]}
                for kind in Kind
            },
        },
    }


def as_written(name: str, found: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    """Turn the schema of a field into that of what is written for it."""
    parts = found.get("anyOf", [found])
    schema = dict(next(part for part in parts if part.get("type") != "null"))
    if "$ref" in schema:
        named = types[schema["$ref"].rpartition("/")[2]]
        schema = {"type": "string", "enum": named["enum"]}
    if name in TIMES:
        schema = dict(TIME)
    if name in SHARES:
        schema |= {"minimum": 0, "maximum": 1}
    if name.endswith("_seconds"):
        schema |= {"minimum": 0}
    if len(parts) > 1:
        schema["type"] = [schema["type"], "null"]
    return schema


def words_of(kind: type) -> dict[str, str]:
    """Read what stands below the fields of a class, in its source."""
    (body,) = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    words = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            words[field.target.id] = inspect.cleandoc(str(text.value.value))
    return words
