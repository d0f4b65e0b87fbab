"""Columns: which of them says who, when and what, by their values and then by their names."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stream.detector.errors import BadEvent
from stream.wire.times import TimeReader

_CUSTOMER = ("customer", "user", "client", "member", "subscriber", "account", "enrol", "visitor")
_EVENT = ("event", "action", "activity", "verb", "type", "kind", "operation")
_TIME_FORMATS = (
    *("", "%Y%m%d", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M"),
    *("%d.%m.%Y", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"),
    *("%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%y %H:%M"),
    *("%d/%m/%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%y %H:%M"),
)
"""Month first before day first: where no value of the sample tells, both would do."""
_READS_LEAST = 0.98
_KINDS_MOST = 200
_WORD = re.compile(r"[a-z]+|[A-Z][a-z]*|[A-Z]+(?![a-z])")


class Columns(NamedTuple):
    """Which columns are to be read, and how."""

    customer: str
    time: str
    time_format: str
    """As in a policy; empty: it shows by itself."""
    whole_days: bool
    """The times are dates only."""
    event: str
    """Empty: no column says what was done."""
    nobody: float
    """The share of rows that name no customer."""


class NoColumnError(Exception):
    """No column of a log can be what is needed: say which is, in a policy of your own."""


def guess(columns: dict[str, list[str]]) -> Columns:
    """Find the columns; NoColumnError names what none of them can be."""
    times = dict(_times(columns))
    if not times:
        raise NoColumnError(f"no column holds times: there are {_listed(columns)}")
    time = max(times, key=lambda name: (_named(name, ("time", "date", "stamp", "at", "ts")), name))
    others = {name: values for name, values in columns.items() if name not in times}
    customers = [name for name, values in others.items() if _names_customers(values)]
    named = [name for name in customers if _named(name, _CUSTOMER)]
    if not named:
        raise NoColumnError(
            f"no column is called what customers are called, such as customer_id or user:"
            f" there are {_listed(columns)}"
        )
    customer = max(named, key=lambda name: _rank(name, _CUSTOMER))
    events = [
        name
        for name, values in others.items()
        if name != customer and _named(name, _EVENT) and 1 <= _kinds(values) <= _KINDS_MOST
    ]
    values = columns[customer]
    return Columns(
        customer=customer,
        time=time,
        time_format=times[time],
        whole_days=_whole_days(columns[time], times[time]),
        event=max(events, key=lambda name: _rank(name, _EVENT), default=""),
        nobody=values.count("") / len(values),
    )


def _times(columns: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Give the columns that hold times, each with the first format that reads them."""
    for name, values in columns.items():
        for time_format in _TIME_FORMATS:
            if _reads(values, time_format):
                yield name, time_format
                break


def _reads(values: Sequence[str], time_format: str) -> bool:
    """Tell whether a format reads nearly all of a column."""
    read = TimeReader(time_format).read
    failed = 0
    for value in values:
        try:
            read(value)
        except BadEvent:
            failed += 1
            if failed > len(values) * (1 - _READS_LEAST):
                return False
    return True


def _whole_days(values: Sequence[str], time_format: str) -> bool:
    """Tell whether times are dates: put at another time of day, they all move."""
    early, late = TimeReader(time_format, 0), TimeReader(time_format, 1)
    for value in filter(None, values):
        try:
            if early.read(value) == late.read(value):
                return False
        except BadEvent:
            continue
    return True


def _names_customers(values: Sequence[str]) -> bool:
    """Tell whether values come again: a row's own number does not."""
    named = [value for value in values if value]
    return bool(named) and 1 < len(set(named)) < len(named)


def _kinds(values: Sequence[str]) -> int:
    return len(set(filter(None, values)))


def _named(name: str, words: Sequence[str]) -> bool:
    return _rank(name, words) > 0


def _rank(name: str, words: Sequence[str]) -> float:
    """Say how well a column's name fits: earlier words, and names of fewer words, fit better."""
    parts = [part.lower() for part in _WORD.findall(name)]
    found = [
        place for place, word in enumerate(words) if any(part.startswith(word) for part in parts)
    ]
    return (len(words) - min(found) + 1 / (1 + len(parts))) if found else 0.0


def _listed(columns: dict[str, list[str]]) -> str:
    return ", ".join(columns) or "none"
