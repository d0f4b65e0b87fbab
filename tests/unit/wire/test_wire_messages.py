"""Laws of what is written: alerts, dead letters, lessons, snapshots, state."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.protocol import Example, Hour, Lesson, Share, Sighting, Tally
from stream.detector.alerts import Alert, Kind, Severity, Trigger
from stream.detector.cadence import fresh
from stream.detector.customer import Customer
from stream.detector.decline import Levels
from stream.detector.errors import BadEvent, Code
from stream.wire import snapshots
from stream.wire.alerts import alert_headers, decode_alert, encode_alert
from stream.wire.customers import CustomerCodec
from stream.wire.dead_letters import (
    DeadLetter,
    dead_letter,
    dead_letter_headers,
    known_code,
    original_headers,
    read_headers,
)
from stream.wire.lessons import LessonError, decode_lesson, encode_lesson
from stream.wire.snapshots import SnapshotError
from stream.wire.state import StateCodec, StateError
from stream.wire.times import LATEST_MS, from_iso, iso

AT = 1_772_357_400_000


def an_alert(**facts: Any) -> Alert:
    """Return a plain alert, but for `facts`."""
    plain: dict[str, Any] = {
        "customer_id": "u1",
        "time": AT,
        "kind": Kind.OPENED,
        "alert_id": "a1",
        "episode_id": "e1",
        "account_id": "",
        "severity": Severity.HIGH,
        "trigger": Trigger.SILENCE,
        "risk": 0.123456789,
        "silent_for_seconds": 86_400,
        "usual_gap_seconds": None,
        "expected_by": AT + 1,
        "drop_ratio": None,
        "reason_1": "overdue",
        "reason_1_text": "Usually back after a day",
        "reason_2": "",
        "reason_2_text": "",
        "reason_3": "",
        "reason_3_text": "",
        "backfill": False,
        "model_version": "cold",
        "policy_version": "abc",
    }
    return Alert(**(plain | facts))


def test_an_alert_is_flat_and_begins_with_who_when_what() -> None:
    """Platforms take no nesting, and people read the beginning of a line."""
    line = encode_alert(an_alert())
    assert line.startswith(b'{"customer_id":"u1","time":"2026-03-01T09:30:00Z","kind":"opened",')
    flat = orjson.loads(line)
    assert list(flat) == list(Alert.__struct_fields__)
    assert flat["risk"] == 0.123457
    assert flat["expected_by"] == "2026-03-01T09:30:00.001Z"
    assert not any(isinstance(value, dict | list) for value in flat.values())


@given(
    st.integers(0, LATEST_MS),
    st.none() | st.integers(0, LATEST_MS),
    st.floats(0, 1),
    st.sampled_from(Kind),
)
def test_alerts_round_trip(at: int, expected_by: int | None, risk: float, kind: Kind) -> None:
    """Read back, an alert is what was written, and writes the same bytes again."""
    alert = an_alert(time=at, expected_by=expected_by, risk=risk, kind=kind)
    again = decode_alert(encode_alert(alert))
    assert again == msgspec.structs.replace(alert, risk=round(risk, 6))
    assert encode_alert(again) == encode_alert(alert)


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'{"time": "x"}', b"\xff"])
def test_what_is_no_alert_is_a_value_error(value: bytes) -> None:
    """Readers have one thing to catch."""
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract, the text is not
        decode_alert(value)


def test_a_moment_beyond_the_calendar_is_written_as_its_end() -> None:
    """A very patient customer stops nobody."""
    assert iso(LATEST_MS + 10**15) == "9999-12-31T23:59:59.999Z"
    assert iso(-1) == "1970-01-01T00:00:00Z"


@given(st.integers(0, LATEST_MS))
def test_iso_times_round_trip(at: int) -> None:
    """To the millisecond."""
    assert from_iso(iso(at)) == at


def test_an_alerts_headers_are_cloud_events() -> None:
    """Binary mode of the Kafka binding, all seven."""
    assert alert_headers(an_alert(customer_id="ü")) == [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"slipaway.customer.slipping.opened.v1"),
        ("ce_source", b"slipaway"),
        ("ce_id", b"a1"),
        ("ce_time", b"2026-03-01T09:30:00Z"),
        ("ce_subject", "ü".encode()),
        ("content-type", b"application/json"),
    ]


def test_what_is_said_of_everybody_has_a_type_of_its_own_and_no_subject() -> None:
    """Whoever wants customers only filters by the type, as all who read CloudEvents do."""
    told = an_alert(customer_id="", kind=Kind.SUSPENDED, trigger=Trigger.POPULATION)
    headers = dict(alert_headers(told))
    assert headers["ce_type"] == b"slipaway.detection.suspended.v1"
    assert "ce_subject" not in headers
    assert decode_alert(encode_alert(told)).customer_id == ""


def a_letter(headers: list[tuple[str, bytes | None]], failed_at: int = AT) -> DeadLetter:
    """Return the letter for a record with these headers."""
    bad = BadEvent(Code.NO_CUSTOMER, "userId is missing: M\udcfcller")
    return dead_letter(
        bad, topic="usage", partition=3, offset=44, stage="decode",
        failed_at=failed_at, app_version="0.1.0", headers=headers,
    )  # fmt: skip


def test_a_dead_letter_keeps_headers_and_adds_the_reason() -> None:
    """Kafka Streams' tools read six of them; the sender's are as they were."""
    own: list[tuple[str, bytes | None]] = [("trace", b"\xff"), ("trace", None)]
    headers = dead_letter_headers(a_letter(own), own)
    assert headers[:2] == own
    assert dict(headers[2:]) == {
        "__streams.errors.exception": b"stream.detector.errors.BadEvent",
        "__streams.errors.stacktrace": b"",
        "__streams.errors.message": b"userId is missing: M\\udcfcller",
        "__streams.errors.topic": b"usage",
        "__streams.errors.partition": b"3",
        "__streams.errors.offset": b"44",
        "slipaway.stage": b"decode",
        "slipaway.error.code": b"no_customer",
        "slipaway.attempt": b"1",
        "slipaway.first_failed_at": b"2026-03-01T09:30:00Z",
        "slipaway.app.version": b"0.1.0",
    }
    assert original_headers(headers) == own


def test_a_second_failure_is_the_second_attempt() -> None:
    """What was replayed and fails again says so, and since when; headers do not pile up."""
    first = dead_letter_headers(a_letter([]))
    second = a_letter(first, failed_at=AT + 1)
    assert (second.attempt, second.first_failed_at) == (2, AT)
    again = dead_letter_headers(second, first)
    assert len(again) == len(first)
    read = read_headers(again)
    assert read is not None
    assert (read.attempt, read.offset, read.topic) == (2, 44, "usage")
    assert known_code(second) is Code.NO_CUSTOMER


def test_somebody_elses_headers_are_no_letter() -> None:
    """Other programs write Kafka Streams' headers too."""
    assert read_headers([]) is None
    headers = dead_letter_headers(a_letter([]))
    broken = [(name, b"x" if name == "slipaway.attempt" else value) for name, value in headers]
    assert read_headers(broken) is None
    assert a_letter(broken).attempt == 1


