"""Engine: the Faust app that flows run in, and the tasks beside it.

Faust keeps what it is good at: membership of the group, rebalancing, agents,
signals.  What is read, where it is read from and what is written is ours.

Publish, save, tick and watch are tasks of the event loop and not Faust's timers: Faust
cancels its own when it stops, and a commit that is cancelled has already taken
what it was to write.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NoReturn

import faust
import structlog
from faust.app.base import BootStrategy
from faust.types import TP, StreamT

from stream import garbage
from stream.engine.checkpoint import Holding
from stream.engine.connection import Connection, muffle_clients, wait_for_broker
from stream.engine.exits import Exit, judge, leave
from stream.engine.flow import Flow, Observer, Silent
from stream.engine.membership import Membership
from stream.engine.settings import EngineSettings
from stream.engine.transport import BlockTransport, Mark
from stream.engine.watchdog import Watchdog

log = structlog.get_logger("slipaway.engine")


def wall_ms() -> int:
    """Return milliseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000_000


class _Boot(BootStrategy):
    """Faust starts neither a web server nor a producer of its own: nothing would use them."""

    enable_web = False
    enable_kafka_producer = False


class EngineApp(faust.App):
    """Faust's app, without a data directory, and with a quick end."""

    BootStrategy = _Boot

    def _create_directories(self) -> None:
        """Create none: nothing is kept on disk."""

    def _crash(self, reason: BaseException) -> None:
        """End the process; Faust's way takes up to 14 s and exits with 1."""
        leave(judge(reason, "Faust"))


def build_faust_app(app_id: str, connection: Connection, settings: EngineSettings) -> EngineApp:
    """Return a Faust app with the settings the engine counts on; agents are still to come."""
    brokers = ";".join(f"kafka://{host}" for host in connection.bootstrap.split(","))
    return EngineApp(
        app_id,
        broker=brokers,
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,  # what is in flight at a rebalance is read again
        stream_buffer_maxsize=settings.blocks_waiting_max,
        consumer_group_instance_id=settings.instance_id,
        broker_session_timeout=settings.session_seconds,
        broker_heartbeat_interval=settings.heartbeat_seconds,
        broker_rebalance_timeout=settings.rebalance_seconds,
        broker_request_timeout=settings.request_seconds,
        worker_redirect_stdouts=False,
    )


