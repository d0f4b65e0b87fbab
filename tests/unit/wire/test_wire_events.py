"""Laws of the decoder: what it understands, and that bad input is only ever BadEvent."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.detector.errors import BadEvent, Code
from stream.detector.events import EARLIEST_MS, UsageEvent
from stream.wire import usage
from stream.wire.events import Bundle, Decoder, Heartbeat, encode_heartbeat, encode_usage
from stream.wire.mapping import Mapping
from stream.wire.times import LATEST_MS

NOW = 1_790_000_000_000
AT = 1_772_357_400_000  # 2026-03-01T09:30:00Z

TRACK: dict[str, Any] = {
    "type": "track",
    "messageId": "m1",
    "userId": "u1",
    "event": "order",
    "timestamp": "2026-03-01T09:30:00Z",
}
MAPPING = Mapping(
    customer="user.id",
    time="ts",
    event="action",
    volume="n",
    id="key",
    account="user.firm",
    ignore=(("kind", "bot|test.*"),),
)
DECODERS = (Decoder(), Decoder((MAPPING,)), Decoder((Mapping(customer="a", time="b", event="c"),)))


def decode(value: object, *mappings: Mapping) -> UsageEvent | Heartbeat | None:
    """Decode one value, given as an object or as bytes."""
    return Decoder(mappings).decode(value if isinstance(value, bytes) else orjson.dumps(value), NOW)


def refused(value: object, *mappings: Mapping) -> Code:
    """Return the code under which a value is refused."""
    with pytest.raises(BadEvent) as caught:
        decode(value, *mappings)
    assert caught.value.message
    return caught.value.code


def event(**facts: Any) -> UsageEvent:
    """Return a plain event, but for `facts`."""
    plain: dict[str, Any] = {
        "customer_id": "u1",
        "name": "order",
        "occurred_at": AT,
        "received_at": NOW,
    }
    return UsageEvent(**(plain | facts))


IDS = st.text(max_size=12).filter(lambda text: text.strip() and "\0" not in text)
EVENTS = st.builds(
    UsageEvent,
    customer_id=IDS,
    name=IDS,
    occurred_at=st.integers(EARLIEST_MS, LATEST_MS),
    received_at=st.integers(0, NOW),
    message_id=st.just("") | IDS,
    volume=st.just(0.0) | st.floats(0.001, 1e12),
    account_id=st.just("") | IDS,
)


@given(EVENTS)
def test_canonical_events_round_trip(original: UsageEvent) -> None:
    """What ingest writes is what the detector reads."""
    assert decode(encode_usage(original)) == original


def test_unknown_fields_of_canonical_events_are_skipped() -> None:
    """A newer writer may add optional fields."""
    value = encode_usage(event())[:-1] + b',"later":{"a":[1]}}'
    assert decode(value) == event()


def test_canonical_events_may_come_in_any_order_of_keys() -> None:
    """The tag stands first in what we write, but JSON promises no order."""
    record = orjson.loads(encode_usage(event()))
    assert decode(dict(reversed(record.items()))) == event()


def test_nobody_vouches_for_its_own_future() -> None:
    """A receipt later than the broker's is no receipt: the future stays unmasked."""
    assert decode(encode_usage(event(received_at=NOW + 1))) == event(received_at=NOW)