FINITE = st.floats(allow_nan=False)
LESSONS = st.one_of(
    st.builds(
        Example,
        customer=st.integers(0, 2**32 - 1) | st.text(),
        at=st.integers(0, LATEST_MS),
        landmark_at=st.integers(0, LATEST_MS),
        labels=st.lists(st.integers(0, 1)).map(tuple),
    ),
    st.builds(
        Sighting,
        at=st.integers(0, LATEST_MS),
        customer_hash=st.integers(0, 2**64 - 1),
        first_at=st.integers(0, LATEST_MS),
        last_at=st.integers(0, LATEST_MS),
        repeats=st.integers(0, 1000),
    ),
    st.builds(
        Tally,
        day_end=st.integers(0, LATEST_MS),
        visits=st.integers(0, 1000),
        customer_days=FINITE,
        crossings=st.dictionaries(st.integers(-500, 500), FINITE, max_size=4),
        crossed=st.integers(0, 1000),
        false_alarms=st.integers(0, 1000),
        segments=st.dictionaries(
            st.text(max_size=3),
            st.builds(
                Share,
                customer_days=FINITE,
                crossings=st.dictionaries(st.integers(-500, 500), FINITE, max_size=4),
                crossed=st.integers(0, 1000),
                false_alarms=st.integers(0, 1000),
                chance_raised=FINITE,
                chance_settled=FINITE,
            ),
            max_size=2,
        ),
    ),
    st.builds(
        Hour,
        hour_end=st.integers(0, LATEST_MS),
        returns=st.integers(0, 1000),
        customer_ms=st.integers(0, 2**60),
    ),
)


