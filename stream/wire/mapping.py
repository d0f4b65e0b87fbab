"""Mappings: how somebody else's records become usage events, said in the policy file.

A mapping names columns (or dotted paths) and nothing more: no expressions, so
nothing that is read is ever evaluated.  It is compiled once per file or stream
into the indexes of a row; a record of JSON is first laid out as such a row.
"""

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingOf
from typing import Any

import msgspec

from stream.detector.events import UsageEvent
from stream.wire import fields
from stream.wire.times import TimeReader

_REMEMBERED_MAX = 100_000  # larger: fewer texts checked twice, 10 MB for every 100,000


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Which column holds what; an empty name means that none does."""

    customer: str
    time: str
    time_format: str = ""
    """"iso", "epoch", "epoch_ms", a strptime pattern, or empty: told by the value."""
    time_of_day_ms: int = 0
    """Where in its day (UTC) a value falls that is only a date."""
    event: str = ""
    event_const: str = ""
    """The name of every event, where no column tells: exactly one of the two is set."""
    volume: str = ""
    id: str = ""
    account: str = ""
    ignore: tuple[tuple[str, str], ...] = ()
    """(column, regex): a row whose value matches one in full is no event."""

    def required(self) -> tuple[str, ...]:
        """Name the columns without which this mapping does not apply."""
        return tuple(filter(None, (self.customer, self.time, self.event)))

    def columns(self) -> tuple[str, ...]:
        """Name every column that is read, each once."""
        named = (*self.required(), self.volume, self.id, self.account)
        return tuple(dict.fromkeys(filter(None, (*named, *(column for column, _ in self.ignore)))))


class RowReader:
    """Reads rows of known columns by one mapping: every name is an index already."""

    def __init__(self, mapping: Mapping, columns: Sequence[str]) -> None:
        """Find the mapping's columns among `columns`; those missing read as None."""
        index = {column: i for i, column in reversed(list(enumerate(columns)))}
        index.pop("", None)  # a column without a name is no answer to "which column: none"
        self._customer = index.get(mapping.customer, -1)
        self._time = index.get(mapping.time, -1)
        self._event = index.get(mapping.event, -1)
        self._constant = mapping.event_const
        self._volume = index.get(mapping.volume, -1)
        self._id = index.get(mapping.id, -1)
        self._account = index.get(mapping.account, -1)
        self._ignore = [
            (index.get(column, -1), _ignored(pattern)) for column, pattern in mapping.ignore
        ]
        self._customers: set[str] = set()
        """Ids that have been checked: rows share them."""
        self._times = TimeReader(mapping.time_format, mapping.time_of_day_ms)
        self._what_customer = f'customer (column "{mapping.customer}")'
        self._what_time = f'time (column "{mapping.time}")'
        self._what_event = f'event (column "{mapping.event}")'
        self._what_volume = f'volume (column "{mapping.volume}")'
        self._what_id = f'id (column "{mapping.id}")'
        self._what_account = f'account (column "{mapping.account}")'

    def read(self, row: Sequence[Any], received_at: int) -> UsageEvent | None:
        """Give the row's event, None for a row that is none, or raise BadEvent.

        `row` ends in one value more than there are columns, None: what is
        missing is found there, at index -1.
        """
        for i, ignored in self._ignore:
            if ignored(row[i]):
                return None
        customer_id = row[self._customer]
        if customer_id.__class__ is not str or customer_id not in self._customers:
            customer_id = self._new_customer(customer_id)
        return UsageEvent(
            customer_id,
            self._constant or fields.event(row[self._event], self._what_event),
            self._times.read(row[self._time], self._what_time),
            received_at,
            fields.optional(row[self._id], self._what_id) if self._id >= 0 else "",
            fields.volume_column(row[self._volume], self._what_volume)
            if self._volume >= 0
            else 1.0,
            fields.optional(row[self._account], self._what_account) if self._account >= 0 else "",
        )

    def _new_customer(self, value: object) -> str:
        customer_id = fields.customer(value, self._what_customer)
        if len(self._customers) >= _REMEMBERED_MAX:
            self._customers.clear()
        self._customers.add(customer_id)
        return customer_id


class RecordReader:
    """Reads records (JSON objects, or rows by name) by one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        """Compile the mapping's paths."""
        columns = mapping.columns()
        self.mapping = mapping
        self._required = tuple(_lookup(column) for column in mapping.required())
        self._lookups = tuple(_lookup(column) for column in columns)
        self._row = RowReader(mapping, columns)

    def present(self, record: MappingOf[str, object]) -> int:
        """Count how many of the required columns the record has."""
        return sum(lookup(record) is not None for lookup in self._required)

    def fits(self, record: MappingOf[str, object]) -> bool:
        """Say whether the record has all of the required columns."""
        return all(lookup(record) is not None for lookup in self._required)

    def read(self, record: MappingOf[str, object], received_at: int) -> UsageEvent | None:
        """Give the record's event, None for a record that is none, or raise BadEvent."""
        row = [lookup(record) for lookup in self._lookups]
        row.append(None)
        return self._row.read(row, received_at)


def _lookup(path: str) -> Callable[[MappingOf[str, object]], object]:
    """Compile a column name or dotted path; a column of the very name goes first."""
    steps = path.split(".")

    def by_name(record: MappingOf[str, object]) -> object:
        return record.get(path)

    def by_path(record: MappingOf[str, object]) -> object:
        if path in record:
            return record[path]
        value: object = record
        for step in steps:
            if not isinstance(value, MappingOf):
                return None
            value = value.get(step)
        return value

    return by_name if len(steps) == 1 else by_path


def _ignored(pattern: str) -> Callable[[object], bool]:
    """Compile a rule of `ignore`; what it said of a text before, it need not find out again."""
    matches = re.compile(pattern).fullmatch
    remembered: dict[str, bool] = {}

    def ignored(value: object) -> bool:
        text = value if isinstance(value, str) else _as_text(value)
        known = remembered.get(text)
        if known is None:
            known = matches(text) is not None
            if len(text) <= fields.SHORT_CHARACTERS:
                if len(remembered) >= _REMEMBERED_MAX:
                    remembered.clear()
                remembered[text] = known
        return known

    return ignored


def _as_text(value: object) -> str:
    """Write a value as the policy's author would: missing as nothing, whole numbers without .0."""
    if value is None or value != value:  # noqa: PLR0124 - NaN, how tables say "missing"
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
