"""A cluster: one application on a real broker, with workers that a supervisor keeps running.

Raw topic, ingest, usage, detect, alerts and state, by the real `slipaway run`.
Faults come from outside: signals by pid, failpoints given at a start, a broker
that goes away.  In the end everything is drained, stopped in order, and judged.
"""

import asyncio
import contextlib
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from oracle import Oracle, Verdict
from processes import Worker, until
from readback import KafkaLog
from traffic import BEGIN_MS, Traffic, place, producer
from worker_process import TOPICS

from models import snapshots
from stream.detector.events import DAY_MS, UsageEvent
from stream.engine.position import is_position, unpack_position
from stream.settings import PREFIX, Settings
from stream.wire import snapshots as wire
from stream.wire.events import Decoder
from stream.worker.app import read_policy
from stream.worker.connection import connection
from stream.worker.feed import publish
from stream.worker.topics import ensure, state_of_source

RAW_PARTITIONS = 3
PARTITIONS = 6
WORKERS = 3
RESIDENT_MEGABYTES_MAX = 600.0  # a worker with a few hundred customers holds about 150
PATIENCE_SECONDS = 300.0  # for whatever has to happen, on however busy a machine

# Crashes that are nobody's mistake: killed, or a doubt that a new start settles.
HARMLESS = frozenset({-signal.SIGKILL, 75})

POLICY = """
[events]
ignore = ["background_sync", "identify", "group", "alias"]
warning = ["cancel_page_viewed"]
ending = ["subscription_cancelled"]

[slipping]
horizon = "7d"

[time]
allowed_lateness = "10m"

[decline]
enabled = true
alarm_nats = 2.0
"""


