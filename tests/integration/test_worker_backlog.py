"""A backlog in several raw partitions, read at different paces: lag is not silence."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from worker_process import TOPICS, create, producer, read_all, until, worker

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.broker import LocalBroker
from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.wire.alerts import encode_alert
from stream.wire.events import Heartbeat, encode_heartbeat

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

RAW_PARTITIONS = 3


async def test_a_backlog_read_at_different_paces_gives_the_alerts_of_the_log_in_order(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Each customer's events lie anywhere; one raw partition holds a hundred times the bytes.

    Whichever is read first, nobody may look silent because of the others.
    """
    simulation = simulate(customers=60, days=60, seed=9)
    policy = Policy()
    days = policy.horizon_ms / DAY_MS
    detector = Detector(policy, Timeline(OnlineModel(cold(days, back_age_ms(policy) / DAY_MS))))
    said = detector.on_events(simulation.events).alerts
    end = simulation.ends_at + 40 * DAY_MS
    said += detector.on_tick(end).alerts
    assert said

    raw = topic_names("raw")
    await create(broker, raw, {}, RAW_PARTITIONS)
    names = {name: topic_names(name) for name in TOPICS}
    chance = random.Random(4)
    async with producer(broker) as sender:
        for event in simulation.events:
            partition = chance.choice([0, 0, 0, 0, 1, 2])
            value = message(event)
            padding = b" " * (2_000 if partition == 0 else 0)
            await sender.send(raw, value + padding, partition=partition)
        for partition in range(RAW_PARTITIONS):
            beat = encode_heartbeat(Heartbeat(end))
            await sender.send(raw, beat, partition=partition)
    with worker(broker, names, raw, tmp_path) as process:
        await process.ready()
        await until(
            lambda: process.gauge_min("watermark_timestamp_seconds") >= end / 1000 - 60, 120
        )
        assert process.counted("events_total", result="late") == 0
        assert process.stop() == 0
    alerts = [record.value for record in await read_all(broker, names["alerts"])]
    assert sorted(alerts) == sorted(encode_alert(alert) for alert in said)
