"""Laws of reading a log: every layout gives the same events, and bad rows are accounted for."""

import csv
import gzip
import io
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.detector.errors import Code
from stream.detector.events import UsageEvent
from stream.replay.errors import LogError
from stream.replay.read import read_log
from stream.replay.refusals import EXAMPLES_PER_CODE_MAX, Refusals
from stream.replay.source import total_bytes
from stream.wire.events import Decoder, Heartbeat, encode_heartbeat, encode_usage
from stream.wire.mapping import Mapping
from stream.wire.policy_file import LogFormat
from stream.wire.presets import PRESETS

NOW = 1_790_000_000_000
AT = 1_772_357_400_000
MAPPING = Mapping(customer="who", time="when", event="what", volume="n", ignore=(("what", "x"),))

Row = dict[str, Any]
ROWS: list[Row] = [
    {"who": f"c{i % 7}", "when": AT + i * 1_000, "what": "ordér, big", "n": i % 3 + 1}
    for i in range(2_500)
]
EVENTS = [UsageEvent(row["who"], row["what"], row["when"], NOW, "", row["n"]) for row in ROWS]


def as_jsonl(rows: list[Row]) -> bytes:
    """Write rows as JSON lines."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def as_csv(rows: list[Row], delimiter: str = ",") -> bytes:
    """Write rows as a table with a header."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[Row]) -> bytes:
    """Write rows as Parquet."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda value: pa.compress(value, codec="zstd", asbytes=True),
}
WRITTEN = {"jsonl": as_jsonl, "csv": as_csv, "parquet": as_parquet}


def read(
    *files: Path | str, log: LogFormat | None = None, mappings: tuple[Mapping, ...] = (MAPPING,)
) -> tuple[list[UsageEvent], Refusals]:
    """Read files as a replay would, and return the account too."""
    refusals = Refusals()
    events = read_log(
        [str(file) for file in files],
        log or LogFormat(),
        Decoder(mappings),
        received_at=NOW,
        refusals=refusals,
    )
    return list(chain.from_iterable(events)), refusals


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Return what writes a file."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


WriteFile = Callable[[str, bytes], Path]


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("layout", WRITTEN)
def test_every_layout_gives_the_same_events(file: WriteFile, layout: str, packing: str) -> None:
    """A log is what it says, not how it is packed; neither is the name needed for it."""
    content = PACKED[packing](WRITTEN[layout](ROWS))
    named = file(f"log.{layout}{packing}", content)
    assert read(named)[0] == EVENTS
    assert read(file("log", content))[0] == EVENTS
    assert read(file("log.dat", content), log=LogFormat(format=layout))[0] == EVENTS


@pytest.mark.parametrize("layout", WRITTEN)
def test_standard_input_is_a_file(
    layout: str, file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe has neither a name nor a way back."""
    path = file("log", gzip.compress(WRITTEN[layout](ROWS)))
    with path.open("rb") as raw:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(raw.read())))
        assert read("-")[0] == EVENTS


class Pipe(io.BytesIO):
    """Bytes that cannot be sought."""

    def seekable(self) -> bool:
        """Return False, as pipes do."""
        return False


def test_several_files_are_one_log(file: WriteFile) -> None:
    """One after the other, whatever each one's layout is."""
    first, second = file("a.jsonl", as_jsonl(ROWS[:10])), file("b.csv", as_csv(ROWS[10:]))
    events, account = read(first, second)
    assert events == EVENTS
    assert (account.rows, account.events, account.refused) == (2_500, 2_500, 0)


