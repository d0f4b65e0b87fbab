"""Mappings: how somebody else's records become usage events, said in the policy file.

A mapping names columns (or dotted paths) and nothing more: no expressions, so
nothing that is read is ever evaluated.  It is compiled once per file or stream
into the indexes of a row; a record of JSON is first laid out as such a row.
"""

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingOf
from itertools import chain
from typing import Any

import msgspec

from stream.detector.events import UsageEvent
from stream.detector.segments import OF_ACCOUNT
from stream.wire import fields
from stream.wire.identity import Value, plain_traits
from stream.wire.times import TimeReader

_REMEMBERED_MAX = 100_000  # larger: fewer texts checked twice, 10 MB for every 100,000

Columns = str | tuple[str, ...]
"""A column's name or dotted path; of several, the first that a record has anything in."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Which column holds what; an empty name means that none does."""

    customer: Columns
    time: Columns
    time_format: str = ""
    """"iso", "epoch", "epoch_ms", a strptime pattern, or empty: told by the value."""
    time_of_day_ms: int = 0
    """Where in its day (UTC) a value falls that is only a date."""
    event: Columns = ""
    event_const: str = ""
    """The name of every event, where no column tells: exactly one of the two is set."""
    volume: Columns = ""
    id: Columns = ""
    id_scope: Columns = ""
    """Within what an id is given once only, where that is not the customer."""
    account: Columns = ""
    traits: tuple[str, ...] = ()
    """Of who the customer is: a plain value is the trait by the column's name, or the last step of
    its path; an object holds several."""
    account_traits: tuple[str, ...] = ()
    """Likewise of what the customer's account is like."""
    ignore: tuple[tuple[str, str], ...] = ()
    """(column, regex): a row whose value matches one in full is no event."""
    renamed: tuple[tuple[str, str], ...] = ()
    """(an event's name as it comes, as it is taken): what a vendor calls `identify`."""
    preset: str = ""
    """Whose form it is; empty: nobody's in particular."""

    def required(self) -> tuple[tuple[str, ...], ...]:
        """Name the columns of which this mapping needs one each."""
        return tuple(filter(None, map(alternatives, (self.customer, self.time, self.event))))

    def columns(self) -> tuple[str, ...]:
        """Name every column that is read, each once."""
        optional = (self.volume, self.id, self.id_scope, self.account)
        told = self.traits, self.account_traits
        named = chain(*self.required(), *map(alternatives, optional), *told)
        return tuple(dict.fromkeys((*named, *(column for column, _ in self.ignore))))


def alternatives(columns: Columns) -> tuple[str, ...]:
    """Name the columns that may hold a value, in their order; none for an empty name."""
    return tuple(filter(None, (columns,) if isinstance(columns, str) else columns))


