"""Schema: the figures of a report as a JSON Schema, from the types that hold them.

Words come from the types' source, so that they are never of another release.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from stream.contract.alert_schema import JSON_SCHEMA, words_of


def document(kind: type[msgspec.Struct], name: str, title: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what is encoded of a type.

    Readers have to ignore fields that they do not know: a later release adds some.
    """
    (found,), types = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for struct in _structs(msgspec.inspect.type_info(kind), set()):
        _describe(types[struct.__name__], struct)
    return {
        "$schema": JSON_SCHEMA,
        "$id": f"urn:slipaway:{name}:v1",
        "title": title,
        **found,
        "$defs": dict(sorted(types.items())),
    }


def _describe(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Put beside each field what its class, or the one it inherits it from, says of it."""
    for origin in struct.__mro__:
        if issubclass(origin, msgspec.Struct) and origin is not msgspec.Struct:
            for field, words in words_of(origin).items():
                schema["properties"][field].setdefault("description", words)


def _structs(found: Any, seen: set[type]) -> Iterator[type[msgspec.Struct]]:
    """Give the types that a type is made of, each once."""
    if isinstance(found, msgspec.inspect.StructType):
        if found.cls in seen:
            return
        seen.add(found.cls)
        yield found.cls
        parts = [field.type for field in found.fields]
    elif isinstance(found, msgspec.inspect.UnionType):
        parts = list(found.types)
    elif isinstance(found, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        parts = [found.item_type]
    elif isinstance(found, msgspec.inspect.DictType):
        parts = [found.value_type]
    else:
        parts = []
    for part in parts:
        yield from _structs(part, seen)