def test_a_line_may_be_a_batch_of_events(file: WriteFile) -> None:
    """Events are counted, and what is wrong with a batch once; one from the future is put aside."""
    calls = [
        b'{"type":"track","userId":"u%d","event":"order","timestamp":%d}' % (user, at)
        for user, at in ((1, AT), (2, AT), (3, NOW + 1))
    ]
    lines = [calls[0], b'{"batch":[%b,%b]}' % (calls[0], calls[1]), b'{"batch":[%b,{}]}' % calls[1]]
    lines.append(b'{"batch":[%b,%b]}' % (calls[2], calls[1]))
    events, account = read(file("log.jsonl", b"\n".join(lines)), mappings=())
    assert [event.customer_id for event in events] == ["u1", "u1", "u2", "u2", "u2"]
    assert (account.rows, account.events) == (7, 5)
    assert account.counts == {Code.UNKNOWN_TYPE: 1, Code.FUTURE: 1}
    assert [refusal.row for refusal in account.examples] == [3, 4]


EXPORT = [
    {"uuid": f"e{i}", "event": "order", "distinct_id": f"u{i}", "timestamp": "2026-03-01T09:30:00Z"}
    for i in range(3)
]
ENVELOPES = [
    {"specversion": "1.0", "id": row["uuid"], "source": "/s", "type": "order"}
    | {"subject": row["distinct_id"], "time": row["timestamp"]}
    for row in EXPORT
]


@pytest.mark.parametrize("layout", WRITTEN)
@pytest.mark.parametrize("preset", ["", "posthog", "cloudevents"])
def test_a_vendors_export_is_a_log(file: WriteFile, layout: str, preset: str) -> None:
    """In every layout, recognised or named."""
    rows: list[Row] = [dict(row) for row in (ENVELOPES if preset == "cloudevents" else EXPORT)]
    mappings = (PRESETS[preset].mapping,) if preset else ()
    events, _ = read(file(f"log.{layout}", WRITTEN[layout](rows)), mappings=mappings)
    scope = "/s " if preset == "cloudevents" else ""
    assert events == [UsageEvent(f"u{i}", "order", AT, NOW, f"{scope}e{i}") for i in range(3)]


@pytest.mark.parametrize("layout", WRITTEN)
def test_of_a_choice_of_columns_the_first_that_holds_something_counts(
    file: WriteFile, layout: str
) -> None:
    """Row by row, and a column may be in several choices."""
    rows: list[Row] = [
        {"id": "u1", "device": "d1", "when": AT, "firm": "f"},
        {"id": "", "device": "d2", "when": AT, "firm": ""},
        {"id": None, "device": "d3", "when": AT, "firm": "f"},
    ]
    mapping = Mapping(
        customer=("id", "device"), time="when", event_const="order", account=("firm", "device", "x")
    )
    events, _ = read(file(f"log.{layout}", WRITTEN[layout](rows)), mappings=(mapping,))
    assert [event.customer_id for event in events] == ["u1", "d2", "d3"]
    assert [event.account_id for event in events] == ["f", "d2", "f"]


def test_gzip_files_put_one_after_the_other_are_one_file(file: WriteFile) -> None:
    """Log shippers append members; none of them may be lost."""
    halves = gzip.compress(as_jsonl(ROWS[:10])) + gzip.compress(as_jsonl(ROWS[10:]))
    assert read(file("log.jsonl.gz", halves))[0] == EVENTS


def test_progress_adds_up_to_the_size_of_the_files(file: WriteFile) -> None:
    """A progress bar that ends at 97 of 100 helps nobody."""
    paths = [str(file("a.csv.gz", gzip.compress(as_csv(ROWS)))), str(file("b", as_jsonl(ROWS)))]
    told: list[int] = []
    log = read_log(
        paths, LogFormat(), Decoder((MAPPING,)),
        received_at=NOW, refusals=Refusals(), on_bytes=told.append,
    )  # fmt: skip
    assert sum(map(len, log)) == 2 * len(ROWS)
    assert sum(told) == total_bytes(paths)
    assert total_bytes(["-"]) is None