@given(LESSONS, st.integers(0, 1000))
def test_lessons_round_trip(lesson: Lesson, partition: int) -> None:
    """What one partition teaches arrives, and says whose it is."""
    assert decode_lesson(encode_lesson(lesson, partition)) == (partition, lesson)


def test_lessons_of_the_release_before_are_read() -> None:
    """They wait in the topic while workers are upgraded."""
    told = Sighting(5, 6, 7, 8, 9)
    written = encode_lesson(told, 3)
    for version in (b"\1", b"\2", b"\3"):
        assert decode_lesson(version + written[1:]) == (3, told)
    with pytest.raises(LessonError, match="version 5"):
        decode_lesson(b"\5" + written[1:])


@given(st.none() | st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: b"\1" + tail))
def test_arbitrary_bytes_are_no_lesson(value: bytes | None) -> None:
    """The trainer reads a topic: nothing in it may end it unawares."""
    with pytest.raises(LessonError):
        decode_lesson(value)


class Learned(msgspec.Struct, frozen=True):
    """Stands for the model's snapshot, of which this module knows nothing."""

    version: str
    threshold: float
    weights: dict[str, float]
    counts: dict[int, float]
    matrix: tuple[tuple[float, ...], ...]
    maybe: float | None = None


LEARNED = Learned("7", float("inf"), {"a": 0.1, "b": float("-inf")}, {-3: 0.5}, ((1.0, 2.0),))


def test_snapshots_round_trip_to_the_last_bit() -> None:
    """Infinity too, which JSON by itself would turn into nothing."""
    value = snapshots.encode(LEARNED)
    assert orjson.loads(value)["slipaway"] == "snapshot.v1"
    assert snapshots.decode(value, Learned) == LEARNED


@given(st.floats(allow_nan=False), st.dictionaries(st.text(max_size=3), FINITE, max_size=3))
def test_every_float_of_a_snapshot_survives(threshold: float, weights: dict[str, float]) -> None:
    """Two workers with one snapshot must not differ in the last bit."""
    learned = msgspec.structs.replace(LEARNED, threshold=threshold, weights=weights)
    assert snapshots.decode(snapshots.encode(learned), Learned) == learned


def test_a_torn_snapshot_is_refused() -> None:
    """Cut anywhere, it is an error, and never half a model."""
    value = snapshots.encode(LEARNED)
    for end in range(len(value)):
        with pytest.raises(SnapshotError):
            snapshots.decode(value[:end], Learned)


class Other(msgspec.Struct):
    """Another type."""

    version: str


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "empty"),
        (b"\xff", "torn"),
        (b"[" * 100_000, "torn"),
        (snapshots.encode(LEARNED).replace(b"snapshot.v1", b"snapshot.v9"), "Operator action"),
        (snapshots.encode(LEARNED).replace(b"0.1", b"0.2"), "digest"),
        (snapshots.encode(Other("7")), "of type 'Other'"),
    ],
)
def test_a_snapshot_that_is_not_ours_is_refused(value: bytes | None, wanted: str) -> None:
    """A snapshot judges everybody: in doubt, none."""
    with pytest.raises(SnapshotError, match=wanted):
        snapshots.decode(value, Learned)


def test_a_snapshot_of_another_shape_is_refused() -> None:
    """The same name and version do not make the same fields."""
    stranger = msgspec.defstruct("Learned", [("version", str)])("7")
    with pytest.raises(SnapshotError, match="does not hold what it should"):
        snapshots.decode(snapshots.encode(stranger), Learned)


