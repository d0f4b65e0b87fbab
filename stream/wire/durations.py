"""Durations as people write them: "30d", "12h", "1h30m"."""

import re

_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_DURATION = re.compile(r"(?:[0-9]{1,9}[wdhms])+")
_PART = re.compile(r"([0-9]+)([wdhms])")


def parse_duration(text: str) -> int:
    """Give milliseconds; ValueError if `text` is no sum of weeks, days, hours, minutes, seconds."""
    compact = text.replace(" ", "")
    if not _DURATION.fullmatch(compact):
        raise ValueError(f'{text!r} is no duration: write "30d", "12h", "30m", "10s" or "1h30m"')
    return sum(int(count) * _UNITS_MS[unit] for count, unit in _PART.findall(compact))


def format_duration(milliseconds: int) -> str:
    """Write whole seconds as `parse_duration` reads them, in days and below."""
    parts = []
    rest = milliseconds
    for unit in "dhms":
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