def test_columns_apart_by_blanks_are_columns(file: WriteFile) -> None:
    """Old statistics files are aligned, indented, and end their lines as Windows does."""
    text = b" who  when what\r\n  c1 1772357400000  order\r\n\r\n c2  1772357400000 order \r\n"
    mapping = Mapping(customer="who", time="when", event="what")
    events, account = read(
        file("old.txt", text), log=LogFormat(delimiter="whitespace"), mappings=(mapping,)
    )
    assert events == [UsageEvent(who, "order", AT, NOW) for who in ("c1", "c2")]
    assert account.rows == 2


@pytest.mark.parametrize(("name", "delimiter"), [("log.tsv", "\t"), ("log.csv", ";")])
def test_delimiters_are_told_by_name_or_policy(file: WriteFile, name: str, delimiter: str) -> None:
    """A comma is only the most common one."""
    log = LogFormat(delimiter=";" if delimiter == ";" else "")
    assert read(file(name, as_csv(ROWS, delimiter)), log=log)[0] == EVENTS


@pytest.mark.parametrize("layout", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_data(file: WriteFile, layout: str) -> None:
    """Spreadsheets write one in front of the first column's name."""
    content = b"\xef\xbb\xbf" + WRITTEN[layout](ROWS)
    assert read(file(f"log.{layout}", content))[0] == EVENTS


def test_typed_times_of_parquet_are_times(file: WriteFile) -> None:
    """Naive or zoned, nanoseconds or seconds, a date-time is a moment."""
    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    for kind in (pa.timestamp("ns"), pa.timestamp("s"), pa.timestamp("us", tz="Asia/Tokyo")):
        table = pa.table(
            {
                "who": pa.array([1.0, 2.0, None]),
                "when": pa.array([moment, moment, None]).cast(kind),
                "what": pa.array(["order", "x", "order"]).dictionary_encode(),
            }
        )
        target = io.BytesIO()
        pq.write_table(table, target)
        events, account = read(
            file("log.parquet", target.getvalue()),
            mappings=(Mapping(customer="who", time="when", event="what", ignore=(("what", "x"),)),),
        )
        assert events == [UsageEvent("1", "order", AT, NOW)]
        assert (account.ignored, dict(account.counts)) == (1, {Code.NO_CUSTOMER: 1})


def test_a_parquet_time_of_no_calendar_spoils_only_its_row(file: WriteFile) -> None:
    """One broken clock among a million rows."""
    micros = pa.array([AT * 1000, 2**62, AT * 1000], pa.int64()).cast(pa.timestamp("us"))
    table = pa.table({"who": ["a", "b", "c"], "when": micros, "what": ["order"] * 3})
    target = io.BytesIO()
    pq.write_table(table, target)
    mapping = Mapping(customer="who", time="when", event="what")
    events, account = read(file("log.parquet", target.getvalue()), mappings=(mapping,))
    assert [event.customer_id for event in events] == ["a", "c"]
    assert dict(account.counts) == {Code.NO_TIME: 1}


def test_segment_messages_may_be_rows(file: WriteFile) -> None:
    """A table with Segment's columns needs no mapping; nested parts are JSON text."""
    row = {
        "type": "track", "messageId": "m", "userId": "u1", "event": "order",
        "timestamp": "2026-03-01T09:30:00Z", "properties": '{"count": 4}',
    }  # fmt: skip
    expected = [UsageEvent("u1", "order", AT, NOW, "m", 4.0)]
    assert read(file("log.csv", as_csv([row])))[0] == expected
    nested = row | {"properties": {"count": 4}}
    assert read(file("log.jsonl", as_jsonl([nested])))[0] == expected
    assert read(file("log.parquet", as_parquet([nested])))[0] == expected


def test_our_own_topic_may_be_a_log(file: WriteFile) -> None:
    """A dumped usage topic replays; its heartbeats are no events."""
    lines = [*map(encode_usage, EVENTS[:3]), encode_heartbeat(Heartbeat(AT)), b"", b"  "]
    events, account = read(file("usage", b"\n".join(lines)))
    assert events == EVENTS[:3]
    assert (account.rows, account.events, account.heartbeats) == (4, 3, 1)


def test_bad_rows_are_counted_exactly_and_shown_by_example(file: WriteFile) -> None:
    """None stops the replay, none is dropped in silence, and the report stays short."""
    rows = [dict(row) for row in ROWS]
    for i in range(0, 2_500, 10):
        rows[i]["who"] = ""
    rows[1]["when"] = "soon"
    rows[2]["what"] = "x"
    events, account = read(file("log.csv", as_csv(rows)))
    assert len(events) == account.events == 2_500 - 250 - 1 - 1
    assert account.rows == 2_500
    assert account.ignored == 1
    assert account.counts == {Code.NO_CUSTOMER: 250, Code.BAD_TIME: 1}
    assert len(account.examples) == EXAMPLES_PER_CODE_MAX + 1
    first, second = account.examples[:2]
    assert (first.row, first.code) == (2, Code.NO_CUSTOMER)
    assert first.message == 'customer (column "who") is empty'
    assert (second.row, second.code, second.sample) == (3, Code.BAD_TIME, "c1,soon,ordér, big,2")
    assert second.file.endswith("log.csv")


def test_rows_of_another_length_are_their_own_trouble(file: WriteFile) -> None:
    """A short row lacks its last columns; a long one cannot be told apart."""
    text = b"who,when,what\na,1772357400000,order\nb\nc,1772357400000,order,5\nd,1772357400000,z,\n"
    mapping = Mapping(customer="who", time="when", event="what")
    events, account = read(file("log.csv", text), mappings=(mapping,))
    assert [event.customer_id for event in events] == ["a", "d"]
    assert account.counts == {Code.NO_EVENT: 1, Code.MALFORMED_ROW: 1}


def test_an_open_quote_does_not_swallow_the_log(file: WriteFile) -> None:
    """What no table can hold is refused, and reading goes on at the next line."""
    rows = [b"c%d,1772357400000,order\n" % i for i in range(20_000)]
    rows[10] = b'"c10,1772357400000,order\n'
    mapping = Mapping(customer="who", time="when", event="what")
    events, account = read(
        file("log.csv", b"who,when,what\n" + b"".join(rows)), mappings=(mapping,)
    )
    assert account.counts == {Code.TOO_LARGE: 1}
    assert len(events) > 10_000


def test_an_endless_line_is_one_bad_row(file: WriteFile) -> None:
    """And is not taken into memory."""
    lines = [*map(encode_usage, EVENTS[:2]), b'{"a":"' + b"x" * 5_000_000 + b'"}', b"{"]
    lines += map(encode_usage, EVENTS[2:4])
    events, account = read(file("log.jsonl", b"\n".join(lines)))
    assert events == EVENTS[:4]
    assert account.counts == {Code.TOO_LARGE: 1, Code.NOT_JSON: 1}
    assert [example.row for example in account.examples] == [3, 4]


SEGMENT = [
    orjson.dumps(
        {
            "type": "track",
            "userId": f"c{number % 7}",
            "event": "order",
            "timestamp": f"2026-03-01T09:{number // 1_000:02}:00.{number % 1_000:03}Z",
        }
    )
    for number in range(9_000)
]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b" \n"])
def test_a_text_says_what_its_lines_say(file: WriteFile, end: bytes) -> None:
    """However lines end, and wherever a block of the file does."""
    expected = [Decoder().decode(line, NOW) for line in SEGMENT]
    for last in (b"", end):
        events, account = read(file("log.jsonl", end.join(SEGMENT) + last), mappings=())
        assert events == expected
        assert account.rows == len(SEGMENT)


