"""Reading an event log: JSON lines, CSV or Parquet, through the same wire as the live stream.

A table's columns are matched with the policy once per file; after that a row
is a list and a mapping a handful of indexes.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream.detector.batch import EventBatch
from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.detector.watermark import check_not_ahead
from stream.replay.errors import LogError
from stream.replay.json_lines import JsonLines
from stream.replay.refusals import TRIAL_ROWS, FileTrial, Refusals
from stream.replay.source import BYTE_ORDER_MARK, OnBytes, open_log
from stream.wire.erasure import Erasure
from stream.wire.events import Bundle, Decoded, Decoder, Heartbeat, Travelled
from stream.wire.mapping import RowReader
from stream.wire.policy_file import LogFormat

_BY_NAME = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PACKED = (".gz", ".zst")
_PARQUET_MAGIC = b"PAR1"
_PARQUET_ROWS = 65_536  # larger: more memory, no faster
_BATCH_EVENTS = 1_000  # larger: more memory, no faster

Numbered = Iterator[tuple[int, Any]]
"""(number in the file, what `ReadRow` takes); a BadEvent in place of what cannot be split off."""


class ReadRow(Protocol):
    """Reads what one format calls a row."""

    def __call__(self, row: Any, /, received_at: int) -> Decoded:
        """Give what the row says, or raise BadEvent."""
        ...


def read_log(
    files: Sequence[str],
    log: LogFormat,
    decoder: Decoder,
    *,
    received_at: int,
    max_future_skew_ms: int = 0,
    refusals: Refusals,
    on_bytes: OnBytes = lambda _: None,
) -> Iterator[EventBatch]:
    """Yield the usage events of `files` ("-" is standard input) in the order they stand there.

    `received_at` (ms) stands for the broker's clock: what lies further ahead of it than
    `max_future_skew_ms` cannot be used.  What cannot goes to `refusals`; LogError stops the
    reading of a file that is torn, or of which most cannot be used.
    """
    for file in files:
        with open_log(file, on_bytes) as stream:
            layout = log.format or format_of(file, stream)
            if layout == "parquet":
                rows, read, show = _parquet(stream, decoder)
            elif layout == "csv":
                rows, read, show = _csv(stream, file, log, decoder)
            else:
                trial = FileTrial(file, refusals, decoder, _shown_line)
                lines = JsonLines(decoder, received_at, max_future_skew_ms, trial, refusals)
                yield from lines.events(stream)
                continue
            trial = FileTrial(file, refusals, decoder, show)
            believed = partial(_believed, read, received_at, max_future_skew_ms)
            events = _events(rows, believed, trial, refusals)
            while some := list(islice(events, _BATCH_EVENTS)):
                yield EventBatch.of(some)


def _believed(read: ReadRow, received_at: int, max_future_skew_ms: int, row: Any) -> Decoded:
    """Read a row, and refuse it if its clock runs ahead."""
    decoded = read(row, received_at=received_at)
    event = decoded.events[0] if isinstance(decoded, Bundle) else decoded
    if isinstance(event, UsageEvent):
        check_not_ahead(event.occurred_at, received_at, max_future_skew_ms)
    return decoded


def _events(
    rows: Numbered, read: Callable[[Any], Decoded], trial: FileTrial, refusals: Refusals
) -> Iterator[UsageEvent]:
    count = ignored = heartbeats = 0
    try:
        for number, row in rows:
            count += 1
            try:
                if row.__class__ is BadEvent:
                    raise row
                event = read(row)
            except BadEvent as bad:
                trial.refuse(number, bad, row)
            else:
                if isinstance(event, UsageEvent):
                    yield event
                elif isinstance(event, Bundle):
                    yield from event.events
                    if event.bad:
                        trial.refuse(number, event.bad, row)
                else:
                    heartbeats += isinstance(event, Heartbeat)
                    ignored += event is None or isinstance(event, Travelled)
                    refusals.erasures += [event] if isinstance(event, Erasure) else []
            if count == TRIAL_ROWS:
                trial.judge(count)
        if count < TRIAL_ROWS:
            trial.judge(count)
    finally:
        refusals.rows += count
        refusals.ignored += ignored
        refusals.heartbeats += heartbeats


def format_of(file: str, stream: io.BufferedReader) -> str:
    """Tell "jsonl", "csv" or "parquet" by a file's name, or else by how it begins."""
    suffixes = [suffix.lower() for suffix in Path(file).suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    if suffixes and suffixes[-1] in _BY_NAME:
        return _BY_NAME[suffixes[-1]]
    begins = stream.peek(len(_PARQUET_MAGIC)).removeprefix(BYTE_ORDER_MARK).lstrip()
    if begins.startswith(_PARQUET_MAGIC):
        return "parquet"
    return "jsonl" if begins.startswith(b"{") else "csv"


def _shown_line(row: Any) -> str:
    return row.decode(errors="backslashreplace") if isinstance(row, bytes) else str(row)


def _csv(
    stream: io.BufferedReader, file: str, log: LogFormat, decoder: Decoder
) -> tuple[Numbered, ReadRow, Callable[[Any], str]]:
    # Bytes that are no UTF-8 are carried through and refused with the field that has them.
    if stream.peek(len(BYTE_ORDER_MARK)).startswith(BYTE_ORDER_MARK):
        stream.read(len(BYTE_ORDER_MARK))  # the codec "utf-8-sig" does the same at half the speed
    text = io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="")
    delimiter = log.delimiter or ("\t" if ".tsv" in Path(file).suffixes else ",")
    blank = delimiter == "whitespace"
    separator = " " if blank else delimiter
    reader = csv.reader(text, delimiter=separator, skipinitialspace=blank)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise LogError(f"{file}: its header, as CSV, cannot be read: {error}") from error
    while header and not header[-1]:
        header.pop()

    def show(row: Any) -> str:
        return separator.join(map(str, filter(None, row))) if isinstance(row, list) else str(row)

    return _csv_rows(reader, len(header)), _row_reader(header, decoder), show


