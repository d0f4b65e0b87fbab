"""Deliver: every endpoint by a consumer group of its own, so that none holds up another.

An alert's offset is committed after it was delivered or put aside: at least once, and
`webhook-id` tells the receiver which it has seen.
"""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, RebalanceInProgressError
from aiokafka.structs import OffsetAndMetadata

from stream.delivery import standing as standings
from stream.delivery.about import topic_of
from stream.delivery.courier import AT_ONCE, Courier, Failure
from stream.delivery.endpoints import Endpoint
from stream.delivery.metrics import DeliveryMetrics
from stream.delivery.progress import Progress, decode, encode
from stream.delivery.sending import TIMEOUT_SECONDS, send, session
from stream.delivery.standing import Standing
from stream.engine.connection import Connection
from stream.engine.exits import Fatal, judge
from stream.settings import Settings
from stream.wire.dead_letters import DeadLetter, dead_letter_headers
from stream.worker.allowed import require
from stream.worker.connection import connection
from stream.worker.dead_letters import APP_VERSION
from stream.worker.permissions import Role, needed
from stream.worker.topics import ensure
from stream.worker.web import Web

log = structlog.get_logger("slipaway.delivery")

READ_MS = 500
COMMIT_SECONDS = 1.0
STAGE = "deliver"


async def deliver(
    settings: Settings, endpoints: Sequence[Endpoint], *, port: int | None = None
) -> int:
    """Deliver to every endpoint until told to stop; return how many are disabled.

    Metrics and health are at `port` (0: any) of the settings' web_host; nowhere if None.
    Raises `Fatal` for whatever Kafka refuses.
    """
    place = connection(settings)
    metrics = DeliveryMetrics()
    ways: list[Way] = []
    async with AsyncExitStack() as stack:
        if port is not None:
            web = Web(
                host=settings.web_host,
                port=port,
                registry=metrics.registry,
                unready=lambda: _unready(ways),
                token=settings.token(),
            )
            await web.start()
            stack.push_async_callback(web.stop)
        return await _deliver(settings, place, endpoints, metrics, ways)


def _unready(ways: Sequence["Way"]) -> str:
    """Say what keeps this process from being ready; empty: nothing does."""
    if not ways:
        return "waiting for the broker"
    waiting = sorted(way.name for way in ways if not way.at_work)
    return f"waiting for partitions: {', '.join(waiting)}" if waiting else ""


async def _deliver(
    settings: Settings,
    place: Connection,
    endpoints: Sequence[Endpoint],
    metrics: DeliveryMetrics,
    ways: list["Way"],
) -> int:
    """Do so; put into `ways` what delivers."""
    topics = settings.topics
    read = {topic_of(endpoint.about, topics) for endpoint in endpoints}
    listed = needed(Role.DELIVER, settings, accounts=topics.account_alerts in read)
    await require(place, listed, [group_of(settings, endpoint) for endpoint in endpoints])
    await ensure(settings, place, wait=False, only={topics.endpoints, topics.dead_letters, *read})
    known = await read_standings(place, settings.topics.endpoints)
    at_work: list[Endpoint] = []
    for endpoint in endpoints:
        found = known.get(endpoint.name)
        if found is not None and standings.speaks_of(found, endpoint.url):
            metrics.disabled(endpoint.name)
            log.warning(
                "endpoint is disabled",
                endpoint=endpoint.name,
                reason=found.reason,
                since=found.since,
                action="give it another url, or `slipaway deliver --enable` it",
            )
        else:
            at_work.append(endpoint)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with _producer(place) as producer, asyncio.TaskGroup() as group:
            ways += [Way(settings, place, producer, endpoint, metrics) for endpoint in at_work]
            for way in ways:
                group.create_task(way.run(stop))
    except Exception as error:
        raise judge(_first(error), "delivering") from error
    return len(endpoints) - len(at_work) + sum(bool(way.courier.gone) for way in ways)


def group_of(settings: Settings, endpoint: Endpoint) -> str:
    """Name the consumer group of an endpoint."""
    return f"{settings.app_id}.deliver.{endpoint.name}"


