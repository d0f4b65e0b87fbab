"""CloudEvents on Kafka: both modes, as the specification's own examples have them.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.wire.cloud_events import Headers
from stream.wire.events import Decoded, Decoder
from stream.wire.mapping import Mapping
from stream.wire.policy_file import parse

NOW = 1_790_000_000_000
AT = 1_522_943_784_000
TRACK = b'{"type":"track","userId":"u9","event":"order","timestamp":"2018-04-05T15:56:24Z"}'

STRUCTURED: dict[str, Any] = {
    "specversion": "1.0",
    "type": "com.example.someevent",
    "source": "/mycontext/subcontext",
    "subject": "u1",
    "id": "1234-1234-1234",
    "time": "2018-04-05T15:56:24Z",
    "comexampleextension1": "value",
    "comexampleothervalue": 5,
    "datacontenttype": "application/json",
    "data": {"appinfoA": "abc", "appinfoB": 123, "appinfoC": True},
}
JSON_HEADER = ("content-type", b"application/cloudevents+json; charset=UTF-8")
BINARY: list[tuple[str, bytes | None]] = [
    ("ce_specversion", b"1.0"),
    ("ce_type", b"com.example.someevent"),
    ("ce_source", b"/mycontext/subcontext"),
    ("ce_subject", b"u1"),
    ("ce_id", b"1234-1234-1234"),
    ("ce_time", b"2018-04-05T15:56:24Z"),
]
AVRO: list[tuple[str, bytes | None]] = [*BINARY, ("content-type", b"application/avro")]
ANONYMOUS = [header for header in BINARY if header[0] != "ce_subject"]


def decode(value: object, headers: Headers = (), *mappings: Mapping) -> Decoded:
    """Decode a record's value, given as an object or as bytes, with its headers."""
    plain = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
    return Decoder(mappings).decode(plain, NOW, headers)


def refused(value: object, headers: Headers = (), *mappings: Mapping) -> Code:
    """Return the code under which a record is refused."""
    with pytest.raises(BadEvent) as caught:
        decode(value, headers, *mappings)
    return caught.value.code


def event(**facts: Any) -> UsageEvent:
    """Return the event that the examples tell of, but for `facts`."""
    plain = {
        "customer_id": "u1",
        "name": "com.example.someevent",
        "occurred_at": AT,
        "received_at": NOW,
        "message_id": "/mycontext/subcontext 1234-1234-1234",
    }
    return UsageEvent(**(plain | facts))


def named(text: str) -> Mapping:
    """Return the mapping of a policy that changes the preset."""
    return parse(f'[[mapping]]\npreset = "cloudevents"\n{text}').mappings[0]


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (STRUCTURED, [JSON_HEADER]),
        (STRUCTURED, [("content-type", b"Application/CloudEvents+JSON")]),
        (STRUCTURED, []),  # a line of a log: it says itself what it is
        (STRUCTURED | {"datacontenttype": "application/xml", "data": "<a/>"}, [JSON_HEADER]),
        (STRUCTURED | {"data": "I'm just a string"}, []),
        (STRUCTURED | {"data": None, "unset": None}, []),
        (STRUCTURED, [*AVRO[:6], JSON_HEADER]),  # the headers may be there as well
        (b"\0\xff\x01", AVRO),
        (b"<much wow/>", [*BINARY, ("content-type", b"application/xml")]),
        ({"appinfoA": "abc"}, [*BINARY, ("content-type", b"application/json")]),
        ({"appinfoA": "abc"}, BINARY),
        (b'"just a string"', [*BINARY, ("content-type", b"application/vnd.x+json; a=b")]),
        (None, BINARY),  # an event without data is a record without a value
        (b"", [*BINARY, ("traceparent", b"\xff")]),
    ],
)
def test_the_envelope_says_who_what_and_when(value: object, headers: Headers) -> None:
    """Whatever is inside, and in either mode."""
    assert decode(value, headers) == event()


@pytest.mark.parametrize(
    ("value", "headers", "code"),
    [
        ([STRUCTURED], [("content-type", b"application/cloudevents-batch+json")], "format"),
        ([STRUCTURED], [], "object"),
        (b"\0\1", [("content-type", b"application/cloudevents+avro")], "format"),
        (STRUCTURED, [("content-type", b"Application/CloudEvents+XML")], "format"),
        ({"type": "a"}, [JSON_HEADER], "type"),
        (STRUCTURED | {"specversion": "0.3"}, [], "format"),
        (STRUCTURED | {"specversion": 1}, [], "format"),
        (None, [("ce_specversion", b"0.3"), *BINARY[1:]], "format"),
        (None, [("ce_specversion", b"\xff"), *BINARY[1:]], "utf8"),
        (None, [("ce_specversion", None), *BINARY[1:]], "format"),
        (b"{", [*BINARY, ("content-type", b"application/json")], "json"),
        (b"\0\0\0\0\1a", [*BINARY, ("content-type", b"application/json")], "format"),
        (None, [("ce_specversion", b"1.0")], "customer"),
        (None, [("ce_specversion", b"1.0"), ("ce_subject", b"u1")], "event"),
        (None, [header for header in BINARY if header[0] != "ce_time"], "time"),
        (STRUCTURED | {"time": "yesterday"}, [JSON_HEADER], "bad_time"),
        (STRUCTURED | {"subject": None}, [], "customer"),
        (STRUCTURED | {"subject": None, "data": 3}, [], "customer"),
        (STRUCTURED | {"subject": ["u1"]}, [], "wrong_type"),
        (STRUCTURED | {"source": "/" + "x" * 500}, [], "id"),
        (STRUCTURED | {"type": "slipaway.customer.slipping.opened.v1"}, [], "type"),
    ],
)
def test_what_is_no_such_event_is_refused(value: object, headers: Headers, code: str) -> None:
    """Each with a code of its own: a batch is no broken JSON."""
    codes = {
        "format": Code.UNSUPPORTED_FORMAT,
        "object": Code.NOT_AN_OBJECT,
        "type": Code.UNKNOWN_TYPE,
        "utf8": Code.NOT_UTF8,
        "json": Code.NOT_JSON,
        "customer": Code.NO_CUSTOMER,
        "event": Code.NO_EVENT,
        "time": Code.NO_TIME,
        "bad_time": Code.BAD_TIME,
        "wrong_type": Code.WRONG_TYPE,
        "id": Code.ID_TOO_LONG,
    }
    assert refused(value, headers) == codes[code]