class Cluster:
    """The workers of one application, what they are fed with, and what became of them."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        folder: Path,
        traffic: Traffic,
        *,
        workers: int = WORKERS,
        environment: dict[str, str] | None = None,
        **knobs: str,
    ) -> None:
        """Name everything; `knobs` are settings as environment variables name them."""
        folder.mkdir(parents=True, exist_ok=True)
        policy = folder / "policy.toml"
        policy.write_text(POLICY)
        self.raw = f"{prefix}.raw"
        self.folder = folder
        self.traffic = traffic
        self.knobs = {
            "BOOTSTRAP_SERVERS": bootstrap,
            "APP_ID": prefix,
            "POLICY": str(policy),
            "PARTITIONS": str(PARTITIONS),
            "CLOCK": "event",
            "MODEL": "pinned",
            "WEB_PORT": "0",
            "LOG_FORMAT": "json",
            "TOPICS__SOURCES": self.raw,
            **{f"TOPICS__{name.upper()}": f"{prefix}.{name}" for name in TOPICS},
            **knobs,
        }
        self.environment = environment or {}
        self.settings = Settings(**_nested(self.knobs))
        self.topics = self.settings.topics
        self.raw_state = state_of_source(self.topics, self.raw)
        self.log = KafkaLog(bootstrap)
        self.model = pinned_model(self.settings)
        origin = origin_of(traffic.partitions)
        self.oracle = Oracle(self.settings, origin, [self.model])
        self.workers = [self.worker(f"w{number}") for number in range(workers)]
        self.failpoints: deque[str] = deque()  # for the next starts
        self.codes: Counter[int] = Counter()  # of the processes that ended
        self.harmless = HARMLESS
        self.injected = 0
        self.verdict: Verdict | None = None
        self.resident_megabytes = 0.0  # the most that any worker held
        self._supervisor: asyncio.Task[None] | None = None
        self._producer = producer(bootstrap)

    # ------------------------------------------------------------ its life

    async def __aenter__(self) -> Self:
        """Make the topics, and start everybody."""
        await self.make_topics()
        await self._producer.start()
        self.supervise()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave no process behind, whatever happened."""
        await self.unsupervise()
        for worker in self.workers:
            worker.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._producer.stop(), 10)

    async def make_topics(self) -> None:
        """Create every topic, and publish the one model that judges."""
        async with self.admin() as admin:
            large = {"max.message.bytes": str(8 << 20)}
            await admin.create_topics(
                [NewTopic(self.raw, self.traffic.partitions, 1, topic_configs=large)]
            )
        await ensure(self.settings, connection(self.settings))
        await publish(self.settings, [self.model])

    def worker(self, name: str, **environment: str) -> Worker:
        """Return a worker more, which nobody has started."""
        variables = {f"{PREFIX}{knob}": value for knob, value in self.knobs.items()}
        variables |= {f"{PREFIX}INSTANCE_ID": name, **self.environment, **environment}
        return Worker(name, [sys.executable, "-m", "stream", "run"], variables, self.folder)

    def supervise(self) -> None:
        """From now on start whoever does not run, each start with the next failpoint."""
        self._supervisor = asyncio.create_task(self._supervise())

    async def unsupervise(self) -> None:
        """From now on whoever ends stays away."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        self._bury()

    async def _supervise(self) -> None:
        while True:
            self._bury()
            for worker in self.staying:
                if worker.process is None:  # buried: nobody's end goes uncounted
                    worker.start(self.failpoints.popleft() if self.failpoints else "")
                held = worker.resident_megabytes
                self.resident_megabytes = max(self.resident_megabytes, held)
            await asyncio.sleep(0.1)

    def _bury(self) -> None:
        """Note who has ended, and by what; a kill at a failpoint is a fault injected."""
        for worker in self.workers:
            if worker.code is not None:
                self.codes[worker.code] += 1
                at_point = worker.code == -signal.SIGKILL and worker.failpoint
                self.injected += bool(at_point)
                worker.process = None

    @property
    def staying(self) -> list[Worker]:
        """The workers that are started again when they end."""
        return [worker for worker in self.workers if worker.supervised]

    def check(self) -> None:
        """Fail where a worker ended as no worker should."""
        assert set(self.codes) <= self.harmless, f"exit codes {dict(self.codes)}\n{self.words()}"

    def words(self) -> str:
        """Return the last that every worker logged."""
        tails = [worker.log.read_text()[-1_500:] for worker in self.workers if worker.log.exists()]
        return "\n----\n".join(tails)

    # ------------------------------------------------------------ what tests do to it

    async def feed(self, messages: int, seconds: float = 0.0) -> None:
        """Send so many messages more, spread over some time."""
        steps = max(1, round(seconds / 0.1))
        for step in range(steps):
            share = messages * (step + 1) // steps - messages * step // steps
            await self.traffic.send(self._producer, self.raw, share)
            await asyncio.sleep(seconds / steps)

    async def kill(self, *workers: Worker) -> None:
        """End workers as a power cut would, all at once."""
        dying = [(worker, asyncio.create_task(worker.ended())) for worker in workers]
        await asyncio.sleep(0)  # each has its process in hand, before the next one starts
        for worker, _ in dying:
            worker.failpoint = ""  # this death is counted here
            worker.signal(signal.SIGKILL)
            self.injected += 1
        for _, ended in dying:
            await ended

    def freeze(self, worker: Worker) -> None:
        """Stop a worker in the middle of whatever it does."""
        worker.signal(signal.SIGSTOP)
        self.injected += 1

    async def working(self, workers: Iterable[Worker] | None = None) -> None:
        """Wait until workers, by default all that should run, have taken up their partitions."""
        wanted = list(self.staying if workers is None else workers)

        def work() -> bool:
            self.check()
            return all(worker.works for worker in wanted)

        await until(work, PATIENCE_SECONDS, lambda: f"not everybody works\n{self.words()}")

    async def settled(self) -> None:
        """Wait until everybody works, and on every partition one worker alone."""
        everything = {f"{self.raw}/{p}" for p in range(self.traffic.partitions)}
        everything |= {f"{self.topics.usage}/{p}" for p in range(PARTITIONS)}

        def shared() -> bool:
            self.check()
            held = Counter(tp for worker in self.workers if worker.works for tp in worker.holds)
            return held == Counter(everything) and all(worker.works for worker in self.staying)

        await until(
            shared, PATIENCE_SECONDS, lambda: f"the partitions are not shared\n{self.words()}"
        )

    async def spent(self) -> None:
        """Wait until every failpoint was handed out, and reached."""

        def reached() -> bool:
            self.check()
            started_anew = all(w.running and not w.failpoint for w in self.staying)
            return not self.failpoints and started_anew

        await until(reached, PATIENCE_SECONDS, lambda: f"failpoints are left\n{self.words()}")

    async def configure(self, topic: str, **config: str) -> None:
        """Set some of a topic's configuration; an empty value is the broker's default."""
        async with self.admin() as admin:
            resource = ConfigResource(ConfigResourceType.TOPIC, topic)
            (response,) = await admin.describe_configs([resource])
            entries = response.resources[0][4]
            # The request that aiokafka knows replaces the whole configuration.
            own = {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_TOPIC}
            own |= {name.replace("_", "."): value for name, value in config.items()}
            kept = {name: value for name, value in own.items() if value}
            changed = ConfigResource(ConfigResourceType.TOPIC, topic, kept)
            (answer,) = await admin.alter_configs([changed])
            assert answer.resources[0][0] == 0, answer

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """Give a client for topics."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.log.bootstrap)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    # ------------------------------------------------------------ the end

    async def drained(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everything sent was ingested, detected and saved."""
        await until(
            self._drained, seconds, lambda: f"not drained\n{self.words()}", pause_seconds=0.5
        )

    async def _drained(self) -> bool:
        """Return whether no record lies behind a saved position; ingest comes first."""
        self.check()
        ends = {number: ends.high for number, ends in (await self.log.ends(self.raw)).items()}
        saved = await self._saved(self.raw_state)
        if any(saved.get(number, 0) < end for number, end in ends.items()):
            return False
        last = await self.log.last(self.topics.usage)
        saved = await self._saved(self.topics.state)
        return all(record.offset < saved.get(p, 0) for p, record in last.items())

    async def _saved(self, state: str) -> dict[int, int]:
        """Return the positions that a state topic holds, by partition."""
        rows = await self.log.last(state, lambda record: is_position(record.key or b""))
        return {number: unpack_position(row.value or b"").offset for number, row in rows.items()}

    async def finish(self) -> Verdict:
        """Send the end, drain, stop everybody in order, judge; whatever is wrong fails."""
        await self.traffic.finish(self._producer, self.raw)
        await self.drained()
        await self.working()
        await self.stop()
        return await self.judged()

    async def stop(self) -> None:
        """End everybody by SIGTERM."""
        await self.unsupervise()
        stopped = [worker for worker in self.workers if worker.running]
        for worker in stopped:
            worker.signal(signal.SIGTERM)
        codes = [await worker.ended() for worker in stopped]
        assert codes == [0] * len(stopped), self.words()
        self.check()

    async def closed(self) -> None:
        """Wait until the broker has ended what the killed have left open: their time is up."""

        async def none_open() -> bool:
            return not await self.oracle.hanging(self.log)

        await until(none_open, PATIENCE_SECONDS, "a transaction stays open", pause_seconds=1.0)

    async def judged(self, *, finished: bool = True) -> Verdict:
        """Ask the oracle, and fail unless all is as it must be."""
        verdict = self.verdict = await self.oracle.judge(self.log, finished=finished)
        assert verdict.faultless, f"{verdict}\n{self.words()}"
        if finished:
            assert (verdict.events, verdict.letters) == (self.traffic.events, self.traffic.poison)
            assert verdict.alerts, "the input led to no alert: nothing was tested"
        assert self.resident_megabytes < RESIDENT_MEGABYTES_MAX
        return verdict


_SET_ON_TOPIC = 1  # Kafka's number for a configuration of the topic's own
_LATE_ENOUGH = 1 << 60


def origin_of(partitions: int) -> Callable[[bytes], int]:
    """Return what tells which of so many raw partitions a usage event came from."""
    decoder = Decoder()

    def origin(value: bytes) -> int:
        event = decoder.decode(value, _LATE_ENOUGH)
        assert isinstance(event, UsageEvent)
        return place(event.message_id, partitions)

    return origin


def _nested(knobs: dict[str, str]) -> dict[str, Any]:
    """Return knobs, named as environment variables, as the settings have them."""
    nested: dict[str, Any] = {}
    for name, value in knobs.items():
        *above, last = name.lower().split("__")
        place_of = nested
        for section in above:
            place_of = place_of.setdefault(section, {})
        place_of[last] = value
    return nested


def pinned_model(settings: Settings) -> bytes:
    """Return a model that was never trained and still opens silence alerts, from some day on."""
    policy = read_policy(settings).policy
    cold = snapshots.cold(policy.horizon_ms / DAY_MS, policy.horizon_ms / DAY_MS / 12)
    from_day = msgspec.structs.replace(cold, threshold=-1.0, effective_from=BEGIN_MS + 5 * DAY_MS)
    return wire.encode(snapshots.name(from_day))


Launch = Callable[..., AbstractAsyncContextManager[Cluster]]
"""What starts a cluster for one row of the table, and enters how it went."""
