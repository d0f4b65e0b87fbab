"""Ingest: every record comes out once, as an event or as a dead letter."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from faust.types import TP

from stream.detector.errors import Code
from stream.engine.exits import Fatal
from stream.wire.dead_letters import original_headers, read_headers
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.events import Decoder, Heartbeat, encode_heartbeat
from stream.worker import aliases_told
from stream.worker.dead_letters import PutAside
from stream.worker.failing import StopRule
from stream.worker.ingest import IngestFold
from stream.worker.metrics import Metrics
from stream.worker.origins import Origins

NOW_MS = 1_770_000_000_000
GOOD = b'{"type":"track","userId":"c1","event":"opened","timestamp":"2026-01-05T10:00:00Z"}'
FUTURE = GOOD.replace(b"2026", b"2099")


def fold(metrics: Metrics, *, wall_clock: bool = False, aliases: bool = False) -> IngestFold:
    """Return ingest's work on one partition."""
    put_aside = PutAside(
        topic="dead",
        source=TP("raw", 2),
        stage="decode",
        rule=StopRule(),
        metrics=metrics,
        clock=lambda: NOW_MS,
    )
    return IngestFold(
        TP("raw", 2),
        usage="usage",
        usage_partitions=2,
        origins=3,
        wall_clock=wall_clock,
        decoder=Decoder(aliases=aliases),
        future_skew_ms=60_000,
        put_aside=put_aside,
        metrics=metrics,
    )


