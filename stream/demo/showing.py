"""One showing: from an empty broker to the verdict.

Each showing uses topics and an app id of its own, so that nothing of an earlier
one, or of the broker's real work, is read or touched.
"""

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code
from rich.console import Console

from stream.console.run import Watched, serving
from stream.demo.child import Worker, WorkerDiedError
from stream.demo.feed import feed
from stream.demo.gauges import Gauges, Reading
from stream.demo.screen import Queue, StatusLine
from stream.demo.simulate import Simulation
from stream.demo.verdict import judge, table
from stream.detector.alerts import Alert
from stream.detector.events import DAY_MS, SECOND_MS
from stream.engine.connection import Connection
from stream.settings import OWN_TOPICS, Topics
from stream.tap.line import line
from stream.wire.alerts import decode_alert
from stream.wire.heartbeat import Heartbeat, encode_heartbeat
from stream.wire.policy_file import load
from stream.wire.times import iso

COUNTED_FROM_DAY = 45
"""The verdict leaves out the weeks in which the model cannot know anything yet."""

_PARTITIONS = 4
_READY_SECONDS_MAX = 60.0
_TAIL_SHARE, _TAIL_SECONDS_MIN = 0.1, 3.0
"""Of the time, kept for the worker to finish and for the verdict."""
_OVERTIME_SECONDS = 6.0
_FEED_SHARE = 0.9
"""Of the time for sending; the rest is for catching up where the worker had fallen behind."""
_ON_THEIR_WAY_MIN = 2_000
_LINES_A_SECOND = 12
_FLUSH_SECONDS = 0.25
_LOOK_SECONDS = 0.5
_QUIET_SECONDS = 1.0


