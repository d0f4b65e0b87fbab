"""Intercom: a data event of a contact; segments and messages can ask for it.

POST /events with `event_name`, `created_at` (seconds) and `user_id`, and at most ten
flat keys of `metadata`: further ones are ignored, so the ten worth most are chosen.
A key that ends in `_date` holds seconds and is shown as a date.  Authorization:
Bearer.  The endpoint's URL is the region's host, as https://api.intercom.io.
https://developers.intercom.com/docs/references/rest-api/api.intercom.io/data-events/createdataevent
"""

import orjson

from stream.delivery.request import Request
from stream.delivery.templates.fields import event_name, said, seconds
from stream.detector.alerts import Alert

API_VERSION = "2.11"
METADATA_MAX = 10
_FIELDS = (
    "alert_id",
    "episode_id",
    "severity",
    "trigger",
    "risk",
    "silent_for_seconds",
    "usual_gap_seconds",
    "reason_1_text",
    "reason_2_text",
)


def intercom(alert: Alert, event: str) -> Request | None:
    """Say it of the contact; a notice is about nobody."""
    if not alert.customer_id:
        return None
    fields = said(alert)
    metadata = {name: fields[name] for name in _FIELDS if name in fields}
    if alert.expected_by is not None:
        metadata["expected_by_date"] = alert.expected_by // 1_000
    body = {
        "event_name": event_name(alert, event),
        "created_at": seconds(alert),
        "user_id": alert.customer_id,
        "metadata": metadata,
    }
    headers = (("Accept", "application/json"), ("Intercom-Version", API_VERSION))
    return Request(path="/events", body=orjson.dumps(body), headers=headers)