def test_the_policy_may_say_who_the_customer_is() -> None:
    """In another attribute, or in the data; of what it says nothing of, the envelope tells."""
    value = STRUCTURED | {"data": {"who": "u7"}}
    for headers, record in (((), value), (BINARY, {"who": "u7"})):
        assert decode(record, headers, named('customer = "data.who"')) == event(customer_id="u7")
    extension = named('customer = "comexampleextension1"')
    assert decode(value, (), extension) == event(customer_id="value")


def test_a_subject_is_not_taken_where_the_policy_says_otherwise() -> None:
    """The subject of an order is the order."""
    for headers, value in (((), STRUCTURED), (BINARY, None)):
        assert refused(value, headers, named('customer = "data.who"')) == Code.NO_CUSTOMER
    assert refused(TRACK, ANONYMOUS, named('customer = "data.who"')) == Code.NO_CUSTOMER


def test_a_batch_is_refused_as_one() -> None:
    """Its sender reads what to do instead."""
    with pytest.raises(BadEvent, match="each is a record of its own"):
        decode([STRUCTURED], [("content-type", b"application/cloudevents-batch+json")])


def test_an_envelope_without_a_subject_is_opened() -> None:
    """What is inside may be an event that is known by itself, or that the policy maps."""
    inside = event(customer_id="u9", name="order", message_id="")
    assert decode(TRACK, ANONYMOUS) == inside
    whole = {key: value for key, value in STRUCTURED.items() if key != "subject"}
    assert decode(whole | {"data": orjson.loads(TRACK)}) == inside
    mapping = Mapping(customer="who", time="at", event_const="order")
    value = b'{"who":"u9","at":"2018-04-05T15:56:24Z"}'
    for headers in (ANONYMOUS, BINARY):
        assert decode(value, headers, mapping) == inside
    assert refused(TRACK.replace(b"order", b""), ANONYMOUS) == Code.NO_EVENT


def test_a_message_may_be_called_as_segment_calls_its() -> None:
    """It is an envelope if it has all that one must have, and Segment's otherwise."""
    assert decode(STRUCTURED | {"type": "track"}) == event(name="track")
    segment = orjson.loads(TRACK) | {"specversion": "1.0"}
    assert decode(segment) == event(customer_id="u9", name="order", message_id="")


def test_reading_many_together_minds_each_records_headers() -> None:
    """One such record among Segment's neither spoils them nor is missed."""
    values = [TRACK] * 3_000
    headers: list[Headers] = [()] * 3_000
    headers[1_500] = BINARY  # by its value alone it would be Segment's, of another customer
    values[2_500], headers[2_500] = b"\0\xff", AVRO
    values[20] = orjson.dumps(STRUCTURED)
    headers[1_501] = [("traceparent", b"1")]
    block = Decoder().decode_block(values, [NOW] * 3_000, headers)
    assert block.others == []
    assert block.place(1_500) == 1_500
    ours = [number for number, found in enumerate(block.events) if found == event()]
    assert ours == [20, 1_500, 2_500]


NAMES = st.sampled_from(
    ["ce_specversion", "ce_type", "ce_subject", "ce_time", "ce_id", "ce_data", "content-type", "x"]
)
TEXTS = st.binary(max_size=12) | st.sampled_from(
    [b"1.0", b"2018-04-05T15:56:24Z", b"application/json", *(v for _, v in AVRO if v), b"u1"]
    + [b"application/cloudevents" + rest for rest in (b"", b"+json", b"+avro", b"-batch+json")]
)
VALUES = st.none() | st.binary() | st.sampled_from([TRACK, orjson.dumps(STRUCTURED), b"{}", b"[1]"])


@given(VALUES, st.lists(st.tuples(NAMES, st.none() | TEXTS), max_size=9))
def test_arbitrary_headers_give_events_or_reasons(
    value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    """Nothing that anybody can write into a header ends the stream."""
    for mappings in ((), (named('customer = "data.who"'),)):
        with suppress(BadEvent):
            decoded = Decoder(mappings).decode(value, NOW, headers)
            assert isinstance(decoded, UsageEvent)
