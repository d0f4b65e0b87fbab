"""Bundles: many events in one value, as senders post them to their vendor.

Segment's libraries (and PostHog's) post `{"batch": [...]}`, Amplitude's post
`{"api_key": ..., "events": [...]}`.  Whoever puts such a body into a topic as it came
is understood.  What Segment's bundle says of all of its calls holds for each that
does not say otherwise.
https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/#batch
https://posthog.com/docs/api/capture
https://amplitude.com/docs/apis/analytics/batch-event-upload
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stream.detector.errors import BadEvent
from stream.detector.events import UsageEvent
from stream.wire.segment import TYPES


class Bundle(NamedTuple):
    """What one value of many events came to."""

    events: tuple[UsageEvent, ...]
    bad: BadEvent | None
    """Why some of it cannot be used; None: all of it can, or is no event."""


class Unread(NamedTuple):
    """The events of one value, before they are read."""

    items: Sequence[object]
    uploaded: bool
    """They are Amplitude's, and not to be told by their own shape."""


def unread(record: Mapping[str, Any]) -> Unread | None:
    """Give the events of a bundle; None for a record that is none."""
    if record.get("type") is not None:
        return None
    batch, events = record.get("batch"), record.get("events")
    if isinstance(batch, list):
        return Unread([_completed(item, record) for item in batch], uploaded=False)
    if isinstance(events, list) and isinstance(record.get("api_key"), str):
        return Unread(events, uploaded=True)
    return None


def fault(bad: Sequence[tuple[int, BadEvent]], count: int) -> BadEvent | None:
    """Give one reason for the events that cannot be used: (place, reason) of each, of `count`."""
    if not bad:
        return None
    place, first = bad[0]
    more = f"; {len(bad) - 1} more of them cannot be used" if len(bad) > 1 else ""
    return BadEvent(first.code, f"[{place}] of a batch of {count}: {first.message}{more}")


def _completed(item: object, batch: Mapping[str, Any]) -> object:
    """Give a Segment call what its batch says of all calls."""
    if not isinstance(item, dict):
        return item
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return item
    call: dict[str, Any] = {**_clocks(item, batch), **item}
    if "originalTimestamp" in call and "originalTimestamp" not in item:
        call["timestamp"] = None  # it was the sender's own clock; now it can be corrected
    ours, theirs = batch.get("context"), item.get("context")
    if isinstance(ours, dict) and (theirs is None or isinstance(theirs, dict)):
        call["context"] = {**ours, **(theirs or {})}
    return call


def _clocks(call: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
    """Give the clocks of a batch that say how wrong its sender's was."""
    clocks = {key: batch[key] for key in ("sentAt", "receivedAt") if batch.get(key)}
    if len(clocks) > 1 and call.get("timestamp"):
        clocks["originalTimestamp"] = call["timestamp"]
    return clocks