def test_the_first_receipt_counts() -> None:
    """Re-keying takes time: the first hop knows better when an event came."""
    assert decode(encode_usage(event(received_at=AT))) == event(received_at=AT)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"customer_id": None}, Code.NO_CUSTOMER),
        ({"customer_id": ""}, Code.NO_CUSTOMER),
        ({"customer_id": "  "}, Code.NO_CUSTOMER),
        ({"customer_id": ["u"]}, Code.WRONG_TYPE),
        ({"customer_id": "u" * 513}, Code.ID_TOO_LONG),
        ({"customer_id": "\N{SNOWMAN}" * 171}, Code.ID_TOO_LONG),
        ({"customer_id": "u\0"}, Code.NULL_BYTE),
        ({"name": None}, Code.NO_EVENT),
        ({"name": 3}, Code.WRONG_TYPE),
        ({"name": "o" * 513}, Code.ID_TOO_LONG),
        ({"name": "o\0"}, Code.NULL_BYTE),
        ({"message_id": "m\0"}, Code.NULL_BYTE),
        ({"message_id": {}}, Code.WRONG_TYPE),
        ({"occurred_at": None}, Code.NO_TIME),
        ({"occurred_at": "2026-03-01"}, Code.WRONG_TYPE),
        ({"occurred_at": True}, Code.WRONG_TYPE),
        ({"occurred_at": EARLIEST_MS - 1}, Code.TOO_OLD),
        ({"occurred_at": -1}, Code.BAD_TIME),
        ({"occurred_at": LATEST_MS + 1}, Code.BAD_TIME),
        ({"received_at": "x"}, Code.WRONG_TYPE),
        ({"slipaway": "usage.v2"}, Code.UNKNOWN_TYPE),
        ({"slipaway": 1}, Code.UNKNOWN_TYPE),
    ],
)
def test_broken_canonical_events_are_refused(change: dict[str, object], code: Code) -> None:
    """Our own form is checked like everybody's: somebody else may write to the topic."""
    assert refused(orjson.loads(encode_usage(event())) | change) == code


def test_heartbeats_round_trip() -> None:
    """A heartbeat moves the clock and is no usage."""
    assert decode(encode_heartbeat(Heartbeat(AT))) == Heartbeat(AT)


@pytest.mark.parametrize(
    ("watermark", "code"),
    [
        (None, Code.NO_TIME),
        ("now", Code.WRONG_TYPE),
        (True, Code.WRONG_TYPE),
        (-1, Code.BAD_TIME),
        (LATEST_MS + 1, Code.BAD_TIME),
    ],
)
def test_broken_heartbeats_are_refused(watermark: object, code: Code) -> None:
    """A broken heartbeat would be a broken clock for a whole partition."""
    assert refused({"slipaway": "heartbeat", "watermark": watermark}) == code


def test_a_track_message_is_its_event() -> None:
    """The usual message, with all that is read of it."""
    message = TRACK | {"properties": {"count": 3}, "context": {"groupId": 77}}
    assert decode(message) == event(message_id="m1", volume=3.0, account_id="77")


@pytest.mark.parametrize("kind", ["page", "screen", "identify", "group", "alias"])
def test_other_messages_are_named_by_their_type(kind: str) -> None:
    """The policy then says what a page view means; by default `identify` means nothing."""
    assert decode(TRACK | {"type": kind}) == event(name=kind, message_id="m1")


def test_an_anonymous_customer_is_a_customer() -> None:
    """Whoever has not signed in still comes and goes."""
    assert decode(TRACK | {"userId": None, "anonymousId": "a9"}) == event(
        customer_id="a9", message_id="m1"
    )


def test_an_integer_is_a_customer_too() -> None:
    """Many products number their customers, and some say so in JSON."""
    assert decode(TRACK | {"userId": 17850}) == event(customer_id="17850", message_id="m1")


@pytest.mark.parametrize("count", [0, -2, True, "3", None, [1], 1e300])
def test_a_property_that_is_no_count_is_no_volume(count: object) -> None:
    """Somebody else's `count` is not worth losing the event."""
    assert decode(TRACK | {"properties": {"count": count}}) == event(message_id="m1")


