"""Sample: the first rows of a log as columns of text, whatever its form."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from stream.detector.errors import BadEvent
from stream.replay.errors import LogError
from stream.replay.read import format_of
from stream.replay.source import open_log
from stream.wire.events import Decoder

ROWS = 5_000
"""Enough to tell an id from a kind of event."""
_DELIMITERS = (",", ";", "\t", "|")
_NESTED_MOST = 4


class Sample(NamedTuple):
    """Columns of equal length; missing values are empty."""

    columns: dict[str, list[str]]
    known: bool
    """The rows are in a form that needs no mapping; then there are no columns."""
    delimiter: str
    """Of a table of text, where it is not what would be assumed; else empty."""


def sample(file: str) -> Sample:
    """Read the first rows of a log; LogError if there are none that could be read."""
    with open_log(file, lambda _: None) as stream:
        layout = format_of(file, stream)
        if layout == "parquet":
            found = _parquet(stream)
        elif layout == "csv":
            found = _csv(stream, file)
        else:
            found = _json(stream, file)
    if not found.known and not any(found.columns.values()):
        raise LogError(f"{file}: has no rows: give a log with some weeks of events")
    return found


def _parquet(stream: io.BufferedReader) -> Sample:
    whole = stream if stream.seekable() else pa.BufferReader(stream.read())
    batch = next(pq.ParquetFile(whole).iter_batches(ROWS), None)
    rows = [] if batch is None else batch.to_pylist()
    return Sample(_as_columns(rows), known=False, delimiter="")


def _csv(stream: io.BufferedReader, file: str) -> Sample:
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    header = text.readline()
    most = max(_DELIMITERS, key=header.count)
    blank = not header.count(most)
    delimiter = " " if blank else most
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=blank)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    names = [name for name in names if name]
    try:
        rows = [dict(zip(names, row, strict=False)) for row in islice(reader, ROWS) if row]
    except csv.Error as error:
        raise LogError(f"{file}: cannot be read as CSV: {error}") from error
    assumed = "\t" if ".tsv" in file else ","
    said = "" if delimiter == assumed else "whitespace" if blank else delimiter
    return Sample(_as_columns(rows), known=False, delimiter=said)


def _json(stream: io.BufferedReader, file: str) -> Sample:
    lines = [line for line in islice(stream, ROWS) if line.strip()]
    block = Decoder(()).decode_block(lines, [0] * len(lines))
    bad = sum(isinstance(other, BadEvent) for _, other in block.others)
    if lines and bad < len(lines) / 2:
        return Sample({}, known=True, delimiter="")
    try:
        rows = [msgspec.json.decode(line, type=dict[str, object]) for line in lines]
    except msgspec.DecodeError as error:
        raise LogError(f"{file}: is neither JSON lines nor a table: {error}") from error
    return Sample(_as_columns([dict(_flat(row)) for row in rows]), known=False, delimiter="")


def _flat(
    record: Mapping[str, object], above: str = "", depth: int = 0
) -> Iterator[tuple[str, object]]:
    """Give the values of a record by their dotted paths."""
    for name, value in record.items():
        if isinstance(value, dict) and depth < _NESTED_MOST:
            yield from _flat(value, f"{above}{name}.", depth + 1)
        else:
            yield f"{above}{name}", value


def _as_columns(rows: Sequence[Mapping[str, object]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        name: ["" if (value := row.get(name)) is None else str(value).strip() for row in rows]
        for name in names
    }
