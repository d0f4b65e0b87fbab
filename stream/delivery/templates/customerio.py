"""Customer.io: an event of a person, by the Journeys Track API; campaigns are triggered by it.

POST /api/v1/customers/{identifier}/events with `name`, `timestamp` (seconds) and
`data`; HTTP Basic, site id and API key.  The endpoint's URL is the region's host:
https://track.customer.io or https://track-eu.customer.io.  `id`, a ULID, is what
Customer.io knows a repeated event by.
https://docs.customer.io/integrations/api/track/#operation/track
"""

from hashlib import blake2b
from urllib.parse import quote

import orjson

from stream.delivery.request import Request
from stream.delivery.templates.fields import event_name, said, seconds
from stream.detector.alerts import Alert

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_LENGTH = 26
_CHANCE_BYTES = 10
_OVERRIDES = ("from_address", "recipient", "reply_to")
"""Properties that would override a campaign's settings; no alert has them, and none may."""


def customerio(alert: Alert, event: str) -> Request | None:
    """Say it of the person; a notice is about nobody."""
    if not alert.customer_id:
        return None
    body = {
        "name": event_name(alert, event),
        "id": ulid(alert),
        "timestamp": seconds(alert),
        "data": said(alert, "customer_id", *_OVERRIDES),
    }
    person = quote(alert.customer_id, safe="")
    return Request(path=f"/api/v1/customers/{person}/events", body=orjson.dumps(body))


def ulid(alert: Alert) -> str:
    """Return the alert's id as a ULID: its time (ms), and 80 bits of a hash for chance."""
    chance = blake2b(alert.alert_id.encode(), digest_size=_CHANCE_BYTES).digest()
    number = int.from_bytes(alert.time.to_bytes(6) + chance)
    digits = [_CROCKFORD[number >> 5 * place & 31] for place in range(_ULID_LENGTH)]
    return "".join(reversed(digits))
