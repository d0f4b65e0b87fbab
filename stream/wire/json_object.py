"""One JSON object from bytes nobody has vouched for.

Size and depth are settled before anything looks inside: a value of a gigabyte
or of ten thousand brackets is an attack or an accident, never an event.

A schema registry's serialisers put a frame before the value: a zero byte and the
schema's id.  What follows is JSON for JSON Schema, and is read; Avro and Protobuf
need the schema itself, and are refused by name.
https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/
"""

from typing import Any, Final

import orjson

from stream.detector.errors import BadEvent, Code
from stream.wire.fields import shown

BYTES_MAX: Final = 1_048_576  # what brokers take by default; larger: one event may stall a block
DEPTH_MAX: Final = 64

_FRAME_BYTES = 5
"""A zero byte and a schema id of four, the highest first."""


def parse(value: bytes | None) -> dict[str, Any]:
    """Give the object in `value`, at most 1 MiB and 64 levels deep, or raise BadEvent."""
    if not value:
        raise BadEvent(Code.EMPTY, "the value is empty: a tombstone says nothing about usage")
    record = parse_any(value)
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise BadEvent(Code.NOT_AN_OBJECT, f"JSON, but a {kind}: expected one object per event")
    return record


def parse_any(value: bytes) -> Any:
    """Give what JSON there is in `value`, at most 1 MiB and 64 levels deep, or raise BadEvent."""
    if len(value) > BYTES_MAX:
        raise BadEvent(Code.TOO_LARGE, f"{len(value)} bytes: at most {BYTES_MAX} are read")
    if value[0] == 0:
        value = _unframed(value)
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _fault(value, str(error)) from error
    brackets = value.count(b"{") + value.count(b"[")
    if brackets > DEPTH_MAX and isinstance(parsed, dict | list) and _depth(parsed) > DEPTH_MAX:
        raise BadEvent(Code.TOO_DEEP, f"nested deeper than {DEPTH_MAX} levels")
    return parsed


def _unframed(value: bytes) -> bytes:
    """Take a schema registry's frame off, if there is one."""
    if len(value) < _FRAME_BYTES:
        return value
    if value[_FRAME_BYTES : _FRAME_BYTES + 1] != b"{":
        schema = int.from_bytes(value[1:_FRAME_BYTES], "big")
        raise BadEvent(
            Code.UNSUPPORTED_FORMAT,
            f"framed for a schema registry (schema {schema}), and no JSON object follows: Avro and"
            " Protobuf are not read; write JSON, plain or by the JSON Schema serialiser",
        )
    return value[_FRAME_BYTES:]


def _fault(value: bytes, fault: str) -> BadEvent:
    # orjson itself stops at 1,024 levels, without recursing in our stack.
    if "depth limit" in fault:
        return BadEvent(Code.TOO_DEEP, f"nested deeper than {DEPTH_MAX} levels")
    found = f"{fault}; it begins {shown(value[:40])}"
    # Half of a surrogate pair is text that no UTF-8 holds, however it is written down.
    code = Code.NOT_UTF8 if "UTF-8: " in fault or "surrogate" in fault else Code.NOT_JSON
    return BadEvent(code, found)


def _depth(parsed: dict[str, Any] | list[Any]) -> int:
    """Count levels, level by level: no recursion, whatever came."""
    depth = 0
    level: list[Any] = [parsed]
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth
