"""Braze: a custom event of a user; Canvases and campaigns are triggered by it.

POST /users/track with `events`, each with `external_id`, `name`, `time` (ISO 8601)
and flat `properties`; Authorization: Bearer with a key that may users.track.  The
endpoint's URL is the REST host of the instance.  `_update_existing_only` keeps an
unknown id from becoming an empty profile.
https://www.braze.com/docs/api/endpoints/user_data/post_user_track
https://www.braze.com/docs/api/objects_filters/event_object
"""

import orjson

from stream.delivery.request import Request
from stream.delivery.templates.fields import event_name, said
from stream.detector.alerts import Alert
from stream.wire.times import iso


def braze(alert: Alert, event: str) -> Request | None:
    """Say it of the user; a notice is about nobody."""
    if not alert.customer_id:
        return None
    said_of_user = {
        "external_id": alert.customer_id,
        "name": event_name(alert, event),
        "time": iso(alert.time),
        "properties": said(alert, "customer_id", "time"),
        "_update_existing_only": True,
    }
    return Request(path="/users/track", body=orjson.dumps({"events": [said_of_user]}))