def test_a_wrong_clock_is_corrected_by_its_own_error() -> None:
    """An hour's skew shows as an hour between sending and receipt."""
    message = {key: value for key, value in TRACK.items() if key != "timestamp"} | {
        "originalTimestamp": "2026-03-01T10:29:00Z",
        "sentAt": "2026-03-01T10:30:00Z",
        "receivedAt": "2026-03-01T09:31:00Z",
    }
    assert decode(message) == event(message_id="m1")
    del message["receivedAt"]  # the broker's clock is no substitute: a replay would differ
    assert decode(message) == event(message_id="m1", occurred_at=AT + 59 * 60_000)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", Code.EMPTY),
        (b"nonsense", Code.NOT_JSON),
        (b'{"type": NaN}', Code.NOT_JSON),
        (b'{"type": "\xff"}', Code.NOT_UTF8),
        (b'{"type": "\\ud800"}', Code.NOT_UTF8),
        ("\ufeff{}".encode(), Code.NOT_JSON),
        (b'{"torn": ', Code.NOT_JSON),
        (b"\0\0\0\0\1", Code.UNSUPPORTED_FORMAT),
        (b"\0\0\0\0\1\x02\x06abc", Code.UNSUPPORTED_FORMAT),
        (b"\0\0\0\0\1{\x02\x06abc", Code.NOT_JSON),
        (b"\0\0\0", Code.NOT_JSON),
        (b"[1]", Code.NOT_AN_OBJECT),
        (b"null", Code.NOT_AN_OBJECT),
        (b'"{}"', Code.NOT_AN_OBJECT),
        (b"{}", Code.UNKNOWN_TYPE),
        (b'{"type": "delete"}', Code.UNKNOWN_TYPE),
        (b'{"type": 3}', Code.WRONG_TYPE),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, Code.TOO_DEEP),
        (b"[" * 10_000, Code.TOO_DEEP),
        (b'{"a":' * 65 + b"1" + b"}" * 65, Code.TOO_DEEP),
        (b'{"a":"' + b"x" * 1_048_576 + b'"}', Code.TOO_LARGE),
        (usage.PREFIX + b'"a":' + b"[" * 10_000, Code.TOO_DEEP),
    ],
)
def test_bytes_that_are_no_event_are_refused(value: bytes, code: Code) -> None:
    """Each under its own name, before anything is taken from them."""
    assert refused(value) == code


def test_a_tombstone_is_no_event() -> None:
    """A null value says nothing about usage."""
    with pytest.raises(BadEvent) as caught:
        Decoder().decode(None, NOW)
    assert caught.value.code == Code.EMPTY


def test_64_levels_are_not_too_deep() -> None:
    """The limit is a limit, not a guess: many brackets side by side are no depth."""
    nested: dict[str, Any] = {}
    for _ in range(62):
        nested = {"a": nested}
    assert decode(TRACK | {"properties": nested}) == event(message_id="m1")
    assert decode(TRACK | {"properties": {"a": [{}] * 500}}) == event(message_id="m1")


def test_a_schema_registrys_frame_is_taken_off() -> None:
    """Confluent's serialisers put a zero and a schema id before the JSON."""
    assert decode(b"\0\0\0\0\7" + orjson.dumps(TRACK)) == event(message_id="m1")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"userId": None}, Code.NO_CUSTOMER),
        ({"userId": ""}, Code.NO_CUSTOMER),
        ({"userId": 1.5}, Code.WRONG_TYPE),
        ({"userId": True}, Code.WRONG_TYPE),
        ({"userId": {"id": 1}}, Code.WRONG_TYPE),
        ({"userId": 2**70}, Code.WRONG_TYPE),
        ({"userId": "u" * 513}, Code.ID_TOO_LONG),
        ({"userId": "u\0"}, Code.NULL_BYTE),
        ({"event": None}, Code.NO_EVENT),
        ({"event": ""}, Code.NO_EVENT),
        ({"event": 7}, Code.WRONG_TYPE),
        ({"event": "e" * 513}, Code.ID_TOO_LONG),
        ({"event": "e\0"}, Code.NULL_BYTE),
        ({"messageId": [1]}, Code.WRONG_TYPE),
        ({"timestamp": None}, Code.NO_TIME),
        ({"timestamp": ""}, Code.NO_TIME),
        ({"timestamp": "  "}, Code.NO_TIME),
        ({"timestamp": "yesterday"}, Code.BAD_TIME),
        ({"timestamp": "2026-02-30T00:00:00Z"}, Code.BAD_TIME),
        ({"timestamp": "2026-03-01T09:30:00Z" * 9}, Code.BAD_TIME),
        ({"timestamp": "9999-12-31T23:59:59-12:00"}, Code.BAD_TIME),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, Code.TOO_OLD),
        ({"timestamp": "1989-12-31T23:59:59Z"}, Code.TOO_OLD),
        ({"timestamp": 12}, Code.TOO_OLD),
        ({"timestamp": 1e30}, Code.BAD_TIME),
        ({"timestamp": True}, Code.WRONG_TYPE),
        ({"timestamp": {}}, Code.WRONG_TYPE),
    ],
)
def test_broken_messages_are_refused(change: dict[str, object], code: Code) -> None:
    """Every way a message can be broken has a name its sender can look up."""
    record = {k: v for k, v in (TRACK | change).items() if v != 2**70}
    if change.get("userId") == 2**70:  # JSON may hold integers that orjson will not write
        value = orjson.dumps(TRACK).replace(b'"u1"', str(2**70).encode())
        assert refused(value) == code
    else:
        assert refused(record) == code