class RowReader:
    """Reads rows of known columns by one mapping: every name is an index already."""

    def __init__(
        self, mapping: Mapping, columns: Sequence[str], traits: frozenset[str] = frozenset()
    ) -> None:
        """Find the mapping's columns among `columns`; those missing read as None.

        Of the traits it tells, `traits` are asked for.
        """
        self._asked = traits
        index = {column: i for i, column in reversed(list(enumerate(columns)))}
        self._width = len(columns)
        self._choices: list[list[int]] = []
        """Where to look for a value that stands in one of several columns."""
        self._customer = self._place(index, mapping.customer)
        self._time = self._place(index, mapping.time)
        self._event = self._place(index, mapping.event)
        self._constant = mapping.event_const
        self._renamed = dict(mapping.renamed)
        self._volume = self._place(index, mapping.volume)
        self._id = self._place(index, mapping.id)
        self._scope = self._place(index, mapping.id_scope)
        self._account = self._place(index, mapping.account)
        self._traits = [
            (prefix, column.rpartition(".")[2], index[column])
            for prefix, named in (("", mapping.traits), (OF_ACCOUNT, mapping.account_traits))
            for column in named
            if traits and column in index
        ]
        self._ignore = [
            (index.get(column, -1), _ignored(pattern)) for column, pattern in mapping.ignore
        ]
        self._customers: set[str] = set()
        """Ids that have been checked: rows share them."""
        self._times = TimeReader(mapping.time_format, mapping.time_of_day_ms)
        self._what_customer = f"customer ({quoted(mapping.customer)})"
        self._what_time = f"time ({quoted(mapping.time)})"
        self._what_event = f"event ({quoted(mapping.event)})"
        self._what_volume = f"volume ({quoted(mapping.volume)})"
        self._what_id = f"id ({quoted(mapping.id)})"
        self._what_account = f"account ({quoted(mapping.account)})"

    def read(self, row: Sequence[Any], received_at: int) -> UsageEvent | None:
        """Give the row's event, None for a row that is none, or raise BadEvent.

        `row` ends in one value more than there are columns, None: what is
        missing is found there, at index -1.
        """
        for i, ignored in self._ignore:
            if ignored(row[i]):
                return None
        if self._choices:
            row = self._chosen(row)
        customer_id = row[self._customer]
        if customer_id.__class__ is not str or customer_id not in self._customers:
            customer_id = self._new_customer(customer_id)
        name = self._constant or fields.event(row[self._event], self._what_event)
        return UsageEvent(
            customer_id,
            self._renamed.get(name, name) if self._renamed else name,
            self._times.read(row[self._time], self._what_time),
            received_at,
            self._message_id(row) if self._id >= 0 else "",
            fields.volume_column(row[self._volume], self._what_volume)
            if self._volume >= 0
            else 1.0,
            fields.optional(row[self._account], self._what_account) if self._account >= 0 else "",
            self._told(row) if self._traits else None,
        )

    def _told(self, row: Sequence[Any]) -> dict[str, Value] | None:
        """Give the traits that a row tells; None: none."""
        told: dict[str, Value] = {}
        for prefix, column, place in self._traits:
            found = row[place]
            plain = plain_traits(found if isinstance(found, dict) else {column: found})
            told |= {prefix + name: value for name, value in plain.items()} if prefix else plain
        return {name: told[name] for name in told if name in self._asked} or None

    def _place(self, index: MappingOf[str, int], columns: Columns) -> int:
        """Give where in a row a value stands; a choice of columns gets a place behind the row."""
        found = [index[column] for column in alternatives(columns) if column in index]
        if len(found) < 2:  # noqa: PLR2004 - nothing to choose between
            return found[0] if found else -1
        self._choices.append(found)
        return self._width + len(self._choices)

    def _chosen(self, row: Sequence[Any]) -> list[Any]:
        """Give the row, and behind it what was found of each choice, and None again."""
        found = [
            next((row[i] for i in choice if row[i] is not None and row[i] != ""), None)
            for choice in self._choices
        ]
        return [*row, *found, None]

    def _message_id(self, row: Sequence[Any]) -> str:
        message_id = fields.optional(row[self._id], self._what_id)
        if self._scope < 0 or not message_id:
            return message_id
        scope = fields.optional(row[self._scope], self._what_id)
        return fields.optional(f"{scope} {message_id}", self._what_id) if scope else message_id

    def _new_customer(self, value: object) -> str:
        customer_id = fields.customer(value, self._what_customer)
        if len(self._customers) >= _REMEMBERED_MAX:
            self._customers.clear()
        self._customers.add(customer_id)
        return customer_id


class RecordReader:
    """Reads records (JSON objects, or rows by name) by one mapping."""

    def __init__(self, mapping: Mapping, traits: frozenset[str] = frozenset()) -> None:
        """Compile the mapping's paths; of the traits it tells, these are asked for."""
        columns = mapping.columns()
        self.mapping = mapping
        self._required = tuple(tuple(map(lookup, names)) for names in mapping.required())
        self._lookups = tuple(lookup(column) for column in columns)
        self._row = RowReader(mapping, columns, traits)

    def present(self, record: MappingOf[str, object]) -> int:
        """Count how many of the required values the record has."""
        return sum(_has_any(record, lookups) for lookups in self._required)

    def fits(self, record: MappingOf[str, object]) -> bool:
        """Say whether the record has all of the required values."""
        return all(_has_any(record, lookups) for lookups in self._required)

    def read(self, record: MappingOf[str, object], received_at: int) -> UsageEvent | None:
        """Give the record's event, None for a record that is none, or raise BadEvent."""
        row = [look_up(record) for look_up in self._lookups]
        row.append(None)
        return self._row.read(row, received_at)


Lookup = Callable[[MappingOf[str, object]], object]


def lookup(path: str) -> Lookup:
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


def _has_any(record: MappingOf[str, object], lookups: Sequence[Lookup]) -> bool:
    return any(look_up(record) is not None for look_up in lookups)


def quoted(columns: Columns) -> str:
    """Name the columns of a value, for a message."""
    names = " or ".join(f'"{name}"' for name in alternatives(columns))
    return f"column {names}" if names else "no column"


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
