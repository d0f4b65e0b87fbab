"""Who is who, through Kafka: states that move between partitions, as if there were one."""

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from test_replay_equals_worker import DEMO, Run, compare, replay_file
from worker_process import PARTITIONS, TOPICS, create, read_all, until, worker

from stream.broker import LocalBroker
from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.detector.customer import Customer
from stream.detector.errors import Code
from stream.detector.events import DAY_MS, MINUTE_MS
from stream.wire.customers import CustomerCodec
from stream.wire.dead_letters import read_headers
from stream.wire.events import Heartbeat, encode_heartbeat
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

BEGIN = 1_760_000_000_000
END = BEGIN + 20 * DAY_MS


def strangers() -> Iterator[bytes]:
    """Yield a simulated log in which half of the customers are strangers at first.

    Some of them have come under the known id before, and some have a third id in between.
    """
    came: dict[str, int] = defaultdict(int)
    for event in simulate(200, 60, seed=5):
        number = int("".join(filter(str.isdigit, event.customer_id)))
        came[event.customer_id] += 1
        nth, record = came[event.customer_id], orjson.loads(message(event))
        known, before = record["userId"], f"anonymous-{number}"
        between = f"between-{number}"
        ids = [before, between, known] if number % 6 == 0 else [before, known]
        moves = [6 * (place + 1) for place in range(len(ids) - 1)]
        now = ids[sum(nth >= move for move in moves)]
        if number % 2 == 0:
            if nth in moves:
                old = ids[moves.index(nth)]
                said = {"type": "identify", "anonymousId": old, "userId": now}
                yield orjson.dumps(said | {"timestamp": record["timestamp"]})
            if not (number % 4 == 0 and nth % 3 == 0):
                record["userId"] = now
        yield orjson.dumps(record)


@pytest.mark.parametrize(("workers", "kills"), [(2, 2)])
async def test_strangers_through_kafka_give_the_alerts_of_the_file(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    tmp_path: Path,
    workers: int,
    kills: int,
) -> None:
    """Killed in the middle of it, too: no handover is lost, and none comes twice."""
    log = tmp_path / "events.jsonl.gz"
    lines = list(strangers())
    with gzip.open(log, "wb") as file:
        file.writelines(line + b"\n" for line in lines)
    truth = replay_file(tmp_path, log, DEMO)
    messages = list(map(orjson.loads, lines))
    moved = {m["anonymousId"]: m["timestamp"] for m in messages if m["type"] == "identify"}
    assert len(moved) > 100
    alerts = [json.loads(line) for line in (truth / "alerts.jsonl").read_bytes().splitlines()]
    assert "same_customer" in {alert["reason_1"] for alert in alerts}
    for alert in alerts:
        assert alert["time"] <= moved.get(alert["customer_id"], alert["time"])
    run = Run(broker, topic_names, DEMO, tmp_path)
    await compare(run, log, truth, workers=workers, kills=kills)


def said(kind: str, at: int, user: str | None, **more: object) -> bytes:
    """Give a Segment message."""
    named = {"userId": user} if user else {}
    return orjson.dumps({"type": kind, "timestamp": iso(at), "event": "open", **named, **more})


async def test_raw_messages_make_one_customer_of_two(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """What comes late or under the old id follows; a circle is a dead letter, and harmless."""
    raw = topic_names("raw")
    await create(broker, raw, {})
    names = {name: topic_names(name) for name in TOPICS}
    values = [said("track", BEGIN + day * DAY_MS, None, anonymousId="anon-1") for day in range(6)]
    values += [said("track", BEGIN + day * DAY_MS, "u-2") for day in range(6)]
    signed_in = BEGIN + 6 * DAY_MS
    values += [said("identify", signed_in, "u-1", anonymousId="anon-1") for _ in range(50)]
    values += [
        said("alias", signed_in + MINUTE_MS, "u-3", previousId="u-2"),
        said("alias", signed_in + DAY_MS, "u-2", previousId="u-3"),
        said("track", signed_in + 2 * DAY_MS, None, anonymousId="anon-1"),
        said("track", signed_in + 3 * DAY_MS, "u-3"),
        said("identify", signed_in + 3 * DAY_MS, "u-1", anonymousId="x" * 5_000),
    ]
    values += [encode_heartbeat(Heartbeat(END))]
    with worker(broker, names, raw, tmp_path) as process:
        await process.ready()
        sender = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
        await sender.start()
        for value in values:
            await sender.send(raw, value)
        await sender.stop()
        await until(lambda: process.counted("aliases_total", result="merged") == 2)
        await until(lambda: process.counted("aliases_total", result=Code.ALIAS_CYCLE.value) == 1)
        await until(lambda: process.count("dead_letters_total", names["usage"]) == 1)
        assert process.count("dead_letters_total", raw) == 1
        assert process.stop() == 0

    codes = [read_headers(r.headers) for r in await read_all(broker, names["dead_letters"])]
    assert {letter.code for letter in codes if letter} == {
        Code.ALIAS_CYCLE.value,
        Code.ID_TOO_LONG.value,
    }
    codec, state = CustomerCodec(), dict[str, Customer]()
    for record in await read_all(broker, names["state"]):
        if not record.key.startswith(b"\x00"):
            state[record.key.decode()] = codec.decode(record.value)
    moved = {c: s.identity.moved_to for c, s in state.items() if s.identity and s.identity.moved_to}
    assert moved == {"anon-1": "u-1", "u-2": "u-3"}
    assert {c: s.visits for c, s in state.items() if s.visits} == {"u-1": 7, "u-3": 7}
    assert state["u-1"].first_at == BEGIN
    records = await read_all(broker, names["usage"])
    told = [r.value for r in records if b'"alias.v1"' in r.value]
    assert len(told) == 2 * 3  # said fifty times, told once, to both
    assert len({record.partition for record in records}) == PARTITIONS
    alerted = {json.loads(r.value)["customer_id"] for r in await read_all(broker, names["alerts"])}
    assert not alerted & {"anon-1", "u-2"}
