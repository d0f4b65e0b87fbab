"""The product's side: what is sent, and when."""

import asyncio
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.demo.feed import WARM_UP_DAYS, Pace, feed, message, messages
from stream.demo.simulate import COUNTED, simulate
from stream.detector.events import DAY_MS, UsageEvent
from stream.wire.events import Decoder
from stream.wire.policy_file import load


def test_a_message_is_read_as_the_event_it_was_made_of() -> None:
    """Through the same decoder as everybody's Segment messages."""
    events = simulate(20, 60, 1).events
    decoder = Decoder()

    assert any(event.name in COUNTED for event in events)
    for event in events:
        assert decoder.decode(message(event), event.received_at) == event


def test_customers_say_who_they_are_before_anything_else() -> None:
    """The policy ranks them by what they pay, and gives the teams to somebody."""
    product = load(Path(str(files("stream.demo") / "policy.toml")))
    decoder = Decoder(product.mappings, product.policy.traits)
    came: dict[str, list[UsageEvent]] = {}
    for event in simulate(40, 60, 1):
        for value in messages(event):
            found = decoder.decode(value, event.received_at)
            assert isinstance(found, UsageEvent)
            came.setdefault(event.customer_id, []).append(found)
    assert len(came) == 40
    for events in came.values():
        first, *others = events
        assert (first.name, all(event.traits is None for event in others)) == ("identify", True)
        assert first.traits is not None
        assert first.traits["plan"] == ("team" if others[0].account_id else "solo")
        assert first.traits["mrr"]


def test_the_calendar_never_goes_back_and_ends_in_time() -> None:
    """The warm-up is hurried through; the rest has the most of the time."""
    simulation = simulate(10, 120, 1)
    pace = Pace(simulation, 50)
    times = [pace.at(tenth / 10) for tenth in range(520)]

    assert all(a <= b for a, b in pairwise(times))
    assert (times[0], times[-1]) == (simulation.starts_at, simulation.ends_at)
    assert pace.at(10) == simulation.starts_at + WARM_UP_DAYS * DAY_MS


class Batch:
    """What a producer's batch does, with room for three."""

    def __init__(self) -> None:
        """Start empty."""
        self.values: list[bytes] = []

    def append(self, *, key: None, value: bytes, timestamp: None) -> object:  # noqa: ARG002
        """Take a value, if there is room."""
        if len(self.values) == 3:
            return None
        self.values.append(value)
        return self

    def close(self) -> None:
        """Take no more."""


class Producer:
    """Remembers what was sent."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.sent: list[bytes] = []

    def create_batch(self) -> Batch:
        """Return an empty batch."""
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> None:
        """Keep it."""
        assert (topic, partition) == ("raw", 0)
        self.sent += batch.values

    async def flush(self) -> None:
        """Have nothing left to do."""


async def go_on() -> None:
    """Let the feed go on at once."""


@pytest.mark.parametrize("seconds", [0.0, 0.2])
async def test_every_event_is_sent_once_and_in_order(seconds: float) -> None:
    """However short the time, and however full the batches."""
    simulation = simulate(10, 60, 1)
    producer: Any = Producer()
    heard: list[tuple[int, int]] = []
    started = asyncio.get_running_loop().time()
    await feed(
        producer,
        "raw",
        simulation,
        seconds,
        on_sent=lambda *now: heard.append(now),
        may_go_on=go_on,
    )

    sent = [orjson.loads(value) for value in producer.sent]
    ids = [one["messageId"] for one in sent if one["type"] == "track"]
    assert ids == [event.message_id for event in simulation]
    assert heard[-1] == (simulation.ends_at, len(sent))
    assert asyncio.get_running_loop().time() - started < seconds + 2


async def test_the_feed_waits_for_a_worker_that_is_behind() -> None:
    """Events that pile up would only make the alerts old news."""
    producer: Any = Producer()
    caught_up = asyncio.Event()

    async def may_go_on() -> None:
        await caught_up.wait()

    simulation = simulate(10, 60, 1)
    feeding = asyncio.create_task(
        feed(producer, "raw", simulation, 0.0, on_sent=lambda *_: None, may_go_on=may_go_on)
    )
    await asyncio.sleep(0.05)
    assert not producer.sent
    caught_up.set()
    await feeding

    assert len(producer.sent) == len(simulation.events) + len(simulation.truths)