def _csv_rows(reader: Any, width: int) -> Numbered:
    """Yield (line, values and one None more: what a mapping finds in place of a missing column)."""
    while True:
        try:
            for row in reader:
                if len(row) != width:
                    if not row:
                        continue
                    if len(row) > width and any(row[width:]):
                        found = f"{len(row)} values in a row, where the header has {width}"
                        yield reader.line_num, BadEvent(Code.MALFORMED_ROW, found)
                        continue
                    row[width:] = [None] * (width - len(row))
                row.append(None)
                yield reader.line_num, row
        except csv.Error as error:
            yield reader.line_num, BadEvent(Code.TOO_LARGE, f"no CSV: {error}")
        else:
            return


def _row_reader(columns: Sequence[str], decoder: Decoder) -> ReadRow:
    mapping = decoder.mapping_for(columns)
    if mapping is not None:
        return RowReader(mapping, columns, decoder.traits).read

    def by_name(row: Sequence[object], received_at: int) -> Decoded:
        # One value more than columns, by design: see `RowReader.read`.
        record: MappingOf[str, object] = dict(zip(columns, row, strict=False))
        return decoder.decode_record(record, received_at)

    return by_name


def _parquet(
    stream: io.BufferedReader, decoder: Decoder
) -> tuple[Numbered, ReadRow, Callable[[Any], str]]:
    # A Parquet file is read from its end: what cannot be sought is taken into memory.
    whole = stream if stream.seekable() else pa.BufferReader(stream.read())
    table = pq.ParquetFile(whole)
    names = table.schema_arrow.names
    mapping = decoder.mapping_for(names)
    columns = [name for name in names if mapping is None or name in mapping.columns()]

    def show(row: Any) -> str:
        if isinstance(row, BadEvent):
            return str(row)
        return str(dict(zip(columns, row, strict=False)))

    return _parquet_rows(table, columns), _row_reader(columns, decoder), show


def _parquet_rows(table: Any, columns: Sequence[str]) -> Numbered:
    number = 0
    for batch in table.iter_batches(_PARQUET_ROWS, columns=list(columns)):
        values = [_values(column) for column in batch.columns]
        for row in zip(*values, repeat(None)):
            number += 1
            yield number, row


def _values(column: Any) -> list[Any]:
    """Give a column's values; times as naive UTC, those of no calendar as missing."""
    if not pa.types.is_timestamp(column.type):
        values: list[Any] = column.to_pylist()
        return values
    moments = column.cast(pa.timestamp("us"), safe=False)
    try:
        values = moments.to_pylist()
    except (ValueError, OverflowError):
        micros = moments.cast(pa.int64())
        within = pc.and_(pc.greater(micros, 0), pc.less(micros, 253_402_300_800_000_000))
        values = pc.if_else(within, moments, None).to_pylist()
    return values