def test_events_are_keyed_by_customer_and_the_rest_is_put_aside(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """The dead letter holds what the sender sent, and why it was refused."""
    work = fold(metrics)
    work.begin(None)
    headers = [("trace", b"1")]
    work.apply(
        [
            record(GOOD, key=b"session-7", offset=3),
            record(b"nonsense", key=b"k", offset=4, headers=headers),
            record(FUTURE, offset=5),
            record(encode_heartbeat(Heartbeat(NOW_MS)), offset=6),
        ]
    )
    assert work.pending == 4
    batch = work.collect()
    assert work.pending == 0
    event, nonsense, future, *beats = batch.outputs
    assert [(beat.topic, beat.partition, beat.key) for beat in beats] == [
        ("usage", 0, None),
        ("usage", 1, None),
    ]
    assert (event.topic, event.partition, event.key) == ("usage", None, b"c1")
    assert Decoder().decode(event.value, NOW_MS).customer_id == "c1"
    assert (nonsense.topic, nonsense.key, nonsense.value) == ("dead", b"k", b"nonsense")
    assert original_headers(nonsense.headers) == headers
    letter = read_headers(nonsense.headers)
    assert letter is not None
    assert (letter.topic, letter.partition, letter.offset) == ("raw", 2, 4)
    assert (letter.code, letter.stage) == (Code.NOT_JSON.value, "decode")
    assert future.value == FUTURE
    assert read_headers(future.headers).code == Code.FUTURE.value
    counted = metrics.registry.get_sample_value
    for result, count in (("ingested", 1), ("heartbeat", 1), ("dead_letter", 2)):
        labels = {"topic": "raw", "result": result}
        assert counted("slipaway_events_total", labels) == count


def test_a_letter_that_is_sent_again_counts_its_attempts(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """What fails for ever must not go round for ever."""
    work = fold(metrics)
    work.apply([record(b"nonsense")])
    first = work.collect().outputs[0]
    work.apply([record(first.value, headers=first.headers)])
    second = read_headers(work.collect().outputs[0].headers)
    assert second is not None
    assert second.attempt == 2


def test_headers_tell_what_a_value_is(record: Callable[..., Any], metrics: Metrics) -> None:
    """A CloudEvent's envelope may be there, and its data in a format that nobody reads."""
    said = {"specversion": "1.0", "type": "opened", "source": "/app", "subject": "c1", "id": "1"}
    headers = [(f"ce_{name}", text.encode()) for name, text in said.items()]
    work = fold(metrics)
    work.apply([record(b"\0\xff", headers=[*headers, ("ce_time", b"2026-01-05T10:00:00Z")])])
    (event,) = [
        output for output in work.collect().outputs if output.topic == "usage" and output.key
    ]
    assert event.key == b"c1"
    assert Decoder().decode(event.value, NOW_MS).name == "opened"


def test_a_batch_is_many_events_and_at_most_one_letter(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """What is put aside is the record as it came, and it came once."""
    batch = b'{"batch":[%b,{},%b,%b]}' % (GOOD, FUTURE, FUTURE)
    work = fold(metrics)
    work.apply([record(GOOD, offset=3), record(batch, offset=4), record(GOOD, offset=5)])
    outputs = work.collect().outputs
    assert [output.key for output in outputs if output.topic == "usage" and output.key] == [
        b"c1"
    ] * 3
    (letter,) = [output for output in outputs if output.topic == "dead"]
    assert letter.value == batch


def heard(work: IngestFold) -> Heartbeat | None:
    """Give what a collect says of the source's time; None if it says nothing new."""
    values = [o.value for o in work.collect().outputs if o.topic == "usage" and o.key is None]
    return Decoder().decode(values[-1], NOW_MS) if values else None  # type: ignore[return-value]


def test_a_source_says_that_it_is_there_before_it_has_read_anything(metrics: Metrics) -> None:
    """Otherwise the others would run ahead of its backlog."""
    work = fold(metrics)
    work.begin(None)
    assert heard(work) == Heartbeat(0, "raw:2", 3, busy=True)
    assert work.pending == 0


def test_a_source_says_how_far_it_has_come_and_that_nothing_is_left(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """Once each, not with every checkpoint."""
    work = fold(metrics)
    work.begin(b"5")
    work.apply([record(GOOD)])
    at = 1_767_607_200_000
    assert heard(work) == Heartbeat(at, "raw:2", 3, busy=True)
    work.tick(NOW_MS, caught_up=True)
    assert heard(work) == Heartbeat(at, "raw:2", 3, busy=False)
    work.tick(NOW_MS, caught_up=True)
    assert heard(work) is None


def test_an_empty_partition_holds_nobody_back_by_the_event_clock(metrics: Metrics) -> None:
    """Until it has looked it might have a backlog; once it has found none, the others tell time."""
    empty, origins = fold(metrics), Origins(2)
    empty.begin(None)
    before = heard(empty)
    assert before is not None
    assert origins.hear(Heartbeat(NOW_MS, "other", 2, busy=True)) is None
    assert origins.hear(msgspec.structs.replace(before, origins=2)) == 0
    empty.tick(NOW_MS, caught_up=True)
    after = heard(empty)
    assert after is not None
    assert origins.hear(msgspec.structs.replace(after, origins=2)) == NOW_MS


def test_the_wall_clock_tells_the_time_only_while_nothing_is_left_to_read(metrics: Metrics) -> None:
    """Lag must not look like silence."""
    work = fold(metrics, wall_clock=True)
    work.begin(b"5")
    work.tick(NOW_MS, caught_up=False)
    assert heard(work) == Heartbeat(5, "raw:2", 3, busy=True)
    work.tick(NOW_MS, caught_up=True)
    assert heard(work) == Heartbeat(NOW_MS, "raw:2", 3, busy=False)
    work.tick(NOW_MS + 100, caught_up=True)
    assert heard(work) is None


def test_a_heartbeat_of_the_source_moves_its_time(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """A product with nothing to report can say so."""
    work = fold(metrics)
    work.begin(None)
    work.apply([record(encode_heartbeat(Heartbeat(77)))])
    assert heard(work) == Heartbeat(77, "raw:2", 3, busy=True)


def test_both_ids_of_an_alias_are_told_once_a_day(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """Each in its own partition; a sender says so with every message."""
    work = fold(metrics, aliases=True)
    said = (
        b'{"type":"identify","userId":"u","anonymousId":"a","timestamp":"2026-01-%02dT10:00:00Z"}'
    )
    work.apply([record(said % day, offset=day) for day in (5, 5, 5, 6, 6, 7)])
    outputs = [o for o in work.collect().outputs if o.key and b"alias.v1" in (o.value or b"")]
    assert [output.key for output in outputs] == [b"u", b"a"] * 3
    assert {output.topic for output in outputs} == {"usage"}
    again = fold(metrics, aliases=True)
    again.apply([record(output.value, offset=n) for n, output in enumerate(outputs[:2])])
    assert [o[2:4] for o in again.collect().outputs if o.key] == [o[2:4] for o in outputs[:2]]


def test_pairs_told_of_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten is told once more, and that changes nothing."""
    monkeypatch.setattr(aliases_told, "PAIRS_MAX", 2)
    told = aliases_told.AliasesTold()
    assert [told.is_news(old, "u", NOW_MS) for old in "aabbca"] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    assert told.is_news("a", "u", NOW_MS - 1)


def test_an_erasure_keeps_its_place_among_the_events(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """What stands behind it is of a new customer; one of a time to come is put aside."""
    work = fold(metrics)
    work.begin(None)
    erasure, ahead = Erasure("c1", NOW_MS), Erasure("c1", NOW_MS + 60_001)
    values = [GOOD, encode_erasure(erasure), GOOD, encode_erasure(ahead), GOOD]
    work.apply([record(value, offset=offset) for offset, value in enumerate(values)])
    said = [out for out in work.collect().outputs if out.key is not None or out.topic == "dead"]
    decoded = [Decoder().decode(out.value, NOW_MS) for out in said]
    assert [out.topic for out in said] == ["usage"] * 4 + ["dead"]
    assert [found == erasure for found in decoded] == [False, True, False, False, False]
    assert {out.key for out in said[:4]} == {b"c1"}
    assert decoded[-1] == ahead


def test_what_fails_is_counted_on_by_whoever_restores(
    record: Callable[..., Any], metrics: Metrics
) -> None:
    """Beside the time; where all is well, the time stands alone, as it does by earlier releases."""
    work = fold(metrics)
    work.begin(None)
    work.apply([record(b"nonsense") for _ in range(600)])
    batch = work.collect()
    assert batch.rows == []  # they would bind the source to its number of partitions
    again = fold(metrics)
    again.begin(batch.progress)
    with pytest.raises(Fatal, match=r"1000 of the last 1000 events of raw .*not_json 1000"):
        again.apply([record(b"nonsense") for _ in range(400)])
    work.apply([record(GOOD) for _ in range(10_000)])
    assert int(work.collect().progress) == work._latest
