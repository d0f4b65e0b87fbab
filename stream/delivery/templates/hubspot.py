"""HubSpot: an occurrence of a custom event of a contact; workflows can be enrolled by it.

POST /events/v3/send with `eventName` (fully qualified, pe{HubID}_{name}: the event
has to be defined first, so the endpoint has to name it), `occurredAt`, flat
`properties` with text for values, and whom it is about: `email` if the customer's id
is one, else `objectId`, the contact's record id.  `uuid` is what HubSpot knows a
repeated event by.  Authorization: Bearer.
https://developers.hubspot.com/docs/api-reference/events-send-event-completions-v3/basic/post-events-v3-send
"""

from uuid import NAMESPACE_OID, uuid5

import orjson

from stream.delivery.request import Request
from stream.delivery.templates.fields import said
from stream.detector.alerts import Alert
from stream.wire.times import iso


def hubspot(alert: Alert, event: str) -> Request | None:
    """Say it of the contact; a notice is about nobody."""
    if not alert.customer_id:
        return None
    whom = "email" if "@" in alert.customer_id else "objectId"
    properties = said(alert, "customer_id", "time")
    body = {
        "eventName": event,
        whom: alert.customer_id,
        "occurredAt": iso(alert.time),
        "uuid": str(uuid5(NAMESPACE_OID, alert.alert_id)),
        "properties": {name: _text(value) for name, value in properties.items()},
    }
    return Request(path="/events/v3/send", body=orjson.dumps(body))


def _text(value: object) -> str:
    """Write a value as HubSpot's properties want it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