class Showing:
    """One showing."""

    def __init__(
        self, simulation: Simulation, bootstrap: str, policy: Path, folder: Path, talk: Console
    ) -> None:
        """Name everything; `play` plays it."""
        self._simulation = simulation
        self._bootstrap = bootstrap
        self._policy_path = policy
        self._product = load(policy)
        self._policy = self._product.policy
        self._folder = folder
        self._talk = talk
        self._screen = Console(highlight=False, soft_wrap=True)
        self._status = StatusLine()
        # A name of its own for every showing: a broker may hold an earlier one's state.
        self._app_id = f"slipaway-demo-{secrets.token_hex(3)}"
        self._raw = f"{self._app_id}.events"
        self._usage = f"{self._app_id}.usage"
        self._alerts_topic = f"{self._app_id}.alerts"
        self._alerts: list[Alert] = []
        self._sent = 0
        self._simulated_at = simulation.starts_at
        self._shown = 0
        self._reading = Reading()
        self._looked = asyncio.Event()

    async def play(self, seconds: float) -> None:
        """Play for that long, then judge; raise whatever went wrong."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        whole = asyncio.current_task()
        assert whole is not None
        loop.add_signal_handler(signal.SIGTERM, whole.cancel)
        await self._create_topics()
        port = _free_port()
        log = self._folder / "worker.log"
        async with AsyncExitStack() as stack:
            worker = stack.enter_context(Worker(self._environment(port), log))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            gauges = Gauges(session, port, self._raw, self._usage)
            with self._talk.status("Starting the worker ..."):
                await _until_ready(worker, gauges)
            console, follow = await stack.enter_async_context(self._console(gauges.address))
            self._announce(gauges.address, console)
            acts = (self._perform(ends), self._watch(worker, gauges), self._read_alerts(), follow)
            tasks = [asyncio.create_task(act) for act in acts]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # raises what ended it
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._status.clear()
        self._conclude()

    def say_how_to_remove(self) -> None:
        """Say what this showing leaves on a broker that is not ours."""
        self._talk.print(
            "This showing left its topics on your broker. To remove them:\n"
            f"  kafka-topics.sh --bootstrap-server {self._bootstrap} --delete"
            rf" --topic '{self._app_id}\..*'",
            markup=False,
        )

    # ------------------------------------------------------------ before

    def _environment(self, port: int) -> dict[str, str]:
        """Return the settings of the worker; everything not named here is as in production."""
        return {
            "SLIPAWAY_BOOTSTRAP_SERVERS": self._bootstrap,
            "SLIPAWAY_APP_ID": self._app_id,
            "SLIPAWAY_PARTITIONS": str(_PARTITIONS),
            "SLIPAWAY_TOPICS__SOURCES": f'["{self._raw}"]',
            **{f"SLIPAWAY_TOPICS__{name.upper()}": topic for name, topic in self._topics().items()},
            "SLIPAWAY_POLICY": str(self._policy_path),
            "SLIPAWAY_CLOCK": "event",
            "SLIPAWAY_PUBLISH_BACKFILL": "true",  # the simulated dates lie in the past
            "SLIPAWAY_WEB_PORT": str(port),
        }

    def _topics(self) -> dict[str, str]:
        """Name the topics that the worker makes."""
        topics = {name: f"{self._app_id}.{name.replace('_', '-')}" for name in OWN_TOPICS}
        return topics | {"usage": self._usage, "alerts": self._alerts_topic}

    async def _create_topics(self) -> None:
        """Make the product's own topic; the worker makes the rest."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            await admin.start()
            answer = await admin.create_topics([NewTopic(self._raw, 1, 1)])
        finally:
            await admin.close()
        for name, code, message in answer.topic_errors:
            if code:
                raise for_code(code)(f"topic {name}: {message}")

    def _console(
        self, worker: str
    ) -> AbstractAsyncContextManager[tuple[str, Coroutine[Any, Any, None]]]:
        """Serve the console of this showing, on any free port of this machine."""
        topics = Topics(sources=(self._raw,), **self._topics())
        place = Connection(bootstrap=self._bootstrap)
        watched = Watched(self._app_id, [f"{worker}/metrics"])
        return serving(place, topics, self._product, watched, host="127.0.0.1", port=0)

    def _announce(self, address: str, console: str) -> None:
        simulation = self._simulation
        first, last = iso(simulation.starts_at)[:10], iso(simulation.ends_at)[:10]
        self._talk.print(
            f"{len(simulation.truths):,} customers, {len(simulation.events):,} events from {first}"
            f" to {last}."
        )
        self._talk.print(f"Who is slipping now, in a browser: {console}/", soft_wrap=True)
        self._talk.print(f"The worker's metrics: {address}/metrics", soft_wrap=True)

    # ------------------------------------------------------------ the show itself

    async def _perform(self, ends: float) -> None:
        """Send everything, let the worker finish, and return when there is nothing more to come."""
        loop = asyncio.get_running_loop()
        left = ends - loop.time()
        length = left - max(_TAIL_SECONDS_MIN, _TAIL_SHARE * left)
        async with _started(
            AIOKafkaProducer(bootstrap_servers=self._bootstrap, linger_ms=5, acks="all")
        ) as producer:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(length):
                    await feed(
                        producer,
                        self._raw,
                        self._simulation,
                        length * _FEED_SHARE,
                        on_sent=self._note_sent,
                        may_go_on=lambda: self._until(self._keeps_up),
                    )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ends + _OVERTIME_SECONDS):
                    await self._beat(producer)
                    await self._until(self._has_decided)
            await asyncio.sleep(_QUIET_SECONDS)  # the last transactions, and their readers

    def _keeps_up(self, reading: Reading) -> bool:
        """Say whether no more events are on their way than a few seconds' worth.

        Fewer would slow the show down: it takes the worker a second or two to tell
        that they have arrived.
        """
        on_their_way = self._sent - reading.applied - reading.dead
        return on_their_way <= max(_ON_THEIR_WAY_MIN, len(self._simulation.events) // 10)

    def _note_sent(self, simulated_at: int, sent: int) -> None:
        self._simulated_at, self._sent = simulated_at, sent

    async def _beat(self, producer: AIOKafkaProducer) -> None:
        """Say how far the story was told: its last silences are real."""
        heartbeat = encode_heartbeat(Heartbeat(self._simulated_at))
        await producer.send_and_wait(self._raw, heartbeat, partition=0)

    def _has_decided(self, reading: Reading) -> bool:
        until = self._simulated_at - self._policy.allowed_lateness_ms - SECOND_MS
        decided = reading.decided_until_ms
        return len(decided) == _PARTITIONS and min(decided) >= until

    async def _until(self, done: Callable[[Reading], bool]) -> None:
        """Return once what the worker says of itself satisfies `done`."""
        while not done(self._reading):
            self._looked.clear()
            await self._looked.wait()

    async def _watch(self, worker: Worker, gauges: Gauges) -> None:
        """Follow the worker, for the status line and for the end; raise if it dies."""
        applied_before = 0
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            worker.check()
            reading = await gauges.look()
            if reading is None:
                continue
            self._reading = reading
            self._looked.set()
            speed = (reading.applied - applied_before) / _LOOK_SECONDS
            applied_before = reading.applied
            decided = min(reading.decided_until_ms, default=self._simulation.starts_at)
            behind = max(0, self._simulated_at - decided) / DAY_MS
            self._status.say(
                f"{iso(self._simulated_at)[:10]}  {self._sent:,} events, {speed:,.0f}/s,"
                f" {self._sent - reading.applied:,} on their way, detector {behind:.1f} simulated"
                f" days behind; {len(self._alerts):,} alerts"
            )

    async def _read_alerts(self) -> None:
        """Print alerts as they are committed, no more than can be read."""
        queue = Queue(_LINES_A_SECOND)
        async with _started(
            AIOKafkaConsumer(
                self._alerts_topic,
                bootstrap_servers=self._bootstrap,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                group_id=None,
            )
        ) as consumer:
            try:
                while True:
                    found = await consumer.getmany(timeout_ms=0)
                    values = (r.value for records in found.values() for r in records)
                    alerts = [decode_alert(value) for value in values if value is not None]
                    self._alerts += alerts
                    queue.add(alerts)
                    self._print(queue.take(_FLUSH_SECONDS))
                    await asyncio.sleep(_FLUSH_SECONDS)
            finally:
                self._print(queue.take_all())

    def _print(self, alerts: list[Alert]) -> None:
        if alerts:
            self._status.clear()
        for alert in alerts:
            self._screen.print(line(alert))
        self._shown += len(alerts)

    # ------------------------------------------------------------ after

    def _conclude(self) -> None:
        """Say what was left out, and judge."""
        hidden = len(self._alerts) - self._shown
        if hidden:
            self._talk.print(
                f"{len(self._alerts):,} alerts came; {hidden:,} of them were not shown, for want"
                " of time to read them. They are in the verdict."
            )
        if self._reading.dead:
            self._talk.print(f"{self._reading.dead:,} events could not be used: dead letters.")
        simulation = self._simulation
        ends_at = self._simulated_at
        if not self._has_decided(self._reading):
            ends_at = min(self._reading.decided_until_ms, default=simulation.starts_at)
        if ends_at < simulation.ends_at:
            self._talk.print(
                f"In this time this machine has come to {iso(ends_at)[:10]}; so far goes the"
                " verdict. Give it more --seconds, or fewer --customers."
            )
        verdict = judge(
            simulation.truths,
            self._alerts,
            self._policy,
            counted_from=simulation.starts_at + COUNTED_FROM_DAY * DAY_MS,
            ends_at=ends_at,
        )
        self._screen.print(table(verdict))


async def _until_ready(worker: Worker, gauges: Gauges) -> None:
    """Wait for the worker to work on its partitions."""
    try:
        async with asyncio.timeout(_READY_SECONDS_MAX):
            while not await gauges.ready():
                worker.check()
                await asyncio.sleep(_FLUSH_SECONDS)
    except TimeoutError as error:
        text = f"The worker was not ready within {_READY_SECONDS_MAX:g} s. {worker.tail()}"
        raise WorkerDiedError(text) from error


@asynccontextmanager
async def _started(client: Any) -> AsyncIterator[Any]:
    """Start a Kafka client, and stop it afterwards."""
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
