"""Transport: Faust's Kafka consumer, made to hand over blocks and to seek for good.

Faust passes events one by one, at 39 us each before any work is done.  Here
one fetched batch of one partition, a block, is one message.  Positions are the
engine's business, so what Faust does about them is replaced: the seek after a
rebalance goes where the engine says, and the drain never drops a block.

Two questions are answered in the consumer's own thread, in the same turn of
its loop as the drain, because an answer given later may be about another
assignment:

* *Which seek does this block come from?*  Each seek raises an epoch and each
  block carries its own; one drained before a rebalance and delivered after it
  is thus known.
* *What does it follow?*  A log has gaps that are no loss (transaction markers,
  aborted and compacted records), so offsets cannot tell.  Instead a block says
  where the drain before it ended (or the seek went), and where it ended
  itself.  Whoever applies blocks checks that each starts where the last ended.
  aiokafka alone moves its position between two drains only over records that
  nobody may see; all it would do besides, a reset after an offset that is out
  of range, is turned off (`auto_offset_reset="none"`) and raises.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, ServiceT

from stream.engine import failpoints
from stream.engine.connection import Connection
from stream.engine.exits import Exit, Fatal, judge, leave
from stream.engine.records import Packed, drain
from stream.engine.settings import EngineSettings

log = structlog.get_logger("slipaway.engine")
T = TypeVar("T")


class Block(NamedTuple):
    """One fetched batch of one partition."""

    tp: TP
    epoch: int  # of the seek it follows
    start: int  # where the block before it ended, or the seek went
    end: int  # where the consumer stands behind it
    batches: Sequence[Packed]


class Mark(NamedTuple):
    """How far the consumer has come in one partition, as of its last fetch."""

    drained: int  # the end of the last block drained
    position: int  # past `drained` where only markers and aborted records followed it
    end: int  # of what may be read: the last stable offset
    fetched_ms: int  # when the broker last answered for it, milliseconds since 1970


class BlockThread(driver.AIOKafkaConsumerThread):
    """The thread aiokafka lives in.

    `epoch`, `_drained` and `_anchor` are written in its loop only.
    """

    settings: EngineSettings
    connection: Connection
    epoch: int = 0
    _anchor: Any = None  # aiokafka's assignment object that the last seek was made on

    def __post_init__(self) -> None:
        """Note where each partition stands; nowhere yet."""
        super().__post_init__()
        self._drained: dict[TP, int] = {}

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        """Return the consumer; Faust's own has neither isolation nor reset to choose."""
        assert isinstance(transport, BlockTransport)
        self.settings, self.connection = settings, connection = (
            transport.settings,
            transport.connection,
        )
        self._assignor = self.app.assignor
        return AIOKafkaConsumer(
            **connection.client(),
            client_id=self.app.conf.broker_client_id,
            group_id=self.app.conf.id,
            group_instance_id=settings.instance_id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_records=settings.block_records_max,
            max_partition_fetch_bytes=settings.fetch_bytes_max,
            fetch_max_wait_ms=settings.fetch_wait_ms_max,
            session_timeout_ms=int(settings.session_seconds * 1000),
            heartbeat_interval_ms=int(settings.heartbeat_seconds * 1000),
            rebalance_timeout_ms=int(settings.rebalance_seconds * 1000),
            request_timeout_ms=int(settings.request_seconds * 1000),
            max_poll_interval_ms=int(self.app.conf.broker_max_poll_interval * 1000),
        )

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Any:
        """Return the fetched records of each partition as a block."""
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher  # noqa: SLF001
        if fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        try:
            with fetcher._subscriptions.fetch_context():  # noqa: SLF001
                fetched = await drain(
                    fetcher,
                    active_partitions,
                    seconds=timeout or 0.0,
                    records_max=max_records or self.settings.block_records_max,
                )
        except OffsetOutOfRangeError as error:
            self._refuse_if_ours(error)
            return await self._nothing()
        except NoOffsetForPartitionError:
            return await self._nothing()  # assigned, and not sought yet: nothing to read
        # No await from the drain, in the call above, to the end: see the module's words.
        epoch, assignment = self.epoch, self._assignment()
        blocks = {}
        for where, batches in fetched.items():
            tp = TP(where.topic, where.partition)
            end = assignment.state_value(where).position
            blocks[tp] = Block(tp, epoch, self._drained.get(tp, -1), end, batches)
            self._drained[tp] = end
        return blocks

    def _refuse_if_ours(self, error: OffsetOutOfRangeError) -> None:
        """Raise if the position that the log does not hold is one we asked for."""
        if self._assignment() is not self._anchor:
            return
        for where, offset in error.args[0].items():
            raise Fatal(
                f"{where.topic}/{where.partition}: offset {offset} is outside the log: records "
                "were deleted before they were read, or the topic was made anew. Operator "
                "action: raise retention.ms; to go on without them, start under a new app id "
                "with new state topics.",
                Exit.HUMAN,
            )

    async def _nothing(self) -> dict[TP, Block]:
        """Return no block, a little later: the same answer may come again at once."""
        await asyncio.sleep(0.05)
        return {}

    def _assignment(self) -> Any:
        """Return aiokafka's assignment object, or None."""
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001
        return None if subscription is None else subscription.assignment

    async def seek_all(self, positions: Mapping[TP, int], epoch: int) -> None:
        """Move every partition to its position; blocks drained from now on are of `epoch`."""

        async def move() -> None:
            consumer = self._ensure_consumer()
            for tp, offset in positions.items():
                consumer.seek(TopicPartition(*tp), offset)  # forgets what was fetched ahead
            self._drained = dict(positions)
            self._anchor = self._assignment()
            self.epoch = epoch

        await self._in_loop(move())

    async def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the thread's loop at once; `call_thread` would queue behind a fetch."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))

    def commit_later(self, positions: Mapping[TP, int]) -> None:
        """Tell the group's offsets, for lag tools; nothing depends on it.

        Faust's own commit ends the app on any error.
        """

        async def commit() -> None:
            try:
                consumer = self._ensure_consumer()
                ours = consumer.assignment()
                offsets = {TopicPartition(*tp): offset for tp, offset in positions.items()}
                offsets = {tp: offset for tp, offset in offsets.items() if tp in ours}
                if offsets:
                    await asyncio.wait_for(consumer.commit(offsets), 5)
            except Exception as error:  # noqa: BLE001 - lag tools can wait
                log.debug("group offsets not committed", error=repr(error))

        asyncio.run_coroutine_threadsafe(commit(), self.thread_loop)

    def mark(self, tp: TP) -> Mark | None:
        """Return how far `tp` was read, or None before the first fetch after a seek.

        Called from the main thread.  `drained` is read last, so a block drained
        meanwhile makes it differ from what was applied, never the reverse.
        """
        assignment = self._assignment()
        if assignment is None or assignment is not self._anchor:
            return None
        state = assignment.state_value(TopicPartition(*tp))
        if state is None:
            return None
        position, end, fetched_ms = state._position, state.lso, state.timestamp  # noqa: SLF001
        drained = self._drained.get(tp)
        if position is None or end is None or fetched_ms is None or drained is None:
            return None
        return Mark(drained, position, end, fetched_ms)


