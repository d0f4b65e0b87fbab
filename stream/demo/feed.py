"""The product's side of the demo: simulated events as Segment messages, in fast motion.

They go to a raw topic of one partition, as a product's own topic might be: the
worker's ingest re-keys them by customer.  One partition, because at two days a
second a partition that is read half a second late would be a day behind the
others; nothing in production runs so fast.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby

import orjson
from aiokafka import AIOKafkaProducer

from stream.demo.simulate import COUNTED, Simulation, first_message_id, traits
from stream.detector.events import DAY_MS, UsageEvent
from stream.wire.times import iso

WARM_UP_DAYS = 40
"""Days in which customers only show their rhythms: hurried through."""
_WARM_UP_SHARE = 0.2
"""Of the time; the days after it are what there is to see."""
_STEP_SECONDS = 0.05
_RAW_PARTITION = 0


class Pace:
    """Where the simulated calendar stands after so many seconds of the show."""

    def __init__(self, simulation: Simulation, seconds: float) -> None:
        """Spread the whole span over that many seconds."""
        self._starts_at, self._ends_at = simulation.starts_at, simulation.ends_at
        self._warm_at = min(self._starts_at + WARM_UP_DAYS * DAY_MS, self._ends_at)
        self._seconds = max(seconds, _STEP_SECONDS)

    def at(self, seconds: float) -> int:
        """Return the simulated time after `seconds`, in milliseconds since 1970 UTC."""
        share = min(seconds / self._seconds, 1.0)
        if share < _WARM_UP_SHARE:
            begins, ends, share = self._starts_at, self._warm_at, share / _WARM_UP_SHARE
        else:
            begins, ends = self._warm_at, self._ends_at
            share = (share - _WARM_UP_SHARE) / (1 - _WARM_UP_SHARE)
        return begins + int(share * (ends - begins))


def message(event: UsageEvent) -> bytes:
    """Write an event as the Segment message a product would send."""
    record: dict[str, object] = {
        "type": "track",
        "messageId": event.message_id,
        "userId": event.customer_id,
        "event": event.name,
        "timestamp": iso(event.occurred_at),
    }
    if event.name in COUNTED:
        record["properties"] = {"count": event.volume}
    if event.account_id:
        record["context"] = {"groupId": event.account_id}
    return orjson.dumps(record)


def messages(event: UsageEvent) -> Iterator[bytes]:
    """Write an event, and before a customer's first one who that is."""
    if event.message_id == first_message_id(event.customer_id):
        yield orjson.dumps(
            {
                "type": "identify",
                "messageId": f"{event.message_id}/identify",
                "userId": event.customer_id,
                "timestamp": iso(event.occurred_at),
                "traits": traits(event),
            }
        )
    yield message(event)


async def feed(
    producer: AIOKafkaProducer,
    topic: str,
    simulation: Simulation,
    seconds: float,
    *,
    on_sent: Callable[[int, int], None],
    may_go_on: Callable[[], Awaitable[None]],
) -> None:
    """Send every event within `seconds`, or later: `may_go_on` is awaited before each step.

    `on_sent` hears of the simulated time and the count.
    """
    pace = Pace(simulation, seconds)
    steps = _steps(simulation.events, pace, seconds)
    loop = asyncio.get_running_loop()
    started = loop.time()
    sent = 0
    for due_seconds, events in steps:
        await asyncio.sleep(max(0.0, started + due_seconds - loop.time()))
        await may_go_on()
        sent += await _send(producer, topic, [one for event in events for one in messages(event)])
        on_sent(pace.at(due_seconds), sent)
    on_sent(simulation.ends_at, sent)
    await producer.flush()


def _steps(
    events: Sequence[UsageEvent], pace: Pace, seconds: float
) -> Iterator[tuple[float, list[UsageEvent]]]:
    """Give (seconds into the show, what is due by then), step by step."""
    step, until = 0, pace.at(0)

    def due(event: UsageEvent) -> int:
        nonlocal step, until
        while event.occurred_at >= until and step * _STEP_SECONDS < seconds:
            step += 1
            until = pace.at(step * _STEP_SECONDS)
        return step

    for at, group in groupby(events, key=due):
        yield at * _STEP_SECONDS, list(group)


async def _send(producer: AIOKafkaProducer, topic: str, values: list[bytes]) -> int:
    """Send values in their order, and count: batches built by hand cost a tenth of single sends."""
    batch = producer.create_batch()
    for value in values:
        if batch.append(key=None, value=value, timestamp=None) is None:
            batch.close()
            await producer.send_batch(batch, topic, partition=_RAW_PARTITION)
            batch = producer.create_batch()
            batch.append(key=None, value=value, timestamp=None)
    batch.close()
    await producer.send_batch(batch, topic, partition=_RAW_PARTITION)
    return len(values)
