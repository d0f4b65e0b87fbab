"""Public holidays of a country, as dates.

The dates go into the policy as they are, and so into its version: where a newer
release of the calendars moves a holiday, that is another policy, and nothing
that changes behind one's back.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache

from stream.detector.calendar import Holiday, day_of

YEARS = range(1990, 2061)
"""From the earliest event on; what comes later nobody knows."""


@lru_cache(maxsize=64)
def holidays_of(place: str) -> tuple[Holiday, ...]:
    """Give the holidays of a country ("GB"), or of a part of one ("GB-SCT"), by date.

    ValueError: there is no such place, or nobody keeps its holidays.
    """
    import holidays  # noqa: PLC0415 - a tenth of a second, for who names a country

    country, _, part = place.partition("-")
    known: Mapping[str, Sequence[str]] = holidays.list_supported_countries()
    if country not in known:
        raise ValueError(
            f'"{country}" is no country whose holidays are known{_meant(country, known)}'
        )
    if part and part not in known[country]:
        there = ", ".join(f"{country}-{one}" for one in known[country])
        raise ValueError(
            f'"{place}" has no holidays of its own; there are {there}'
            if there
            else f'"{place}": the holidays of {country} are the same everywhere: write "{country}"'
        )
    found = holidays.country_holidays(country, subdiv=part or None, years=YEARS)
    return tuple(_by_date(found))


def days_of(first: date, last: date, name: str) -> Holiday:
    """Give the days from one date to another as a holiday."""
    return Holiday(name, day_of(first), day_of(last))


def _by_date(found: Mapping[date, str]) -> Iterator[Holiday]:
    for day in sorted(found):
        yield days_of(day, day, found[day])


def _meant(country: str, known: Mapping[str, Sequence[str]]) -> str:
    """Say what was probably meant: a country's code is two letters."""
    if country.upper() in known:
        return f': did you mean "{country.upper()}"?'
    return ': write its two letters, such as "GB"'
