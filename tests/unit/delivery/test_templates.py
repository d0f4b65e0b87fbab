"""Each template against the request that its receiver's documentation describes.

The shapes are written anew from the pages named in the templates; a field that is
not in them fails.
"""

import re
from datetime import datetime
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from said import NOON_MS, alert

from stream.delivery.templates.customerio import ulid
from stream.delivery.templates.intercom import METADATA_MAX
from stream.delivery.templates.known import NEEDS_EVENT, NEEDS_SECRET, TEMPLATES
from stream.detector.alerts import Alert, Kind, Trigger

NOTICE = alert(customer_id="", kind=Kind.SUSPENDED, trigger=Trigger.POPULATION, expected_by=None)
SCALAR = {"type": ["string", "number", "boolean"]}
FLAT = {"type": "object", "additionalProperties": SCALAR}
SHAPES: dict[str, dict[str, Any]] = {
    "slack": {
        "required": ["text"],
        "properties": {"text": {"type": "string", "minLength": 1, "maxLength": 40_000}},
    },
    "customerio": {
        "required": ["name", "timestamp", "data"],
        "properties": {
            "name": {"type": "string", "pattern": r"^\S.*\S$"},
            "id": {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
            "type": {"enum": ["event"]},
            "timestamp": {"type": "integer", "maximum": 10_000_000_000},
            "data": FLAT,
        },
    },
    "braze": {
        "required": ["events"],
        "properties": {
            "events": {
                "type": "array",
                "maxItems": 75,
                "items": {
                    "type": "object",
                    "required": ["external_id", "name", "time"],
                    "additionalProperties": False,
                    "properties": {
                        "external_id": {"type": "string"},
                        "name": {"type": "string"},
                        "time": {"type": "string", "pattern": "Z$"},
                        "properties": {
                            **FLAT,
                            "propertyNames": {"maxLength": 255, "pattern": r"^[^$]"},
                        },
                        "_update_existing_only": {"type": "boolean"},
                    },
                },
            }
        },
    },
    "intercom": {
        "required": ["event_name", "created_at", "user_id"],
        "properties": {
            "event_name": {"type": "string"},
            "created_at": {"type": "integer", "maximum": 10_000_000_000},
            "user_id": {"type": "string"},
            "metadata": {**FLAT, "maxProperties": METADATA_MAX},
        },
    },
    "hubspot": {
        "required": ["eventName", "properties"],
        "properties": {
            "eventName": {"type": "string", "pattern": r"^pe\d+_"},
            "email": {"type": "string"},
            "objectId": {"type": "string"},
            "occurredAt": {"type": "string", "pattern": "Z$"},
            "uuid": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
            "properties": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
}
PATHS = {
    "slack": "",
    "customerio": "/api/v1/customers/ann%2F%3Fx%40example.com/events",
    "braze": "/users/track",
    "intercom": "/events",
    "hubspot": "/events/v3/send",
}
ODD = alert(customer_id="ann/?x@example.com", account_id="acme", drop_ratio=0.5)


def body_of(name: str, one: Alert, event: str = "pe1_slipaway") -> dict[str, Any]:
    """Return the body that a template makes."""
    request = TEMPLATES[name](one, event)
    assert request is not None
    body: dict[str, Any] = orjson.loads(request.body)
    return body


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("one", [ODD, alert(usual_gap_seconds=None, expected_by=None)])
def test_a_request_is_as_its_receiver_documents_it(name: str, one: Alert) -> None:
    """No field that is not there, none missing, none of another type."""
    shape = {"type": "object", "additionalProperties": False, **SHAPES[name]}
    found = Draft202012Validator(shape).iter_errors(body_of(name, one))
    assert [error.message for error in found] == []


@pytest.mark.parametrize("name", PATHS)
def test_a_request_goes_where_its_receiver_documents_it(name: str) -> None:
    """An id in a path is escaped, every character of it."""
    request = TEMPLATES[name](ODD, "")
    assert request is not None
    assert (request.method, request.path) == ("POST", PATHS[name])


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_notice_goes_where_nobody_has_to_be_named(name: str) -> None:
    """People want to know that alerts are suspended; a contact called "" does not."""
    told = TEMPLATES[name](NOTICE, "pe1_x") is not None
    assert told == (name in {"plain", "slack"})


def test_plain_is_all_of_it_with_type_and_time_in_front() -> None:
    """As Standard Webhooks has payloads, squashed."""
    body = body_of("plain", alert(), "")
    assert list(body)[:3] == ["type", "timestamp", "customer_id"]
    assert body["type"] == "slipaway.customer.slipping.opened.v1"
    assert body["timestamp"] == body["time"] == "2024-10-04T12:00:00Z"
    assert set(body) - {"type", "timestamp"} == set(Alert.__struct_fields__)


def test_slack_shows_an_id_and_does_not_obey_it() -> None:
    """Whoever may choose an id must not ring the whole channel."""
    text = body_of("slack", alert(customer_id="<!channel> & \n*co*", account_id="<@U1>"))["text"]
    assert text.startswith(r"*&lt;!channel&gt; &amp; \n*co** of &lt;@U1&gt; opened: silence, high")
    assert "<" not in text
    assert text.endswith("silent for 7.4 days. Used less on the last visit.")
    assert body_of("slack", NOTICE)["text"].startswith("*everybody* suspended\n")


def test_customerio_knows_a_repeated_event_by_its_id() -> None:
    """The ULID's time is the alert's; its chance is the alert's id."""
    first, again = ulid(alert()), ulid(alert())
    assert first == again != ulid(alert(alert_id="other"))
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    milliseconds = 0
    for letter in first[:10]:
        milliseconds = milliseconds * 32 + digits.index(letter)
    assert milliseconds == NOON_MS


def test_times_are_in_each_receivers_own_unit() -> None:
    """Milliseconds for seconds would put an event into the year 56,000."""
    assert body_of("customerio", alert())["timestamp"] == NOON_MS // 1000
    assert body_of("intercom", alert())["created_at"] == NOON_MS // 1000
    assert body_of("intercom", alert())["metadata"]["expected_by_date"] == NOON_MS // 1000 - 86_400
    for name, where in (("braze", "time"), ("hubspot", "occurredAt")):
        body = body_of(name, alert())
        said = (body["events"][0] if name == "braze" else body)[where]
        assert datetime.fromisoformat(said).timestamp() * 1000 == NOON_MS


def test_hubspot_is_told_by_email_or_record() -> None:
    """Whichever the customer's id is."""
    assert body_of("hubspot", ODD)["email"] == "ann/?x@example.com"
    assert body_of("hubspot", alert(customer_id="51"))["objectId"] == "51"
    assert body_of("hubspot", alert())["uuid"] == body_of("hubspot", alert())["uuid"]
    assert body_of("hubspot", alert())["properties"]["risk"] == "0.834"


def test_an_events_name_is_the_endpoints_or_the_kinds() -> None:
    """A marketer finds it in a list."""
    assert body_of("braze", alert(), "")["events"][0]["name"] == "slipaway_opened"
    assert body_of("intercom", alert(), "at-risk")["event_name"] == "at-risk"
    assert set(TEMPLATES) >= NEEDS_EVENT | NEEDS_SECRET


@pytest.mark.parametrize("name", ["customerio", "braze", "intercom", "hubspot"])
def test_what_an_alert_does_not_say_is_not_sent(name: str) -> None:
    """An empty reason would be an empty line in somebody's mail."""
    text = orjson.dumps(body_of(name, alert())).decode()
    assert "null" not in text
    assert not re.search(r':""', text)
