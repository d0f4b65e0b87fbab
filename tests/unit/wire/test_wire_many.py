"""Reading many values together: it says of each what reading it alone says.

The law is one, `as_alone`; what is odd is tried one by one among plain values,
where anything that goes wrong with it cannot hide behind another fault.
"""

from typing import Any

import orjson
import pytest

from stream.detector.batch import EventBatch
from stream.detector.errors import BadEvent
from stream.detector.events import UsageEvent
from stream.wire import segment, usage
from stream.wire.events import Decoder, Heartbeat, encode_heartbeat, encode_usage
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
ODD: list[object] = [None, True, 0, -1, 3, 2**63, 1.5, 2e12, "", " ", "1", "a\0b", [], {}]
ODD += ["ü" * 128, "ü" * 129, "x" * 513, "x" * 5_000, AT, NOW + 99, LATEST_MS, LATEST_MS + 1]
TIMES = [
    "2026-03-01T09:30:00.123Z",
    "2026-03-01T09:30:00.12٣Z",
    "2026-03-01T09:30:00Z",
    "2026-03-01t09:30:00.123456789+05:30",
    "2026-03-01T09:30:00+05:3",
    "1989-12-31T23:59:59.999Z",
    "2026-02-30T00:00:00.000Z",
    "2026-03-01T24:00:00.000Z",
    "2026-03-01T23:60:00.000Z",
    "2026-03-01T23:59:60.000Z",
    "2026-03-01T23:59:5/.000Z",
    "2026-03-01 23:59:59.000Z",
    "0000-03-01T23:59:59.000Z",
]
FIELDS: dict[str, list[object]] = {
    "type": ["page", "identify", "order"],
    "userId": [],
    "anonymousId": ["a1"],
    "event": [],
    "timestamp": [*TIMES],
    "originalTimestamp": [*TIMES[:2]],
    "messageId": [],
    "properties": [{"count": odd} for odd in ODD],
    "context": [{key: odd} for key in ("groupId", "active") for odd in [*ODD, False]],
    "groupId": [],
    "batch": [[{}]],
    "specversion": ["1.0"],
    "slipaway": ["usage.v1", "usage.v2", "heartbeat.v1"],
    "customer_id": [],
    "name": [],
    "occurred_at": [],
    "received_at": [],
    "message_id": [],
    "volume": [],
    "account_id": [],
}


TRACK_BYTES = orjson.dumps(TRACK)
USAGE_BYTES = encode_usage(UsageEvent("u1", "order", AT, AT))
BEAT_BYTES = encode_heartbeat(Heartbeat(AT))
USAGE = orjson.loads(USAGE_BYTES)
EXACT = TRACK | {"timestamp": "2026-03-01T09:30:00.000Z"}  # as most senders write it


def as_alone(
    odd_ones: list[bytes | None], plain: bytes, traits: frozenset[str] = frozenset()
) -> EventBatch:
    """Ask that values among plain ones decode as each of them does alone; give the events."""
    decoder = Decoder(traits=traits)
    values = [plain] * 9 + odd_ones + [plain] * 9
    received = [NOW + number for number in range(len(values))]
    block = decoder.decode_block(values, received)
    others = dict(block.others)
    number = 0
    for place, (value, at) in enumerate(zip(values, received, strict=True)):
        alone: object
        try:
            alone = decoder.decode(value, at)
        except BadEvent as bad:
            alone = bad
        if isinstance(alone, UsageEvent):
            assert block.events[number] == alone
            assert block.place(number) == place
            number += 1
        else:
            assert repr(others.pop(place)) == repr(alone)
    assert (number, others) == (len(block.events), {})
    assert list(block.events) == [block.events[place] for place in range(number)]
    return block.events


@pytest.mark.parametrize("key", FIELDS)
def test_reading_many_together_understands_nothing_else(key: str) -> None:
    """It is a shortcut: an odd value is read, or refused, as it would be alone."""
    for value in [*ODD, *FIELDS[key]]:
        for plain in (TRACK, EXACT, USAGE):
            as_alone([orjson.dumps(plain | {key: value})], orjson.dumps(plain))


def test_a_cloud_event_is_none_of_segments_messages() -> None:
    """Though it may be called as one of them, and lie among them."""
    envelope = {"specversion": "1.0", "id": "1", "source": "/s", "subject": "u2"}
    as_alone([orjson.dumps(TRACK | envelope | {"time": TRACK["timestamp"]})], TRACK_BYTES)