class Kept(msgspec.Struct, array_like=True):
    """Stands for a customer's state."""

    last_at: int
    gaps: list[float]


CODEC = StateCodec(Kept)


@given(st.integers(0, LATEST_MS), st.lists(st.floats(allow_nan=False)))
def test_state_round_trips(last_at: int, gaps: list[float]) -> None:
    """Snapshot, restore, continue is the same as never having stopped."""
    assert CODEC.decode(CODEC.encode(Kept(last_at, gaps))) == Kept(last_at, gaps)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"", "tombstone"),
        (b"\2\x92\0\x90", "version 2"),
        (b"\1\x92\0", "Operator action: stop"),
        (b"\1\xa1x", "no Kept"),
        (b"\1" + b"\x91" * 100_000, "no Kept"),
    ],
)
def test_state_that_cannot_be_taken_over_is_refused(value: bytes, wanted: str) -> None:
    """With what the operator does: nobody is judged as new by accident."""
    with pytest.raises(StateError, match=wanted):
        CODEC.decode(value)


def customer(due: int) -> Customer:
    """Return a customer nothing is known of."""
    return Customer(due=due, rhythm=fresh(30.0), levels=Levels())


def test_a_customers_row_tells_when_it_is_due_without_being_read() -> None:
    """A million are put in order at a restore; who is due in a month need not be looked at."""
    codec = CustomerCodec()
    for due in (0, 1, 2**31, 12_345_678_901_234):
        assert codec.due(codec.encode(customer(due=due))) == due


def test_a_customers_row_of_version_1_is_taken_over() -> None:
    """An upgrade loses nobody's cadence; when they are due is reckoned anew."""
    rhythm = [7, 1.5, 9.0, 0.25, 0.5, 0.125, -0.5, 1]
    visit, signal = [5_000, 6_000, 2.0, 3], [7_000, "cancel", "WARNING"]
    landmark = [4_000, 3_000, 2, b"inputs", 0]
    episode = ["e1", 3_500, "silence", "slipping", 3_500, 0]
    row = [
        *(rhythm, [0.5, 0.25, 0.0, False], "acme", 1_000, 3_000, 4_000, 8, 2_000, True, 86_400_000),
        *(3.0, 5, 1.25, 1.5, 2, 1.75, 20.0, 3, -1.5, True, True, False, episode, 1, [landmark]),
        *([visit], [signal], [2**60]),
    ]
    value = b"\1" + msgspec.msgpack.encode(row)
    codec = CustomerCodec()
    found = codec.decode(value)
    assert codec.due(value) is None
    assert (found.account_id, found.visits, found.last_at) == ("acme", 8, 3_000)
    assert (found.rhythm.gaps, found.levels.sharp, found.best_value) == (7, 0.5, -1.5)
    assert (found.waiting[0].end, found.signals[0].name) == (6_000, "cancel")
    assert (found.landmarks[0].inputs, found.recent_ids) == (b"inputs", b"")
    assert found.episode is not None
    assert found.episode.trigger is Trigger.SILENCE
    assert codec.decode(codec.encode(found)) == found


def test_a_customers_row_of_before_the_guard_is_taken_over() -> None:
    """Its fields are the first ones of today's; what is due has to be reckoned anew."""
    now = customer(due=7)
    fields: list[Any] = msgspec.msgpack.decode(CustomerCodec().encode(now)[1:])
    before = b"\2" + msgspec.msgpack.encode(fields[:-2])
    assert CustomerCodec().decode(before) == msgspec.structs.replace(now, due=0)
    assert CustomerCodec().due(before) is None
    newer = b"\3" + msgspec.msgpack.encode(fields[:-1])
    assert CustomerCodec().decode(newer) == now
    assert CustomerCodec().due(newer) == 7


@pytest.mark.parametrize(
    "value", [b"\1\x90", b"\1\x91\1", b"\2\x91\1", b"\3\x91\1", b"\4\x90", b""]
)
def test_a_customers_row_that_cannot_be_read_is_refused(value: bytes) -> None:
    """Nobody is judged as new by accident."""
    with pytest.raises(StateError, match=r"Operator action|tombstone"):
        CustomerCodec().decode(value)
