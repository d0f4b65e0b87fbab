"""YAML of plain values: mappings and lists as blocks, everything else as JSON writes it.

JSON's scalars are YAML's, so nothing has to be known of what YAML would guess
from bare words; only names that nobody could take for anything else stand bare.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

_BARE = re.compile(r"[A-Za-z_$][A-Za-z0-9_.-]{2,}")
_NOT_BARE = frozenset({"true", "false", "null", "yes", "off"})


def block_yaml(value: Any) -> str:
    """Write a mapping or a list."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    """Give the lines of a value."""
    if _simple(value):
        yield _scalar(value)
    elif isinstance(value, dict):
        for name, part in value.items():
            if _simple(part):
                yield f"{_name(name)}: {_scalar(part)}"
            else:
                yield f"{_name(name)}:"
                yield from (f"  {line}" for line in _lines(part))
    else:
        for part in value:
            first, *more = _lines(part)
            yield f"- {first}"
            yield from (f"  {line}" for line in more)


def _simple(value: Any) -> bool:
    return not isinstance(value, dict | list) or not value


def _name(name: str) -> str:
    bare = _BARE.fullmatch(name) and name.lower() not in _NOT_BARE
    return name if bare else _scalar(name)


def _scalar(value: Any) -> str:
    return orjson.dumps(value).decode()
