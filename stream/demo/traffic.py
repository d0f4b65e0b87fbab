"""Traffic: the simulated product as if it were real, for workers, dashboards and alerts of yours.

The demo squeezes ninety days into a minute; here time is what it is.  Sixty days and
more are sent at once as the past, then each event at its own moment.  Past and present
are sent apart, because a worker that has caught up goes by the clock, and would take
a past that comes later for late.

The simulation is moved by whole weeks, so that its Mondays are ours.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import dropwhile, takewhile
from typing import Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import structs

from stream.demo.feed import messages
from stream.demo.simulate import Simulation, simulate
from stream.detector.events import DAY_MS, SECOND_MS, UsageEvent

PAST_DAYS = 60
"""At least, and one week more at most: a rhythm is known by then, and the dial is warm."""
DAYS = 120
WEEK_MS = 7 * DAY_MS

Part = Literal["past", "present"]


def moved(simulation: Simulation, now_ms: int) -> Iterator[UsageEvent]:
    """Yield the events as if the simulation had begun sixty days ago, or up to a week more."""
    weeks = (now_ms - PAST_DAYS * DAY_MS - simulation.starts_at) // WEEK_MS
    for event in simulation:
        at = event.occurred_at + weeks * WEEK_MS
        yield structs.replace(event, occurred_at=at, received_at=at)


async def send(
    bootstrap: str,
    topic: str,
    part: Part,
    *,
    customers: int,
    seed: int,
    told: Callable[[str], None],
) -> None:
    """Send the past, or the present as it comes; `told` hears how much that was.

    `topic` is keyed by customer, as `topics.usage` has to be, and is there already.
    """
    now = _now_ms()
    events = moved(simulate(customers, DAYS, seed), now)
    if part == "past":
        events = takewhile(lambda event: event.occurred_at < now, events)
    else:
        events = dropwhile(lambda event: event.occurred_at < now, events)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, acks="all")
    await producer.start()
    try:
        if not await producer.partitions_for(topic):
            raise KafkaError(f"There is no topic {topic}: `slipaway topics create` makes it.")
        sent = 0
        for event in events:
            await asyncio.sleep(max(0.0, (event.occurred_at - _now_ms()) / SECOND_MS))
            for value in messages(event):
                await producer.send(topic, value, key=event.customer_id.encode())
            sent += 1
    finally:
        await producer.stop()
    told(f"{sent} events sent to {topic}.")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
