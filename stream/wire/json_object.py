"""One JSON object from bytes nobody has vouched for.

Size and depth are settled before anything looks inside: a value of a gigabyte
or of ten thousand brackets is an attack or an accident, never an event.
"""

from typing import Any, Final

import orjson

from stream.detector.errors import BadEvent, Code
from stream.wire.fields import shown

BYTES_MAX: Final = 1_048_576  # what brokers take by default; larger: one event may stall a block
DEPTH_MAX: Final = 64

_FRAME_BYTES = 5
"""Confluent's framing of schema registries: a zero byte and a 4-byte schema id."""


def parse(value: bytes | None) -> dict[str, Any]:
    """Give the object in `value`, at most 1 MiB and 64 levels deep, or raise BadEvent."""
    if not value:
        raise BadEvent(Code.EMPTY, "the value is empty: a tombstone says nothing about usage")
    if len(value) > BYTES_MAX:
        raise BadEvent(Code.TOO_LARGE, f"{len(value)} bytes: at most {BYTES_MAX} are read")
    if value[0] == 0 and value[_FRAME_BYTES : _FRAME_BYTES + 1] == b"{":
        value = value[_FRAME_BYTES:]
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        # orjson itself stops at 1,024 levels, without recursing in our stack.
        if "depth limit" in str(error):
            raise BadEvent(Code.TOO_DEEP, f"nested deeper than {DEPTH_MAX} levels") from error
        raise BadEvent(Code.NOT_JSON, f"{error}; it begins {shown(value[:40])}") from error
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise BadEvent(Code.NOT_AN_OBJECT, f"JSON, but a {kind}: expected one object per event")
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX and _depth(record) > DEPTH_MAX:
        raise BadEvent(Code.TOO_DEEP, f"nested deeper than {DEPTH_MAX} levels")
    return record


def _depth(record: dict[str, Any]) -> int:
    """Count levels, level by level: no recursion, whatever came."""
    depth = 0
    level: list[Any] = [record]
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth
