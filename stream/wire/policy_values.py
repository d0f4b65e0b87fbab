"""One value of the policy file at a time: what it may be, and what to write instead.

Every reader takes what the TOML parser found and either gives the value the
detector computes with or raises ValueError with a sentence for the author.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import NamedTuple

from stream.detector.events import DAY_MS
from stream.detector.segments import Comparison, Condition, FromTrait, Value
from stream.wire import times, zones
from stream.wire.durations import format_duration, parse_duration
from stream.wire.fields import TEXT_BYTES_MAX
from stream.wire.holiday_dates import YEARS, holidays_of

WORTH_MAX = 1e15

Read = Callable[[object], object]


class Local(NamedTuple):
    """A moment by the clock of a zone that is not known yet."""

    clock_ms: int
    """Milliseconds since 1970-01-01 00:00 of the same clock."""


def duration(*, least: int, most: int) -> Read:
    """Read "30d" as milliseconds, from `least` to `most`."""

    def read(value: object) -> int:
        if not isinstance(value, str):
            raise ValueError(  # noqa: TRY004 - the author's, not a caller's
                f'{value!r} has no unit: write a duration such as "30d" or "12h"'
            )
        given = parse_duration(value)
        if not least <= given <= most:
            raise ValueError(
                f"{value!r} is out of range: from {format_duration(least)} "
                f"to {format_duration(most)}"
            )
        return given

    return read


def number(*, above: float, below: float, why: str) -> Read:
    """Read a number strictly between `above` and `below`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} is no number")  # noqa: TRY004 - as above
        if not above < value < below:
            raise ValueError(f"{value!r} is out of range: {why}")
        return float(value)

    return read


def whole(*, least: int, most: int) -> Read:
    """Read a whole number from `least` to `most`."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r} is no whole number")  # noqa: TRY004 - as above
        if not least <= value <= most:
            raise ValueError(f"{value} is out of range: from {least} to {most}")
        return value

    return read


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 - as above
    return value


def text(value: object) -> str:
    """Read text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r}: expected text in quotes")
    return value


def columns(value: object) -> str | tuple[str, ...]:
    """Read a column's name, or a list of them: the first that holds something counts."""
    if not isinstance(value, list):
        return text(value)
    if not value:
        raise ValueError("[] names no column")
    return tuple(map(text, value))


def globs(value: object) -> tuple[str, ...]:
    """Read a list of event names, with * and ? and [...] standing for others."""
    if isinstance(value, str):
        raise ValueError(f"{value!r} is one name: write a list, [{value!r}]".replace("'", '"'))  # noqa: TRY004 - as above
    if not isinstance(value, list):
        raise ValueError(f'{value!r}: expected a list of event names, such as ["order", "visit*"]')  # noqa: TRY004 - as above
    wrong = [item for item in value if not isinstance(item, str) or not item]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no event name: expected text in quotes")
    return tuple(dict.fromkeys(value))


def time_of_day(value: object) -> int:
    """Read "12:00:00" (UTC) as milliseconds since midnight."""
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            raise ValueError(f'{value!r} is no time of day: write "12:00:00"') from None
    if not isinstance(value, time) or value.tzinfo is not None:
        raise ValueError(f'{value!r} is no time of day in UTC: write "12:00:00"')
    at = datetime(1970, 1, 1, value.hour, value.minute, value.second, value.microsecond, UTC)
    return times.milliseconds(at) % DAY_MS


def time_format(value: object) -> str:
    """Read "iso", "epoch", "epoch_ms" or a strptime pattern that can read what it writes."""
    pattern = text(value)
    if pattern in (times.ISO, times.EPOCH_SECONDS, times.EPOCH_MS):
        return pattern
    if "%" not in pattern:
        raise ValueError(
            f'{pattern!r} is no time format: "iso", "epoch", "epoch_ms" '
            'or a pattern such as "%Y-%m-%d %H:%M"'
        )
    sample = datetime(2020, 2, 29, 23, 58, 59, tzinfo=UTC)
    try:
        read = datetime.strptime(sample.strftime(pattern), pattern)  # noqa: DTZ007 - only the date is compared
    except (ValueError, re.error) as error:
        raise ValueError(f"{pattern!r} is no strptime pattern: {error}") from None
    if read.date() != sample.date():
        raise ValueError(f"{pattern!r} leaves the date open: it needs year, month and day")
    return pattern


def ignore(value: object) -> tuple[tuple[str, str], ...]:
    """Read {Column = "regex"}: rows that are no events."""
    if not isinstance(value, dict):
        raise ValueError(f'{value!r}: expected {{Column = "regex"}}')  # noqa: TRY004 - as above
    for column, pattern in value.items():
        if not isinstance(pattern, str):
            raise ValueError(f"{column} = {pattern!r}: expected a regular expression in quotes")  # noqa: TRY004 - as above
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{column} = {pattern!r} is no regular expression: {error}") from None
    return tuple(value.items())


