"""Plain: the published data, flat, as Standard Webhooks has payloads.

`type` and `timestamp` stand before the data's own fields, as the specification
allows ("squashed as part of the top-level object").
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import orjson

from stream.delivery.request import Request
from stream.delivery.templates.fields import published
from stream.detector.alerts import Alert
from stream.wire.alerts import alert_type
from stream.wire.times import iso


def plain(alert: Alert, event: str) -> Request:
    """Say all of it."""
    head = {"type": event or alert_type(alert), "timestamp": iso(alert.time)}
    return Request(body=orjson.dumps({**head, **published(alert)}))
