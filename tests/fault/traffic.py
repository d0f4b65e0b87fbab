"""Traffic: the seeded input of a fault run, sent while the faults happen.

Simulated customers over weeks and months: bursts, silences, warnings and
endings, in order but for what every real log has, duplicates and stragglers.
Where it is asked for, what no decoder can use is mixed in.  Everything follows
from the seed; how much of it is sent follows from the plan of faults, never
from how fast the machine is.

The log is endless and its customers are not: their months are told again and
again, each lap later than the last, so that memory can be seen to follow
customers and not events.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import count, islice
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaProducer

from stream.demo.feed import message
from stream.demo.simulate import STARTS_AT_MS, simulate
from stream.detector.events import DAY_MS, UsageEvent
from stream.wire.events import Heartbeat, encode_heartbeat

BEGIN_MS = 662_688_000_000  # 1991-01-01: the longest soak must end before the broker's present
LAP_DAYS = 60
SILENCE_DAYS = 40  # behind the last event: whoever was there is gone by then
DUPLICATE_SHARE = 0.02
LATE_SHARE = 0.02
LATE_MESSAGES_MAX = 150  # so many others overtake a straggler at most: nearly a day's
BATCH_MESSAGES = 500
POISON_BYTES = 1_200_000  # more than a decoder looks at

# An unsent message is given up after so long: longer than any outage we make.
PATIENCE_MS = 600_000

Message = tuple[int, bytes | None]
"""A raw partition, and a value."""


def place(message_id: str, partitions: int) -> int:
    """Say which raw partition a message goes to; the same one if it is sent twice."""
    return crc32(message_id.encode()) % partitions


class Traffic:
    """The messages of one run, in the order in which they are sent."""

    def __init__(
        self, seed: int, *, partitions: int, customers: int = 300, poison_share: float = 0.0
    ) -> None:
        """Prepare for the partitions of a raw topic."""
        self.partitions = partitions
        self.events = 0  # sent, duplicates among them
        self.poison = 0  # sent, and of no use
        self._lap = simulate(customers, LAP_DAYS, seed).events
        self._dice = random.Random(f"traffic {seed}")
        self._poison_share = poison_share
        self._latest = BEGIN_MS
        self._held: list[tuple[int, UsageEvent]] = []  # stragglers, and when each is sent
        self.messages = self._mixed()  # without end

    @property
    def ends_at(self) -> int:
        """The moment, in event time, up to which every partition is said to be complete."""
        return self._latest + SILENCE_DAYS * DAY_MS

    async def send(self, producer: AIOKafkaProducer, topic: str, messages: int) -> None:
        """Send so many more, and wait until the broker has them."""
        await _send(producer, topic, islice(self.messages, messages))

    async def finish(self, producer: AIOKafkaProducer, topic: str) -> None:
        """Send the stragglers, and say in every partition that the log is at its end."""
        left = [said for _, event in self._held for said in self._said(event)]
        self._held.clear()
        beat = encode_heartbeat(Heartbeat(self.ends_at))
        ends: list[Message] = [(partition, beat) for partition in range(self.partitions)]
        await _send(producer, topic, iter([*left, *ends]))

    def _endless(self) -> Iterator[UsageEvent]:
        """Give the customers' months again and again, each lap as new events."""
        for lap in count():
            later = BEGIN_MS - STARTS_AT_MS + lap * LAP_DAYS * DAY_MS
            for event in self._lap:
                at = event.occurred_at + later
                yield msgspec.structs.replace(
                    event, occurred_at=at, message_id=f"{event.message_id}#{lap}"
                )

    def _mixed(self) -> Iterator[Message]:
        """Give each message, now and then twice, late, or beside poison."""
        dice, held = self._dice, self._held
        for number, event in enumerate(self._endless()):
            self._latest = max(self._latest, event.occurred_at)
            if dice.random() < LATE_SHARE:
                held.append((number + dice.randrange(LATE_MESSAGES_MAX), event))
                continue
            yield from self._said(event)
            if dice.random() < self._poison_share:
                self.poison += 1
                yield dice.randrange(self.partitions), self._spoilt(event)
            for late in [late for late in held if late[0] <= number]:
                held.remove(late)
                yield from self._said(late[1])

    def _said(self, event: UsageEvent) -> Iterator[Message]:
        """Give an event, or the same one twice, as by a sender that missed the answer."""
        partition, value = place(event.message_id, self.partitions), message(event)
        for _ in range(2 if self._dice.random() < DUPLICATE_SHARE else 1):
            self.events += 1
            yield partition, value

    def _spoilt(self, event: UsageEvent) -> bytes | None:
        """Give what no decoder can use, made of an event."""
        record = json.loads(message(event))
        changed: list[dict[str, object]] = [
            {"userId": ""},
            {"userId": {"id": 1}},
            {"timestamp": None},
        ]
        changed += [{"timestamp": "yesterday"}, {"timestamp": "2099-01-01T00:00:00Z"}]
        values = [json.dumps({**record, **change}).encode() for change in changed]
        cut = self._dice.randrange(1, 40)
        return self._dice.choice(
            [
                *values,
                message(event)[:-cut],
                encode_heartbeat(Heartbeat(4_000_000_000_000)),  # a watermark of 2096
                b"[1, 2, 3]",
                b'{"type":"track","properties":' * 100 + b"1" + b"}" * 100,
                b"\x00\xff",
                b" " * POISON_BYTES,
                b"",
                None,
            ]
        )


async def _send(producer: AIOKafkaProducer, topic: str, messages: Iterator[Message]) -> None:
    """Send whole batches: 20 times as fast as one by one, and a soak wants speed."""
    while chunk := list(islice(messages, BATCH_MESSAGES)):
        by_partition: dict[int, list[bytes | None]] = defaultdict(list)
        for partition, value in chunk:
            by_partition[partition].append(value)
        for partition, values in by_partition.items():
            batch = producer.create_batch()
            for value in values:
                if batch.append(key=None, value=value, timestamp=None) is None:
                    await (await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=None, value=value, timestamp=None)
            await (await producer.send_batch(batch, topic, partition=partition))


def producer(bootstrap: str) -> AIOKafkaProducer:
    """Return a sender that neither repeats nor gives up: the faults are for the workers."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        request_timeout_ms=PATIENCE_MS,
        max_request_size=8 << 20,
        max_batch_size=256 << 10,
    )