def event(value: object) -> tuple[str | tuple[str, ...], str]:
    """Read columns or {const = "name"}: (columns, constant), one of them empty."""
    if isinstance(value, list) or (isinstance(value, str) and value.strip()):
        return columns(value), ""
    if isinstance(value, dict) and list(value) == ["const"]:
        name = value["const"]
        if isinstance(name, str) and name and "\0" not in name:
            if len(name.encode()) > TEXT_BYTES_MAX:
                raise ValueError(f"the name is longer than {TEXT_BYTES_MAX} bytes")
            return "", name
    raise ValueError(f'{value!r}: expected a column ("action") or a constant ({{const = "order"}})')


def names(value: object) -> tuple[str, ...]:
    """Read a list of names, or one by itself."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise ValueError(f'{value!r}: expected a list of names, such as ["trial", "team"]')
    return tuple(map(text, value))


def word_of(words: type[StrEnum]) -> Read:
    """Read one of some words."""
    read = one_of(*words)
    return lambda value: words(str(read(value)))


def some_of(words: type[StrEnum]) -> Read:
    """Read a list of some words, or one by itself."""

    def read(value: object) -> tuple[StrEnum, ...]:
        one = one_of(*words)
        return tuple(words(str(one(name))) for name in names(value))

    return read


def conditions(value: object) -> tuple[Condition, ...]:
    """Read {trait = value}: a value, a list of them, or a bound such as ">= 50"."""
    if not isinstance(value, dict) or not value:
        raise ValueError(
            f'{value!r}: expected traits and what they are, {{ plan = "trial", seats = ">= 50" }}'
        )
    return tuple(_condition(trait, wanted) for trait, wanted in value.items())


def _condition(trait: str, wanted: object) -> Condition:
    if isinstance(wanted, str) and wanted.startswith((">", "<")):
        found = re.fullmatch(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)", wanted.strip())
        if not found:
            raise ValueError(f'{trait} = {wanted!r}: expected a bound such as ">= 50"')
        return Condition(
            trait=trait, comparison=Comparison(found.group(1)), bound=float(found.group(2))
        )
    values: list[Value] = []
    for one in wanted if isinstance(wanted, list) else [wanted]:
        if not isinstance(one, str | int | float):
            raise ValueError(f"{trait} = {one!r}: expected text, a number, true or false")  # noqa: TRY004 - as above
        values.append(one)
    if not values:
        raise ValueError(f"{trait} = []: no customer has one of no values")
    return Condition(trait=trait, one_of=tuple(values))


def from_trait(value: object) -> FromTrait | None:
    """Read {trait = "mrr"}; None: it is something else."""
    if isinstance(value, dict) and list(value) == ["trait"]:
        return FromTrait(text(value["trait"]))
    return None


def trait(value: object) -> FromTrait:
    """Read which trait says it: {trait = "seats"}."""
    found = from_trait(value)
    if found is None:
        raise ValueError(f'{value!r}: expected the trait that says it: {{trait = "seats"}}')
    return found


def worth(value: object) -> FromTrait | float:
    """Read what a customer is worth: a number, or {trait = "mrr"}."""
    found = from_trait(value)
    if found is not None:
        return found
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f'{value!r}: expected a number, or the trait with it: {{trait = "mrr"}}')  # noqa: TRY004 - as above
    if not abs(value) <= WORTH_MAX:
        raise ValueError(f"{value!r} is out of range: at most {WORTH_MAX:.0e} either way")
    return float(value)


def owner(value: object) -> FromTrait | str:
    """Read who looks after a customer: a name, or {trait = "csm"}."""
    return from_trait(value) or text(value)


def moment(value: object) -> int | Local:
    """Read a date (its begin), or a date with a time, as ms since 1970: UTC if it says so."""
    if isinstance(value, datetime):
        at = times.milliseconds(value)
        return at if value.tzinfo else Local(at)
    return Local(times.milliseconds(datetime.combine(_date(value), time(), UTC)))


def day(value: object) -> date:
    """Read a date on which something may happen."""
    found = _date(value)
    if found.year not in YEARS:
        raise ValueError(f"{found} is out of range: from {YEARS[0]} to {YEARS[-1]}")
    return found


def _date(value: object) -> date:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError(f"{value!r} is no date: write 2026-10-01, without quotes")  # noqa: TRY004 - as above
    return value


def time_zone(value: object) -> str:
    """Read a time zone's name in the IANA database."""
    name = text(value)
    zones.offsets(name)
    return name


def holiday_places(value: object) -> tuple[str, ...]:
    """Read a country whose holidays count, or a part of one, or a list of them."""
    places = names(value)
    for place in places:
        holidays_of(place)
    return tuple(dict.fromkeys(places))


def one_of(*words: str) -> Read:
    """Read one of some words."""

    def read(value: object) -> str:
        if value not in words or not isinstance(value, str):
            quoted = ", ".join(f'"{word}"' for word in words)
            raise ValueError(f"{value!r}: expected one of {quoted}")
        return value

    return read


def delimiter(value: object) -> str:
    r"""Read one character, or "whitespace"."""
    if value == "whitespace" or (
        isinstance(value, str) and len(value) == 1 and value not in '\r\n"'
    ):
        return str(value)
    raise ValueError(f'{value!r}: expected one character such as "," or ";", or "whitespace"')