MAPPED: dict[str, Any] = {"user": {"id": "u1", "firm": "f"}, "ts": AT, "action": "order"}


def test_a_mapping_reads_dotted_paths() -> None:
    """Anybody's JSON is usage once the policy says where to look."""
    record = MAPPED | {"n": 2, "key": 5}
    assert decode(record, MAPPING) == event(message_id="5", volume=2.0, account_id="f")


def test_a_column_of_the_very_name_goes_before_the_path() -> None:
    """Tables are full of columns called a.b."""
    record = {"user.id": "u1", "ts": AT, "action": "order"}
    assert decode(record, MAPPING) == event()


def test_ignored_rows_are_nothing() -> None:
    """A mapping may say that a row is no event; matched in full, not in part."""
    assert decode(MAPPED | {"kind": "bot"}, MAPPING) is None
    assert decode(MAPPED | {"kind": "testing"}, MAPPING) is None
    assert decode(MAPPED | {"kind": "a bot"}, MAPPING) == event(account_id="f")
    empty = Mapping(customer="c", time="t", event_const="order", ignore=(("c", ""),))
    assert decode({"c": None, "t": AT}, empty) is None


def test_the_first_mapping_that_fits_reads() -> None:
    """One policy may read several tables."""
    other = Mapping(customer="c", time="t", event_const="order")
    assert decode({"c": "u1", "t": AT}, MAPPING, other) == event()
    assert decode(MAPPED, MAPPING, other) == event(account_id="f")


def test_a_mapping_goes_before_segment() -> None:
    """What the operator spelled out goes before what we know by heart."""
    mapping = Mapping(customer="userId", time="timestamp", event_const="anything")
    assert decode(TRACK, mapping) == event(name="anything")


def test_segment_is_read_where_no_mapping_fits() -> None:
    """The same policy reads the table and its converted messages."""
    assert decode(TRACK, MAPPING) == event(message_id="m1")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"user": None}, Code.NO_CUSTOMER),
        ({"user": "u1"}, Code.NO_CUSTOMER),
        ({"ts": None}, Code.NO_TIME),
        ({"action": None}, Code.NO_EVENT),
        ({"action": 4}, Code.WRONG_TYPE),
        ({"n": "many"}, Code.WRONG_TYPE),
        ({"n": [1]}, Code.WRONG_TYPE),
        ({"key": {}}, Code.WRONG_TYPE),
        ({"ts": "soon"}, Code.BAD_TIME),
    ],
)
def test_broken_mapped_records_are_refused(change: dict[str, object], code: Code) -> None:
    """With the column's name, so that the author of the mapping finds it."""
    assert refused(MAPPED | change, MAPPING) == code