class BlockConsumer(driver.Consumer):
    """Faust's side of the consumer: flow control, delivery, and the seek."""

    _thread: BlockThread
    transport: "BlockTransport"

    def _new_consumer_thread(self) -> BlockThread:
        return BlockThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def blocks(self) -> BlockThread:
        """The thread the blocks come from."""
        return self._thread

    async def perform_seek(self) -> None:
        """Seek where the engine says; Faust awaits this before it lets blocks flow again.

        A seek made earlier, in the handler of the rebalance, would be undone.
        """
        await self.transport.seek()
        await failpoints.linger()

    async def verify_all_partitions_active(self) -> None:
        """Leave this to the engine's own watchdog, which knows what was applied."""

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Deliver blocks until stopped, and any trouble ends the process."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                blocks = await self._fetch()
                for tp, block in blocks.items():
                    await self._deliver(tp, block)
                if blocks:
                    await self._gather(blocks.values())
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        except Exception as error:  # noqa: BLE001 - Faust would take 14 s to end
            if not self.app.should_stop:
                leave(judge(error, "reading the source"))

    async def _fetch(self) -> Mapping[TP, Block]:
        """Return the next blocks, none if there are none for a while."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
            return {}
        active = self._get_active_partitions()
        if not active:  # all are full or paused; Faust would sleep a second here
            await self.sleep(0.05)
            return {}
        blocks = cast(Mapping[TP, Block], await self._thread.getmany(active, timeout=0.2))
        if not blocks:
            await asyncio.sleep(0)
        return blocks

    async def _gather(self, blocks: Iterable[Block]) -> None:
        """Let more come together before the next fetch, where the last one brought little.

        A turn of ten records takes nearly as long as one of a hundred.
        """
        settings = self.transport.settings
        if sum(packed.count for b in blocks for packed in b.batches) < settings.slice_records_max:
            await asyncio.sleep(settings.gather_seconds)

    async def _deliver(self, tp: TP, block: Block) -> None:
        """Pass a block on.

        Never drop one here: a fetch begun before a rebalance may return after
        the seek and before the flow resumes, with records nobody reads again.
        Waiting is safe; a block that went stale meanwhile shows by its epoch.
        """
        while not self.flow_active and not self.should_stop:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        if self.should_stop:
            return
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            block.end - 1,
            0.0,
            0,
            [],
            None,
            cast(Any, block),  # the value, to Faust, which only carries it
            None,
            0,
            0,
            tp,
            time_in=time.time(),
            generation_id=self.app.consumer_generation_id,
        )
        await self.wait_first(
            self.callback(message),
            self.suspend_flow.wait(),
        )


class BlockTransport(driver.Transport):
    """Faust's transport, with the consumer above."""

    Consumer = BlockConsumer

    def __init__(
        self,
        *args: Any,
        connection: Connection,
        settings: EngineSettings,
        seek: Callable[[], Awaitable[None]],
    ) -> None:
        """Connect by `connection`; `seek` moves every partition to where its state speaks."""
        super().__init__(*args)
        self.connection = connection
        self.settings = settings
        self.seek = seek
