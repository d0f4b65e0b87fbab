"""Bad input over the real worker and the real broker: put aside to the count, nothing else lost."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worker_process import PARTITIONS, TOPICS, create, get, producer, read_all, until, worker

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.broker import LocalBroker
from stream.detector.customer import Customer
from stream.detector.detector import Detector
from stream.detector.errors import Code
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.wire.alerts import encode_alert
from stream.wire.customers import CustomerCodec
from stream.wire.dead_letters import original_headers, read_headers
from stream.wire.events import Decoder, Heartbeat, encode_heartbeat
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

BEGIN = 1_767_225_600_000  # 2026-01-01
END = BEGIN + 120 * DAY_MS


def track(customer: object, at: object, **more: object) -> dict[str, Any]:
    """Return a Segment message."""
    return {"type": "track", "userId": customer, "event": "opened", "timestamp": at, **more}


def good() -> list[bytes]:
    """Return the events of forty customers, in order of time; each comes to an end by itself."""
    events = [
        (BEGIN + visit * (customer % 5 + 1) * DAY_MS + customer * 61_000, customer)
        for customer in range(40)
        for visit in range(customer % 7 + 1)
    ]
    return [
        json.dumps(track(f"c{customer}", iso(at), messageId=f"{customer}-{at}")).encode()
        for at, customer in sorted(events)
    ]


def bad() -> list[tuple[Code, bytes | None]]:
    """Return one of everything that cannot be used."""
    now = "2026-01-05T10:00:00Z"
    deep = b'{"type":"track","properties":' * 10_000 + b"1" + b"}" * 10_000
    return [
        (Code.NOT_JSON, b"userId=42&event=opened"),
        (Code.NOT_JSON, json.dumps(track("c1", now)).encode()[:-9]),
        (Code.NOT_AN_OBJECT, b"[1, 2, 3]"),
        (Code.NOT_AN_OBJECT, b'"text"'),
        (Code.NO_CUSTOMER, json.dumps(track("", now)).encode()),
        (Code.NO_TIME, json.dumps(track("c1", None)).encode()),
        (Code.BAD_TIME, json.dumps(track("c1", "yesterday")).encode()),
        (Code.FUTURE, json.dumps(track("c1", "2099-01-01T00:00:00Z")).encode()),
        (Code.TOO_OLD, json.dumps(track("c1", "1989-12-31T23:59:59Z")).encode()),
        (Code.ID_TOO_LONG, json.dumps(track("x" * 100_000, now)).encode()),
        (Code.WRONG_TYPE, json.dumps(track({"id": 1}, now)).encode()),
        (Code.NULL_BYTE, json.dumps(track("c\x001", now)).encode()),
        (Code.TOO_LARGE, json.dumps(track("c1", now, big=os.urandom(2_500_000).hex())).encode()),
        (Code.TOO_DEEP, deep),
        (Code.EMPTY, b""),
        (Code.EMPTY, None),
        (Code.UNKNOWN_TYPE, b'{"type": "telemetry", "userId": "c1"}'),
        (Code.UNKNOWN_TYPE, b'{"customer": "c1"}'),
    ]


async def test_bad_input_is_put_aside_to_the_count_and_the_rest_is_as_if_it_were_not_there(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Invariant 5: bad input never stops the stream, and is never dropped in silence."""
    raw = topic_names("raw")
    await create(broker, raw, {"max.message.bytes": str(8 << 20)})
    names = {name: topic_names(name) for name in TOPICS}
    with worker(broker, names, raw, tmp_path) as process:
        address = await process.ready()
        wrong = bad()
        right = good()
        async with producer(broker) as sender:
            for number, value in enumerate(right):
                if number < len(wrong):
                    key = f"k{number}".encode()
                    headers = [("trace", b"\x00\xff"), ("n", str(number).encode())]
                    await sender.send(raw, wrong[number][1], key=key, headers=headers)
                await sender.send(raw, value)
            await sender.flush()
            assert len(right) > len(wrong)
            await until(lambda: process.count("events_total", names["usage"]) == len(right))
            for partition in range(PARTITIONS):
                beat = encode_heartbeat(Heartbeat(END))
                await sender.send_and_wait(names["usage"], beat, partition=partition)
        await until(
            lambda: process.count("events_total", names["usage"]) == len(right) + PARTITIONS
        )
        assert json.loads(get(f"{address}/healthz")) == {"status": "alive"}
        assert json.loads(get(f"{address}/readyz")) == {"status": "ready"}
        assert process.count("dead_letters_total", raw) == len(wrong)
        assert process.count("events_total", raw) == len(right) + len(wrong)
        assert process.stop() == 0

    letters = await read_all(broker, names["dead_letters"])
    assert Counter(read_headers(r.headers).code for r in letters) == Counter(
        code.value for code, _ in wrong
    )
    for record in letters:
        number = int(record.key.decode()[1:])
        letter = read_headers(record.headers)
        assert letter is not None
        assert (letter.code, record.value) == (wrong[number][0].value, wrong[number][1])
        assert original_headers(record.headers) == [
            ("trace", b"\x00\xff"),
            ("n", str(number).encode()),
        ]
        assert (letter.topic, letter.partition, letter.stage) == (raw, 0, "decode")

    alerts, customers = as_the_detector_says(right)
    assert alerts
    assert sorted(r.value for r in await read_all(broker, names["alerts"])) == sorted(alerts)
    codec = CustomerCodec()
    state: dict[str, Customer] = {}
    for record in await read_all(broker, names["state"]):
        if not record.key.startswith(b"\x00"):
            state[record.key.decode()] = codec.decode(record.value)
    assert state == customers


async def test_a_worker_stops_when_most_of_its_input_fails(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Ten million dead letters would hide one wrong mapping; the log names it instead.

    Killed in between, it does not begin to count anew.
    """
    raw = topic_names("raw")
    await create(broker, raw, {})
    names = {name: topic_names(name) for name in TOPICS}

    async def fail(count: int) -> None:
        async with producer(broker) as sender:
            for _ in range(count):
                await sender.send(raw, b'{"userId": 1}')

    with worker(broker, names, raw, tmp_path, FAILING_EVENTS_MIN="100") as process:
        await process.ready()
        await fail(60)
        await until(lambda: len(asyncio.run(read_all(broker, names["dead_letters"]))) == 60)
        process.popen.kill()
        await asyncio.to_thread(process.popen.wait, 30)
    with worker(broker, names, raw, tmp_path, FAILING_EVENTS_MIN="100") as process:
        await process.ready()
        await fail(41)
        assert await asyncio.to_thread(process.popen.wait, 30) == 70
    assert "101 of the last 101 events" in process.log.read_text()
    assert "unknown_type 101" in process.log.read_text()
    assert len(await read_all(broker, names["dead_letters"])) == 60


def as_the_detector_says(values: list[bytes]) -> tuple[list[bytes], dict[str, Customer]]:
    """Return the alerts and customers of the pure detector, fed with the same events."""
    policy = Policy()
    days = policy.horizon_ms / DAY_MS
    model = OnlineModel(cold(days, back_age_ms(policy) / DAY_MS))
    detector = Detector(policy, Timeline(model))
    now = time.time_ns() // 1_000_000
    events = [Decoder().decode(value, now) for value in values]
    first = detector.on_events([event for event in events if isinstance(event, UsageEvent)])
    second = detector.on_tick(END + policy.allowed_lateness_ms)
    customers = {name: detector.customers[name] for name in detector.customers}
    for customer in customers.values():
        customer.touched = False  # as saved
    return [encode_alert(a) for a in (*first.alerts, *second.alerts)], customers
