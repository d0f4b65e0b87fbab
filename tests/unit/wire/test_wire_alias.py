"""What is said of ids, among the events that say it, and on its way between partitions."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detector import cadence, decline
from stream.detector.customer import Customer, Signal
from stream.detector.errors import BadEvent, Code
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.identity import ALIAS, JOINS, MOVES, Handover, alias_event
from stream.detector.life import Life
from stream.detector.visits import Visit
from stream.wire.alias import encode_alias, sides
from stream.wire.events import Bundle, Decoder, Travelled, encode_usage
from stream.wire.travel import encode_sent

AT = 1_772_357_400_000
NOW = AT + DAY_MS
TRACK = {
    "type": "track",
    "userId": "u1",
    "anonymousId": "a1",
    "event": "open",
    "timestamp": "2026-03-01T09:30:00.000Z",
}
IDENTIFY = TRACK | {"type": "identify"}
DECODER = Decoder(aliases=True)


def decode(record: Any) -> Any:
    """Decode one value."""
    return DECODER.decode(record if isinstance(record, bytes) else orjson.dumps(record), NOW)


def names(values: list[Any]) -> list[tuple[str, str, int]]:
    """Decode values together: give each event's customer, name and place."""
    block = DECODER.decode_block([orjson.dumps(value) for value in values], [NOW] * len(values))
    assert all(bad is None for _, bad in block.others)
    return [(e.customer_id, e.name, block.place(n)) for n, e in enumerate(block.events)]


def test_an_identify_message_says_two_things() -> None:
    """It is an event, and it says that two ids are one customer."""
    event = UsageEvent("u1", "identify", AT, NOW)
    assert decode(IDENTIFY) == Bundle((event, alias_event("a1", "u1", AT, NOW)), None)
    said = TRACK | {"type": "alias", "previousId": "old"}
    assert decode(said).events[1] == alias_event("old", "u1", AT, NOW)
    for plain in (TRACK, IDENTIFY | {"anonymousId": None}, IDENTIFY | {"anonymousId": "u1"}):
        assert isinstance(decode(plain), UsageEvent)


def test_nobody_who_does_not_ask_hears_of_it() -> None:
    """Whoever counts events, counts none that is not one."""
    value = orjson.dumps(IDENTIFY)
    assert Decoder().decode(value, NOW) == UsageEvent("u1", "identify", AT, NOW)
    assert Decoder().decode(encode_alias(alias_event("a", "u", AT, AT)), NOW) is None


def test_an_id_that_is_none_costs_the_alias_and_not_the_event() -> None:
    """An id of thousands of characters is put aside, with the message it came in."""
    found = decode(IDENTIFY | {"anonymousId": "x" * 5_000})
    assert [event.name for event in found.events] == ["identify"]
    assert found.bad.code is Code.ID_TOO_LONG


@pytest.mark.parametrize("count", [1, 15, 40, 3_000])
def test_many_read_together_say_the_same(count: int) -> None:
    """In their places, each behind its event."""
    odd = {0, count // 2, count - 1}
    values = [IDENTIFY if n in odd else TRACK for n in range(count)]
    expected = []
    for place, value in enumerate(values):
        expected.append(("u1", value["event"] if value is TRACK else "identify", place))
        if value is IDENTIFY:
            expected.append(("u1", ALIAS, place))
    assert names(values) == expected


@pytest.mark.parametrize("count", [1, 40])
def test_a_message_tells_traits_and_an_alias(count: int) -> None:
    """Both come through, read together or one by one, whoever asks for both."""
    decoder = Decoder((), frozenset({"plan", "seats"}), aliases=True)
    told = IDENTIFY | {"traits": {"plan": "trial", "seats": 5, "name": "Ann"}}
    in_context = IDENTIFY | {"context": {"traits": {"plan": "team"}}}
    values = [orjson.dumps(value) for value in (told, in_context, TRACK) * count]
    block = decoder.decode_block(values, [NOW] * len(values))
    said = [(e.name, e.traits, block.place(n)) for n, e in enumerate(block.events)]
    assert not block.others
    assert said[:5] == [
        ("identify", {"plan": "trial", "seats": 5}, 0),
        (ALIAS, None, 0),
        ("identify", {"plan": "team"}, 1),
        (ALIAS, None, 1),
        ("open", None, 2),
    ]
    assert [what[:2] for what in said] == [what[:2] for what in said[:5]] * count


def test_a_batch_of_calls_may_hold_them() -> None:
    """Senders post what they have as one value."""
    found = decode({"batch": [TRACK, IDENTIFY, IDENTIFY | {"anonymousId": "x" * 5_000}]})
    assert [event.name for event in found.events] == ["open", "identify", ALIAS, "identify"]
    assert "[2] of a batch of 3" in found.bad.message


def test_both_sides_of_an_alias_are_written_and_read() -> None:
    """Each is keyed by the id that it is for."""
    alias = alias_event("a1", "u1", AT, NOW - 5)
    told = sides(alias)
    assert [(side.customer_id, side.name) for side in told] == [("u1", JOINS), ("a1", MOVES)]
    for event in (alias, *told):
        assert decode(encode_alias(event)) == event


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"customer_id": None}, Code.NO_CUSTOMER),
        ({"previous_id": ""}, Code.NO_CUSTOMER),
        ({"previous_id": "x" * 600}, Code.ID_TOO_LONG),
        ({"side": "left"}, Code.WRONG_TYPE),
        ({"side": ["customer"]}, Code.WRONG_TYPE),
        ({"occurred_at": None}, Code.NO_TIME),
        ({"occurred_at": "today"}, Code.WRONG_TYPE),
        ({"occurred_at": 5}, Code.TOO_OLD),
    ],
)
def test_a_broken_alias_is_refused(change: dict[str, object], code: Code) -> None:
    """It says what is wrong with it."""
    record = orjson.loads(encode_alias(alias_event("a1", "u1", AT, AT))) | change
    with pytest.raises(BadEvent) as bad:
        decode(record)
    assert bad.value.code is code