def _first(error: Exception) -> Exception:
    """Give what went wrong first, of several that did."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


async def enable(settings: Settings, name: str) -> None:
    """Forget that an endpoint was disabled."""
    place = connection(settings)
    await ensure(settings, place, wait=False, only=[settings.topics.endpoints])
    async with _producer(place) as producer:
        await producer.send_and_wait(settings.topics.endpoints, None, key=name.encode())


async def read_standings(place: Connection, topic: str) -> dict[str, Standing]:
    """Return the last standing of every endpoint that has one."""
    # From the beginning by its own rule: a seek may be overtaken by the rule that is in force.
    consumer = AIOKafkaConsumer(
        **place.client(), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    known: dict[str, Standing] = {}
    await consumer.start()
    try:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        while await consumer.position(tp) < end:
            fetched = await consumer.getmany(timeout_ms=READ_MS)
            for record in fetched.get(tp, ()):
                name = (record.key or b"").decode(errors="replace")
                known.pop(name, None)
                if record.value is not None:
                    known[name] = standings.decode(record.value)
    except ValueError as error:
        raise Fatal(
            f"{topic} holds a standing of another version: {error}. Operator action: update"
            " slipaway, or name another topic (topics.endpoints)."
        ) from error
    finally:
        await consumer.stop()
    return known


class Way(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The way from a topic of alerts to one endpoint."""

    def __init__(
        self,
        settings: Settings,
        place: Connection,
        producer: Any,
        endpoint: Endpoint,
        metrics: DeliveryMetrics,
    ) -> None:
        """Name the group; `run` joins it."""
        self.name = endpoint.name
        self.at_work = False
        """Whether it has its part of the partitions, or has none left to wait for."""
        self._metrics = metrics
        self._topics = settings.topics
        self._source = topic_of(endpoint.about, settings.topics)
        self._producer = producer
        self._endpoint = endpoint
        self._committed: dict[int, Progress] = {}
        self._settings = settings
        self._place = place
        self._consumer: Any = None
        self.courier: Courier

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until told to stop, or the endpoint is gone."""
        endpoint = self._endpoint
        async with AsyncExitStack() as stack:
            through = await stack.enter_async_context(
                session(private=endpoint.private, connections=AT_ONCE)
            )
            self.courier = Courier(
                endpoint,
                send=partial(send, through, endpoint.url),
                put_aside=self._put_aside,
                clock=_now_ms,
                chance=random.random,
            )
            self._metrics.follow(endpoint.name, self.courier)
            self._consumer = self._member()
            stack.push_async_callback(self._consumer.stop)
            await self._consumer.start()
            self._consumer.subscribe([self._source], listener=self)
            log.info("delivering", endpoint=endpoint.name, kinds=sorted(endpoint.kinds))
            acts = [
                asyncio.create_task(act)
                for act in (self.courier.work(), self._read(), self._keep_committing(), stop.wait())
            ]
            try:
                done, _ = await asyncio.wait(acts, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in acts:
                    task.cancel()
                await asyncio.gather(*acts, return_exceptions=True)
            for task in done:
                task.result()  # raises what ended it
            await self.courier.finish(TIMEOUT_SECONDS)
            await self._commit()
            if self.courier.gone:
                await self._disable()
            log.info("stopped", endpoint=endpoint.name, **self.courier.counts)

    # ------------------------------------------------------------ Kafka's part

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin a partition that was never delivered from at its end: old news is none."""
        tps = list(assigned)
        # The public way gives the offset alone.
        found = await self._consumer._coordinator.fetch_committed_offsets(tps)  # noqa: SLF001
        new = [tp for tp in tps if tp not in found or found[tp].offset < 0]
        ends = await self._consumer.end_offsets(new) if new else {}
        for tp in tps:
            if tp in ends:
                self._consumer.seek(tp, ends[tp])
                self.courier.lanes.begin(tp.partition, Progress(ends[tp]))
            else:
                known = decode(found[tp].offset, found[tp].metadata)
                self.courier.lanes.begin(tp.partition, known)
        partitions = sorted(tp.partition for tp in tps)
        self.at_work = True
        log.info("partitions", endpoint=self._endpoint.name, partitions=partitions)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Leave partitions to another member, with everything that is settled committed."""
        self.at_work = bool(self.courier.gone)
        await self._commit()
        partitions = [tp.partition for tp in revoked]
        self.courier.lanes.drop(partitions)
        for partition in partitions:
            self._committed.pop(partition, None)

    def _member(self) -> Any:
        """Make a consumer of the endpoint's group."""
        settings = self._settings
        return AIOKafkaConsumer(
            **self._place.client(),
            group_id=group_of(settings, self._endpoint),
            # Of what was committed and is gone, the earliest left; of a new group, see below.
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            session_timeout_ms=round(settings.session_timeout_seconds * 1_000),
            heartbeat_interval_ms=round(settings.session_timeout_seconds * 200),
        )

    async def _read(self) -> None:
        """Read as much as may wait."""
        consumer, lanes = self._consumer, self.courier.lanes
        while True:
            if lanes.room == 0:
                consumer.pause(*consumer.assignment())
            elif paused := consumer.paused():
                consumer.resume(*paused)
            fetched = await consumer.getmany(timeout_ms=READ_MS, max_records=max(1, lanes.room))
            for records in fetched.values():
                await self.courier.read(records)

    async def _keep_committing(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            await self._commit()

    async def _commit(self) -> None:
        """Commit what is settled."""
        news = {
            partition: progress
            for partition, progress in self.courier.lanes.progress().items()
            if self._committed.get(partition) != progress
        }
        if not news:
            return
        try:
            await self._consumer.commit(
                {
                    TopicPartition(self._source, partition): OffsetAndMetadata(
                        progress.position, encode(progress)
                    )
                    for partition, progress in news.items()
                }
            )
        except (CommitFailedError, IllegalStateError, RebalanceInProgressError) as error:
            # Partitions are on the move: whoever has them delivers this again, under the same id.
            log.warning("not committed", endpoint=self._endpoint.name, error=repr(error))
        else:
            self._committed |= news

    async def _put_aside(self, record: Any, failure: Failure) -> None:
        """Write a dead letter: the alert as it came, and why it was not delivered."""
        letter = DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            stage=STAGE,
            code=failure.code,
            message=failure.why,
            first_failed_at=failure.first_failed_at,
            app_version=APP_VERSION,
            attempt=failure.attempts,
            exception="stream.delivery.courier.Failure",
        )
        await self._producer.send_and_wait(
            self._topics.dead_letters,
            record.value,
            key=record.key,
            headers=dead_letter_headers(letter, record.headers),
        )

    async def _disable(self) -> None:
        """Write down that the endpoint wants nothing any more."""
        endpoint, reason = self._endpoint, self.courier.gone
        found = standings.disabled(endpoint.name, endpoint.url, reason, _now_ms())
        key = endpoint.name.encode()
        await self._producer.send_and_wait(self._topics.endpoints, standings.encode(found), key=key)
        log.error("endpoint disabled", endpoint=endpoint.name, reason=reason)


@asynccontextmanager
async def _producer(place: Connection) -> AsyncIterator[Any]:
    """Give a producer whose word can be relied on."""
    producer = AIOKafkaProducer(**place.client(), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def _now_ms() -> int:
    """Read the clock: this is a shell."""
    return time.time_ns() // 1_000_000