def test_faults_are_named_by_their_lines_however_far_into_the_file(file: WriteFile) -> None:
    """Also where most of it is read without making lines; its neighbours are used."""
    lines = list(SEGMENT)
    faults = {
        1_500: b"{",
        4_200: SEGMENT[0] * 2,
        5_001: SEGMENT[0].replace(b"2026-", b"2096-"),
        5_002: b"",
        8_500: SEGMENT[0].replace(b"c0", b"   "),
        8_999: b"[]",
    }
    for place, fault in faults.items():
        lines[place] = fault
    events, account = read(file("log.jsonl", b"\n".join(lines)), mappings=())
    assert events == [
        Decoder().decode(line, NOW) for place, line in enumerate(lines) if place not in faults
    ]
    assert [(found.row, found.code) for found in account.examples] == [
        (1_501, Code.NOT_JSON),
        (4_201, Code.NOT_JSON),
        (5_002, Code.FUTURE),
        (8_501, Code.NO_CUSTOMER),
        (9_000, Code.NOT_AN_OBJECT),
    ]
    assert account.rows == len(lines) - 1


def test_an_object_that_is_split_is_not_made_whole_by_its_neighbours(file: WriteFile) -> None:
    """A line is a value: not half of one, nor two."""
    head, tail = SEGMENT[0][:-1] + b',"x":{', b"}}"
    lines = [*SEGMENT[:5_000], head, tail, *SEGMENT[5_000:]]
    events, account = read(file("log.jsonl", b"\n".join(lines)), mappings=())
    assert len(events) == len(SEGMENT)
    assert [found.row for found in account.examples] == [5_001, 5_002]