class Engine:
    """Flows, carried exactly once."""

    def __init__(
        self,
        app_id: str,
        flows: Iterable[Flow],
        connection: Connection,
        settings: EngineSettings | None = None,
        *,
        observer: Observer | None = None,
        prepare: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], int] = wall_ms,
    ) -> None:
        """Join everything; `run` starts it.

        `app_id` names the consumer group and begins every transactional id:
        another id is another app, which starts at the sources' beginning.
        `prepare` is awaited before anything else, to make topics, say; what it
        raises ends the process.
        """
        self.settings = settings or EngineSettings()
        self.connection = connection
        self.observer: Observer = observer or Silent()
        self.prepare = prepare
        self.clock = clock
        self.flows = list(flows)
        self.app = build_faust_app(app_id, connection, self.settings)
        self.membership = Membership(
            self.app,
            self.flows,
            connection=connection,
            settings=self.settings,
            observer=self.observer,
        )
        self.watchdog = Watchdog(
            stalled_seconds=self.settings.stalled_seconds,
            join_seconds_max=self.settings.join_seconds_max,
        )
        self._publish_seconds = 0.0  # which that took the last time
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._worker: _Worker | None = None
        self._wire()

    def _wire(self) -> None:
        """Join Faust's signals, transport and agents to the membership."""
        app, membership = self.app, self.membership
        app.transport = BlockTransport(
            app.conf.broker_consumer,
            app,
            connection=self.connection,
            settings=self.settings,
            seek=membership.seek,
        )
        app.on_rebalance_complete.connect(_guarded(membership.on_assigned), weak=False)
        app.on_partitions_revoked.connect(_guarded(membership.on_revoked), weak=False)
        app.on_before_shutdown.connect(_guarded(self._on_shutdown), weak=False)
        for flow in self.flows:
            topic = app.topic(flow.source, key_type=bytes, value_type=bytes, acks=False)
            app.agent(topic, name=f"{app.conf.id}-{flow.source}")(self._carry)

    async def _carry(self, blocks: StreamT[Any]) -> None:
        """Take blocks, one after the other; Faust would step over an exception."""
        async for block in blocks:
            try:
                await self.membership.apply(block)
            except Exception as error:  # noqa: BLE001
                leave(judge(error, "fold"))

    async def _on_shutdown(self) -> None:
        self._stop.set()
        self.membership.full.set()
        await self.membership.on_shutdown()

    # -- the tasks beside Faust

    def _start_tasks(self) -> None:
        loop = asyncio.get_running_loop()
        for work in (self._publish_task, self._save_task, self._tick_task, self._watch_task):
            self._tasks.append(loop.create_task(self._endless(work)))
        self.watchdog.guard()

    async def _endless(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` until the engine stops; any error ends the process."""
        try:
            while not self._stop.is_set():
                await work()
        except Exception as error:  # noqa: BLE001
            leave(judge(error, getattr(work, "__name__", "task")))

    async def _publish_task(self) -> None:
        """Wait for the next outputs, as long at least as the last ones took, and publish them."""
        settings = self.settings
        pause = min(self._publish_seconds, settings.checkpoint_seconds_max)
        await _wait(self._stop, max(pause, settings.checkpoint_seconds))
        if not self._stop.is_set():
            began = time.monotonic()
            await self.membership.publish()
            self._publish_seconds = time.monotonic() - began

    async def _save_task(self) -> None:
        """Wait for a partition's turn, of which each has one in the longest time, and save it."""
        membership = self.membership
        turn = self.settings.checkpoint_seconds_max / max(1, len(membership.live))
        await _wait(membership.full, turn)
        if self._stop.is_set():
            return
        if membership.full.is_set():
            await membership.checkpoint()
        else:
            await membership.checkpoint_next()

    async def _tick_task(self) -> None:
        """Wait for the next tick, and give it to every partition that blocks flow for."""
        await _wait(self._stop, self.settings.tick_seconds)
        for holding in self._flowing():
            await self.membership.tick(holding.tp, self._now)

    def _now(self, holding: Holding) -> tuple[int, bool]:
        """Return the wall clock, and whether `holding` is caught up with its log."""
        return self.clock(), self._lag(holding) == 0

    async def _watch_task(self) -> None:
        """Once a second: report the lag, look for a stall; now and then, the group's offsets."""
        membership, settings = self.membership, self.settings
        every = max(1, round(settings.group_commit_seconds))
        for second in range(every):
            await _wait(self._stop, 1.0)
            if self._stop.is_set():
                return
            behind: dict[TP, object] = {}
            for holding in self._flowing():
                lag = self._lag(holding)
                if lag is not None:
                    self.observer.lag(holding.tp, lag, caught_up=lag == 0)
                if lag != 0:  # unknown counts as behind: nothing was fetched for a while
                    mark = self._mark(holding)
                    behind[holding.tp] = holding.position, mark and mark.position
            fatal = self.watchdog.look(
                time.monotonic(),
                behind,
                settled=membership.settled,
                restoring=membership.restoring,
            )
            if fatal is not None:
                leave(fatal)
            if second == every - 1 and membership.live:
                saved = {tp: holding.published for tp, holding in membership.live.items()}
                membership.consumer.blocks.commit_later(saved)

    def _flowing(self) -> list[Holding]:
        """Return the live partitions that were sought: their positions are the consumer's."""
        membership = self.membership
        return [h for h in membership.live.values() if h.epoch == membership.epoch]

    def _mark(self, holding: Holding) -> Mark | None:
        return self.membership.consumer.blocks.mark(holding.tp)

    def _lag(self, holding: Holding) -> int | None:
        """Return how many offsets are still to be applied; None if nobody knows.

        Trailing markers, which are never applied, do not count.  A fetch that
        is not fresh leaves the end unknown: a broker that is away must not
        pass for a world gone silent.
        """
        mark = self._mark(holding)
        if mark is None or wall_ms() - mark.fetched_ms > self.settings.fresh_seconds * 1000:
            return None
        if mark.drained == holding.position:
            return max(0, mark.end - mark.position)
        return max(1, mark.end - holding.position)

    # -- running

    def run(self, *services: faust.ServiceT) -> NoReturn:
        """Work until SIGTERM or SIGINT, then exit with 0; `services` run along.

        Prepares and waits for the broker and the topics first.  Logging is the
        caller's.
        """
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        muffle_clients()
        self._worker = _Worker(
            self.app,
            *services,
            before=self._before,
            loop=loop,
            quiet=True,
            override_logging=False,
        )
        self._worker.execute_from_commandline()

    def stop(self) -> None:
        """Save everything and end, as for SIGTERM: from the event loop that `run` runs."""
        assert self._worker is not None
        self._worker._schedule_shutdown(signal.SIGTERM)  # noqa: SLF001 - no public way

    @property
    def told_to_end(self) -> bool:
        """Whether a signal said so, too."""
        return self._worker is not None and self._worker.told_to_end

    async def _before(self) -> None:
        """Prepare, wait for the broker, start the tasks; Faust's app starts after this."""
        topics = {name for flow in self.flows for name in (flow.source, flow.state)}
        try:
            if self.prepare is not None:
                await self.prepare()
            await wait_for_broker(self.connection, topics)
        except Exception as error:  # noqa: BLE001 - Faust would take 14 s to end
            leave(judge(error, "preparing"))
        garbage.look_rarely()
        self._start_tasks()


class _Worker(faust.Worker):
    """Faust's worker, which waits for the broker before it starts anything."""

    def __init__(self, *args: Any, before: Callable[[], Awaitable[None]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = before
        self.spinner = None  # it would write to the log
        self.told_to_end = False  # by a signal, and not by ourselves

    def _on_sigterm(self) -> None:
        """Note that the signal came: where we are stopping already, it would be lost."""
        self.told_to_end = True
        super()._on_sigterm()

    def _on_sigint(self) -> None:
        """Do so, too."""
        self.told_to_end = True
        super()._on_sigint()

    async def on_first_start(self) -> None:
        """Catch signals, then wait: SIGTERM also ends a wait for the broker."""
        await super().on_first_start()
        await self.wait(self.before())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Return when `event` is set, or after `seconds`."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def _guarded(handler: Callable[[], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return `handler` as Faust calls it; an exception ends the process."""

    async def guarded(*_args: object, **_kwargs: object) -> None:
        try:
            await handler()
        except Exception as error:  # noqa: BLE001
            leave(judge(error, handler.__name__))

    return guarded


__all__ = ["Engine", "Exit", "build_faust_app", "wall_ms"]
