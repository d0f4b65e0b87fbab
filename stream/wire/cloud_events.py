"""CloudEvents 1.0: an envelope that says who, what and when, whatever is inside of it.

On Kafka there are two modes.  Structured: the value is the envelope, as JSON, and
the header `content-type` says so.  Binary: headers `ce_*` are the envelope, and the
value is the data, in a format of its own.  Both become one record here, with the
data in its `data`.  Batches are not allowed on Kafka.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stream.detector.errors import BadEvent, Code
from stream.wire import json_object
from stream.wire.fields import shown

Headers = Sequence[tuple[str, bytes | None]]
"""Of a record, in order."""

OUR_ALERTS: Final = "slipaway."
"""What the types of our own alerts begin with."""

_MEDIA_TYPE = "application/cloudevents"
_BATCH = "application/cloudevents-batch"
_PREFIX = "ce_"
_VERSION = "ce_specversion"
_CONTENT_TYPE = "content-type"
_REQUIRED = ("specversion", "id", "source", "type")


def declared(headers: Headers) -> bool:
    """Tell whether a record's headers say that it is a CloudEvent."""
    for name, value in headers:
        if name == _VERSION:
            return True
        if name == _CONTENT_TYPE and (value or b"").lower().startswith(_MEDIA_TYPE.encode()):
            return True
    return False


def any_declared(headers: Sequence[Headers]) -> bool:
    """Tell whether there is a CloudEvent among records, by their headers."""
    names = {name for of_record in headers for name, _ in of_record}
    return _VERSION in names or (_CONTENT_TYPE in names and any(map(declared, headers)))


def is_one(record: Mapping[str, object]) -> bool:
    """Tell whether a record has all that a CloudEvent must have."""
    return all(record.get(name) is not None for name in _REQUIRED)


def record_of(value: bytes | None, headers: Headers) -> dict[str, Any]:
    """Give the envelope that `headers` declare, or raise BadEvent."""
    texts = {name: _text(name, found) for name, found in headers if _tells(name)}
    content_type = texts.pop(_CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if not content_type.startswith(_MEDIA_TYPE):
        return _from_headers(value, content_type, texts)
    if content_type.startswith(_BATCH):
        raise BadEvent(
            Code.UNSUPPORTED_FORMAT, "a batch of CloudEvents: on Kafka, each is a record of its own"
        )
    if content_type not in (_MEDIA_TYPE, f"{_MEDIA_TYPE}+json"):
        raise BadEvent(
            Code.UNSUPPORTED_FORMAT,
            f"content-type is {shown(content_type)}: of structured CloudEvents, JSON is read",
        )
    record = json_object.parse(value)
    if record.get("specversion") is None:
        raise BadEvent(
            Code.UNKNOWN_TYPE, f"content-type is {content_type}, but there is no specversion"
        )
    return record


def check(record: Mapping[str, object]) -> None:
    """Raise BadEvent for an envelope that is not of version 1, or one of our own alerts."""
    version, kind = record.get("specversion"), record.get("type")
    if not isinstance(version, str) or not version.startswith("1."):
        raise BadEvent(
            Code.UNSUPPORTED_FORMAT, f"specversion is {shown(version)}: CloudEvents 1.0 are read"
        )
    if isinstance(kind, str) and kind.startswith(OUR_ALERTS):
        raise BadEvent(Code.UNKNOWN_TYPE, f"type is {shown(kind)}: an alert of ours is no usage")


def _from_headers(
    value: bytes | None, content_type: str, texts: Mapping[str, str]
) -> dict[str, Any]:
    record: dict[str, Any] = {name.removeprefix(_PREFIX): text for name, text in texts.items()}
    if content_type:
        record["datacontenttype"] = content_type
    subtype = content_type.partition("/")[2]
    unsaid = not content_type and value is not None and value.startswith(b"{")
    if value and (subtype == "json" or subtype.endswith("+json") or unsaid):
        record["data"] = json_object.parse_any(value)
    return record


def _tells(name: str) -> bool:
    return name.startswith(_PREFIX) or name == _CONTENT_TYPE


def _text(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError as error:
        raise BadEvent(Code.NOT_UTF8, f"the header {name} is {shown(value)}: not UTF-8") from error