def test_text_that_is_no_utf8_is_refused_by_row(file: WriteFile) -> None:
    """Only the field that is used decides: a comment in Latin-1 harms nobody."""
    text = "who,when,what,note\na,1772357400000,order,\xfc\n\xfc,1772357400000,order,\n"
    mapping = Mapping(customer="who", time="when", event="what")
    events, account = read(file("log.csv", text.encode("latin-1")), mappings=(mapping,))
    assert [event.customer_id for event in events] == ["a"]
    assert account.counts == {Code.NOT_UTF8: 1}
    account.examples[0].sample.encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("layout", WRITTEN)
def test_a_log_of_mostly_bad_rows_stops_the_replay(file: WriteFile, layout: str) -> None:
    """The wrong mapping is told after a thousand rows, with a row to look at."""
    other = Mapping(customer="user", time="when", event_const="order")
    with pytest.raises(LogError) as caught:
        read(file(f"log.{layout}", WRITTEN[layout](ROWS)), mappings=(other,))
    text = str(caught.value)
    assert "1,000 of the first 1,000 rows cannot be used" in text
    assert "c0" in text
    assert 'mapping tried: customer = "user", time = "when", event = {const = "order"}' in text


def test_a_short_log_of_mostly_bad_rows_stops_too(file: WriteFile) -> None:
    """Every file is on trial, the second as the first."""
    good = file("good.jsonl", as_jsonl(ROWS))
    bad = file("bad.jsonl", b"nonsense\n" * 3)
    with pytest.raises(LogError, match=r"bad\.jsonl: 3 of the first 3 rows"):
        read(good, bad, mappings=(MAPPING,))
    with pytest.raises(LogError, match=r"no \[\[mapping\]\]"):
        read(bad, mappings=())


def test_an_empty_log_is_no_error(file: WriteFile) -> None:
    """Nothing happened: so it says."""
    for name in ("log.csv", "log.jsonl", "log"):
        events, account = read(file(name, b""))
        assert (events, account.rows) == ([], 0)


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("log.csv.gz", gzip.compress(as_csv(ROWS))[:-20], "cannot be read to its end"),
        ("log.parquet", as_parquet(ROWS)[:-9], "cannot be read to its end"),
        ("log.csv", b'"' + b"x" * 200_000, "header"),
    ],
)
def test_a_torn_file_is_told_by_name(
    file: WriteFile, name: str, content: bytes, wanted: str
) -> None:
    """Half a log would make everybody look gone."""
    with pytest.raises(LogError, match=wanted) as caught:
        read(file(name, content))
    assert name in str(caught.value)


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(LogError, match=r"absent.csv: cannot be opened: No such file"):
        read(tmp_path / "absent.csv")
    assert total_bytes([str(tmp_path / "absent.csv")]) is None
