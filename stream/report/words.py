"""Words: figures as people read them."""

import re
from typing import Final

from stream.tap.line import shown

_ID_CHARACTERS: Final = 120
"""Of an id or a name from outside; the figures have the whole of it."""
_MINUTE_SECONDS: Final = 60
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def amount(value: float | None) -> str:
    """Write a number of things; a dash where nobody knows."""
    return "-" if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """Write a share in percent."""
    return "-" if value is None else f"{value:.0%}".replace("%", " %")


def duration(seconds: float) -> str:
    """Write how long something took, or may take."""
    for least, unit in _UNITS:
        if seconds >= least and not seconds % least:
            return f"{seconds / least:,.0f} {unit}"
    if seconds < _MINUTE_SECONDS:
        return f"{seconds:.1f} s"
    return f"{seconds // _MINUTE_SECONDS:.0f} min {seconds % _MINUTE_SECONDS:.0f} s"


def minus(text: str) -> str:
    """Set signs before figures as signs, not as hyphens."""
    return re.sub(r"(?<![^\s(])-(?=\d)", "\N{MINUS SIGN}", text)


def counted(count: int, one: str) -> str:
    """Write how many there are of something: "1 day", "2 days"."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def named(text: str) -> str:
    """Write an id, or whatever else comes from outside, so that it reads as it is spelt."""
    said = shown(text)
    return said if len(said) <= _ID_CHARACTERS else f"{said[:_ID_CHARACTERS]}…"