@pytest.mark.parametrize(
    ("value", "time_format", "at"),
    [
        ("2026-03-01T09:30:00Z", "", AT),
        ("2026-03-01 09:30:00", "iso", AT),
        ("2026-03-01T10:30:00.5+01:00", "", AT + 500),
        (AT, "", AT),
        (AT // 1000, "", AT),
        (AT * 1_000 + 7, "", AT),
        (AT * 1_000_000, "", AT),
        (str(AT * 1_000), "", AT),
        (AT / 1000, "epoch", AT),
        (str(AT), "", AT),
        (str(AT // 1000), "epoch", AT),
        (f"{AT // 1000}.123", "", AT + 123),
        (AT, "epoch_ms", AT),
        ("2026-03-01", "", 1_772_323_200_000 + 43_200_000),
        ("20260301", "", 1_772_323_200_000 + 43_200_000),
        ("01.03.2026", "%d.%m.%Y", 1_772_323_200_000 + 43_200_000),
        (20260301, "%Y%m%d", 1_772_323_200_000 + 43_200_000),
        ("01.03.2026 09:30", "%d.%m.%Y %H:%M", AT),
        (datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "", AT),
        (datetime(2026, 3, 1, 9, 30), "", AT),  # noqa: DTZ001 - what Parquet holds
        (date(2026, 3, 1), "", 1_772_323_200_000 + 43_200_000),
    ],
)
def test_times_are_read_as_they_come(value: object, time_format: str, at: int) -> None:
    """Text or number, seconds or milliseconds; a bare date falls at its time of day."""
    mapping = Mapping(
        customer="c", time="t", event_const="order",
        time_format=time_format, time_of_day_ms=43_200_000,
    )  # fmt: skip
    record = {"c": "u1", "t": value}
    assert Decoder((mapping,)).decode_record(record, NOW) == event(occurred_at=at)


def test_integers_that_a_table_stores_as_floats_are_customers() -> None:
    """A column of numbers with one gap is a column of floats to most tools."""
    mapping = Mapping(customer="c", time="t", event_const="order")
    record = {"c": 17850.0, "t": AT}
    assert Decoder((mapping,)).decode_record(record, NOW) == event(customer_id="17850")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
KEYS = [
    *("batch", "events", "api_key", "groupId", "specversion", "source", "id", "subject", "data"),
    *("distinct_id", "event_type", "event_time", "amplitude_id", "event_id", "collector_tstamp"),
    *("type", "userId", "anonymousId", "event", "timestamp", "originalTimestamp", "sentAt"),
    *("receivedAt", "messageId", "properties", "context", "slipaway", "watermark"),
    *("customer_id", "name", "occurred_at", "received_at", "volume", "message_id", "account_id"),
    *("user", "user.id", "ts", "action", "n", "key", "kind", "a", "b", "c"),
]
WORDS = st.sampled_from(
    ["track", "page", "usage.v1", "heartbeat", "u1", "2026-03-01", "2026-W01", AT, "\0", "1e400"]
)
RECORDS = st.dictionaries(st.sampled_from(KEYS), WORDS | JSON, max_size=12)


def assert_only_events_or_reasons(value: bytes | None) -> None:
    """Decode in every way; anything but BadEvent fails by itself."""
    for decoder in DECODERS:
        try:
            decoded = decoder.decode(value, NOW)
        except BadEvent:
            continue
        told = decoded.events if isinstance(decoded, Bundle) else [decoded]
        for event in told:
            assert event is None or isinstance(event, UsageEvent | Heartbeat)
            if isinstance(event, UsageEvent):
                assert EARLIEST_MS <= event.occurred_at <= LATEST_MS
                assert 0 <= event.volume <= 1e12
                assert 0 < len(event.customer_id.encode()) <= 512
                assert 0 < len(event.name.encode()) <= 512
                assert decode(encode_usage(event)) == event


@given(st.binary() | st.none())
@example(b"\xef\xbb\xbf{}")
def test_arbitrary_bytes_are_events_or_reasons(value: bytes | None) -> None:
    """Nothing anybody can send ends the stream."""
    assert_only_events_or_reasons(value)


@given(RECORDS)
def test_arbitrary_objects_are_events_or_reasons(record: dict[str, object]) -> None:
    """The same for JSON made of the very keys that are looked for."""
    assert_only_events_or_reasons(orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS))


@given(st.lists(RECORDS | JSON, max_size=4), RECORDS)
def test_arbitrary_batches_are_events_or_reasons(
    items: list[object], around: dict[str, object]
) -> None:
    """The same for several of them in one value."""
    for key in ("batch", "events"):
        value = orjson.dumps(around | {key: items, "type": None}, option=orjson.OPT_NON_STR_KEYS)
        assert_only_events_or_reasons(value)


def test_a_megabyte_of_traits_is_one_message() -> None:
    """Traits are not kept, so they may be as large as a value may be."""
    few = {f"trait {i}": "x" * 40 for i in range(15_000)}
    message = TRACK | {"type": "identify", "traits": few}
    assert decode(message) == event(name="identify", message_id="m1")
    many = TRACK | {"type": "identify", "traits": few | {"more": "x" * 400_000}}
    assert refused(many) == Code.TOO_LARGE


@given(st.binary())
def test_arbitrary_canonical_tails_are_events_or_reasons(tail: bytes) -> None:
    """The fast path has no way out of its own either."""
    assert_only_events_or_reasons(usage.PREFIX + tail)
    assert_only_events_or_reasons(usage.PREFIX + b'"customer_id":"' + tail + b'"}')


@given(RECORDS)
def test_arbitrary_rows_are_events_or_reasons(record: dict[str, object]) -> None:
    """Rows of tables carry what JSON cannot: surrogates, NaN, infinities."""
    for decoder in DECODERS:
        for row in (record, {k: str(v) for k, v in record.items()}, record | {"ts": float("nan")}):
            with suppress(BadEvent):
                decoder.decode_record(row, NOW)


def test_text_that_is_no_utf8_is_refused() -> None:
    """Two names in Latin-1 must not become one customer of question marks."""
    mapping = Mapping(customer="c", time="t", event_const="order")
    with pytest.raises(BadEvent) as caught:
        Decoder((mapping,)).decode_record({"c": "M\udcfcller", "t": AT}, NOW)
    assert caught.value.code == Code.NOT_UTF8


@pytest.mark.parametrize(
    ("value", "time_format", "wanted"),
    [
        ("soon", "iso", "expected ISO 8601"),
        (3, "iso", "expected ISO 8601"),
        ("soon", "epoch", "expected seconds since 1970"),
        ("soon", "epoch_ms", "expected milliseconds since 1970"),
        ("soon", "%d.%m.%Y", "expected the format '%d.%m.%Y'"),
        (1.5, "%d.%m.%Y", "expected the format '%d.%m.%Y'"),
        (datetime.min.replace(tzinfo=UTC), "", "before 1990"),
        (LATEST_MS - 1.5, "epoch", "after the year 9999"),
        (LATEST_MS + 1, "", "beyond any date"),
        (AT * 1_000, "epoch_ms", "beyond any date"),
        (float("nan"), "", "beyond any date"),
        (2**70, "", "beyond any date"),
    ],
)
def test_a_time_that_cannot_be_read_says_what_was_expected(
    value: object, time_format: str, wanted: str
) -> None:
    """The sentence goes into the dead letter, and its reader has not read our manual."""
    mapping = Mapping(customer="c", time="t", event_const="order", time_format=time_format)
    with pytest.raises(BadEvent) as caught:
        Decoder((mapping,)).decode_record({"c": "u1", "t": value}, NOW)
    assert wanted in caught.value.message


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of a billion times and customers is read in constant memory, and alike."""
    monkeypatch.setattr("stream.wire.times._KNOWN_MAX", 2)
    monkeypatch.setattr("stream.wire.mapping._REMEMBERED_MAX", 2)
    decoder = Decoder((Mapping(customer="c", time="t", event_const="e", ignore=(("c", "x*"),)),))
    for i in (1, 2, 3, 4, 1, 2):
        record = {"c": f"c{i}", "t": f"2026-03-0{i}"}
        decoded = decoder.decode_record(record, NOW)
        assert decoded == event(
            customer_id=f"c{i}", name="e", occurred_at=1_772_323_200_000 + (i - 1) * 86_400_000
        )


def test_whole_numbers_are_ignored_by_their_digits() -> None:
    """A rule is written for what a reader of the table sees: 7, not 7.0; nothing, not nan."""
    mapping = Mapping(customer="c", time="t", event_const="e", ignore=(("k", "7|"),))
    decoder = Decoder((mapping,))
    for value in (7, 7.0, float("nan"), None, ""):
        assert decoder.decode_record({"c": "u", "t": AT, "k": value}, NOW) is None
    assert decoder.decode_record({"c": "u", "t": AT, "k": 7.5}, NOW) is not None


def test_properties_that_are_torn_json_hold_no_count() -> None:
    """In a table they are text, and text may be cut."""
    assert decode(TRACK | {"properties": '{"count": 4'}) == event(message_id="m1")