@pytest.mark.parametrize(
    "value",
    [
        *(None, b"", b" ", b"\xff", BEAT_BYTES, TRACK_BYTES * 2, USAGE_BYTES * 2),
        *(TRACK_BYTES[:-1], TRACK_BYTES[1:], USAGE_BYTES[:-1], USAGE_BYTES[1:]),
        *(b"\n" + TRACK_BYTES, TRACK_BYTES + b"\n", b"[%b]" % TRACK_BYTES),
        *(TRACK_BYTES.replace(b"u1", odd) for odd in (b"\xff", b"\\ud800", b"\n")),
        TRACK_BYTES + b"\n" + TRACK_BYTES,
    ],
)
@pytest.mark.parametrize("plain", [TRACK_BYTES, USAGE_BYTES])
def test_a_broken_value_does_not_spoil_its_neighbours(value: bytes | None, plain: bytes) -> None:
    """It is refused, and nothing else is."""
    as_alone([value], plain)


@pytest.mark.parametrize(
    "whole",
    [
        *(TRACK_BYTES, TRACK_BYTES + b"\n" + TRACK_BYTES),
        *(USAGE_BYTES, USAGE_BYTES + b"\n" + USAGE_BYTES),
        *(b'{"type":"track","x":[{},{}]}', b'{"x":"}{"}', b"{}{}", b"{}\n{}"),
    ],
)
@pytest.mark.parametrize("plain", [TRACK_BYTES, USAGE_BYTES])
def test_a_broken_value_is_not_made_whole_by_its_neighbours(whole: bytes, plain: bytes) -> None:
    """Wherever an object is cut in two, and whatever comes between."""
    for at in range(1, len(whole)):
        for between in ([], [b""], [b","], [b"{}"], [plain]):
            as_alone([whole[:at], *between, whole[at:]], plain)


@pytest.mark.parametrize("plain", [TRACK, EXACT])
def test_the_usual_messages_are_read_together(plain: dict[str, Any]) -> None:
    """Else the shortcut would be right and useless."""
    values, received = [orjson.dumps(plain)] * 3, [NOW] * 3
    batch = segment.SegmentReader().read_many(values, received)
    assert batch is not None
    assert list(batch) == [Decoder().decode(values[0], NOW)] * 3
    batch = usage.read_many([USAGE_BYTES] * 3, received)
    assert batch is not None
    assert list(batch) == [Decoder().decode(USAGE_BYTES, NOW)] * 3


def test_one_faulty_value_costs_few_others_the_shortcut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read one by one is what stands near the fault."""
    singly = 0
    alone = Decoder.decode

    def counted(self: Decoder, value: bytes | None, received_at: int, headers: object) -> object:
        nonlocal singly
        singly += 1
        return alone(self, value, received_at, headers)

    monkeypatch.setattr(Decoder, "decode", counted)
    values: list[bytes | None] = [TRACK_BYTES] * 5_000
    values[3_000] = b"{"
    block = Decoder().decode_block(values, [NOW] * len(values))
    assert (len(block.events), len(block.others)) == (4_999, 1)
    assert singly == 32


TOLD = (
    *({"plan": "team", "seats": 5, "other": "x"}, {"plan": None}, {"plan": ["a"], "seats": 1e400}),
    *({"plan": "x" * 200}, {"other": 1}, {}, None, [], "team", 3, {"plan": {"seats": 1}}),
    *({"plan": "\0"}, {"plan": True, "seats": 2.5}, {"": "x", "plan": ""}),
)


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("kind", ["identify", "group", "track", "page"])
def test_traits_are_read_together_as_alone(told: object, kind: str) -> None:
    """Those that are asked for, from the message or its context."""
    asked = frozenset({"plan", "seats", "account.plan"})
    message = EXACT | {"type": kind, "groupId": "g1"}
    values: list[bytes | None] = [
        orjson.dumps(message | {"traits": told}),
        orjson.dumps(message | {"context": {"traits": told, "active": False}}),
        orjson.dumps(message | {"context": {"traits": told}, "traits": {"seats": 9}}),
    ]
    for plain in (TRACK_BYTES, orjson.dumps(EXACT | {"type": "identify", "traits": {"plan": "z"}})):
        as_alone(values, plain, asked)
        assert as_alone(values, plain).traits is None


def test_what_is_told_is_what_was_asked_for() -> None:
    """Of the customer, and of the account it belongs to, under a name of its own."""
    values: list[bytes | None] = [
        orjson.dumps(EXACT | {"type": kind, "groupId": "g1", "traits": {"plan": "team", "a": 1}})
        for kind in ("identify", "group", "track")
    ]
    told = as_alone(values, TRACK_BYTES, frozenset({"plan", "account.plan", "b"})).traits
    assert told is not None
    assert [one for one in told if one] == [{"plan": "team"}, {"account.plan": "team"}]


def test_traits_survive_the_canonical_form() -> None:
    """What ingest has read is what detect reads."""
    event = UsageEvent("u1", "identify", AT, AT, traits={"plan": "team", "seats": 5, "old": None})
    assert Decoder().decode(encode_usage(event), AT) == event
    plain = UsageEvent("u1", "order", AT, AT)
    assert b"traits" not in encode_usage(plain)
    block = Decoder().decode_block([encode_usage(event)] * 40, [AT] * 40)
    assert list(block.events) == [event] * 40