def test_an_alias_to_itself_is_none() -> None:
    """It is not worth a dead letter."""
    assert decode(encode_alias(alias_event("u1", "u1", AT, AT))) is None


def test_nobody_vouches_for_tomorrow() -> None:
    """An alias may not claim to have been received long after it was."""
    record = orjson.loads(encode_alias(alias_event("a1", "u1", AT, AT)))
    assert decode(record | {"received_at": NOW + 9 * DAY_MS}).received_at == NOW + DAY_MS


def test_no_event_from_outside_passes_for_an_alias() -> None:
    """The names that aliases have among events cannot be sent."""
    forged = encode_usage(UsageEvent("u1", MOVES, AT, AT, account_id="u2"))
    block = DECODER.decode_block([forged] * 20, [NOW] * 20)
    assert len(block.events) == 0
    assert {bad.code for _, bad in block.others if isinstance(bad, BadEvent)} == {Code.NULL_BYTE}


@given(
    visits=st.integers(0, 99),
    waiting=st.lists(st.integers(AT, NOW), max_size=3),
    signal=st.text(max_size=9),
    hops=st.integers(0, 8),
    refused=st.sampled_from(["", *Code]),
)
def test_a_handover_arrives_as_it_was_sent(
    visits: int, waiting: list[int], signal: str, hops: int, refused: str
) -> None:
    """State, receiver and refusal, to the last bit."""
    state = Customer(
        rhythm=cadence.fresh(30.0),
        levels=decline.Levels(),
        visits=visits,
        waiting=tuple(Visit(at, at, 1.5, 3) for at in waiting),
        signals=[Signal(AT, signal, "WARNING")],
        life=Life({"plan": signal}, AT, AT, [AT], NOW, paused=bool(hops)),
    )
    sent = Handover(
        previous_id="ä",
        customer_id="u\n",
        at=AT,
        state=state,
        back=hops > 4,
        hops=hops,
        refused=str(refused),
    )
    key, value = encode_sent(sent, "app")
    assert key == b"u\n"
    assert decode(value) == Travelled("app", sent)
    answer = msgspec.structs.replace(sent, state=None)
    assert decode(encode_sent(answer, "app")[1]) == Travelled("app", answer)


def test_a_forwarded_event_arrives_as_it_was_sent() -> None:
    """It is told from one that came to the topic by itself."""
    for traits in (None, {"plan": "trial", "seats": 5, "owner": None}):
        event = UsageEvent("u1", "open", AT, AT, volume=2.0, account_id="acme", traits=traits)
        assert decode(encode_sent(event, "app")[1]) == Travelled("app", event)


@pytest.mark.parametrize("row", ["", "AAAA", "/////w==", "aaaaaaaaaaaa"])
def test_a_state_that_cannot_be_read_is_an_answer_without_one(row: str) -> None:
    """Whoever waits for it must not wait for ever."""
    record = orjson.loads(encode_sent(Handover(previous_id="a", customer_id="u", at=AT), "app")[1])
    found = decode(record | {"row": row})
    assert found.what.state is None
    assert found.what.refused == Code.BAD_HANDOVER.value


@pytest.mark.parametrize(
    "change",
    [
        {"app": 5},
        {"at": "x"},
        {"at": 5},
        {"row": "%"},
        {"hops": None},
        {"refused": "whatever"},
        {"customer_id": "x" * 5_000},
        {"previous_id": ""},
    ],
)
def test_a_broken_handover_is_refused(change: dict[str, object]) -> None:
    """Whoever writes such records by hand is told."""
    record = orjson.loads(encode_sent(Handover(previous_id="a", customer_id="u", at=AT), "app")[1])
    with pytest.raises(BadEvent):
        decode(record | change)


def test_a_text_that_may_hold_an_alias_is_read_by_the_line() -> None:
    """A whole text at once has no place for a second event of one line."""
    both = {k: v for k, v in TRACK.items() if k != "event"} | {"type": "identify"}
    text = b"\n".join([orjson.dumps(both)] * 3)
    assert Decoder(aliases=True).decode_text(text, NOW) is None
    assert Decoder(aliases=False).decode_text(text, NOW) is not None
