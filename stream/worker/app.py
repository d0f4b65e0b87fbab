"""The worker: every topic and every agent named, joined to one engine, and run.

raw sources --> [ingest] --> usage --> [detect] --> alerts
|                     |  ^ \
                       +--> dead letters <---+  |  +--> examples --> [train] --> model
+---------------------------------+
"""

import asyncio
from collections.abc import Iterable
from typing import NoReturn

import structlog
from faust.types import TP

from stream.detector import cadence
from stream.detector.policy import Policy
from stream.engine.checkpoint import Holding
from stream.engine.engine import Engine, wall_ms
from stream.engine.exits import judge, leave
from stream.engine.flow import Flow, Fold
from stream.engine.transport import Block
from stream.settings import Settings
from stream.wire import policy_file
from stream.wire.events import Decoder
from stream.wire.policy_file import PolicyFile
from stream.worker.connection import connection, engine_settings
from stream.worker.dead_letters import APP_VERSION, PutAside
from stream.worker.detect import DetectFold
from stream.worker.failing import StopRule
from stream.worker.ingest import IngestFold
from stream.worker.logs import to_stderr
from stream.worker.metrics import EngineReport, Metrics
from stream.worker.model_log import ModelLog, ModelReader
from stream.worker.publishing import Desk
from stream.worker.topics import ensure, state_of_source
from stream.worker.web import Web

log = structlog.get_logger("slipaway.worker")


class Worker:
    """The parts of one worker, wired."""

    def __init__(self, settings: Settings, product: PolicyFile) -> None:
        """Make every part; nothing connects before `run`."""
        self.settings = settings
        self.product = product
        self.metrics = Metrics()
        self.report = EngineReport(self.metrics)
        self.connection = connection(settings)
        self.models = ModelLog(product.policy, self.metrics)
        self.reader = ModelReader(self.models, settings.topics.model, self.connection)
        self.web = Web(
            host=settings.web_host,
            port=settings.web_port,
            registry=self.metrics.registry,
            ready=lambda: self.report.ready,
        )
        self.usage_partitions = settings.partitions  # until the broker says how many there are

    def flows(self) -> list[Flow]:
        """Name every agent: what it reads, where it remembers, and who does the work."""
        topics = self.settings.topics
        flows = [
            *(
                Flow(source, state_of_source(topics, source), self._ingest)
                for source in topics.sources
            ),
            Flow(topics.usage, topics.state, self._detect),
        ]
        if self.settings.model == "learn":
            flows.append(Flow(topics.examples, topics.trainer_state, self._train))
        return flows

    def run(self) -> NoReturn:
        """Work until SIGTERM or SIGINT."""
        engine = _PreparedEngine(self)
        log.info(
            "worker",
            version=APP_VERSION,
            app_id=self.settings.app_id,
            instance_id=self.settings.instance,
            policy=self.product.policy.version,
            clock=self.settings.clock,
            model=self.settings.model,
        )
        engine.run(self.web, self.reader)

    async def prepare(self) -> None:
        """Answer on the web, make the topics, and know every model: then the work may begin."""
        await self.web.maybe_start()
        counts = await ensure(self.settings, self.connection)
        self.usage_partitions = counts[self.settings.topics.usage]
        await self.reader.read_to_end()

    # ------------------------------------------------------------ who does the work

    def _ingest(self, tp: TP) -> IngestFold:
        return IngestFold(
            source=tp.topic,
            usage=self.settings.topics.usage,
            decoder=self._decoder(),
            future_skew_ms=self.product.policy.max_future_skew_ms,
            put_aside=self._put_aside(tp, "decode"),
            metrics=self.metrics,
        )

    def _detect(self, tp: TP) -> DetectFold:
        settings, policy = self.settings, self.product.policy
        desk = Desk(
            topic=settings.topics.alerts,
            clock_kind=settings.clock,
            max_age_ms=round(settings.alerts_max_age_seconds * 1000),
            publish_backfill=settings.publish_backfill,
            lateness_ms=policy.allowed_lateness_ms,
            metrics=self.metrics,
            clock=wall_ms,
        )
        return DetectFold(
            tp,
            policy=policy,
            decoder=self._decoder(),
            models=self.models,
            desk=desk,
            put_aside=self._put_aside(tp, "detect"),
            metrics=self.metrics,
            examples=settings.topics.examples if settings.model == "learn" else None,
            wall_clock=settings.clock == "wall",
        )

    def _train(self, _tp: TP) -> Fold:
        # Of all workers one trains: the others start seconds sooner without River and pandas.
        from models.trainer import Trainer  # noqa: PLC0415
        from stream.worker.training import TrainFold  # noqa: PLC0415

        policy = self.product.policy
        return TrainFold(
            fresh=lambda: Trainer(
                horizon_days=cadence.days(policy.horizon_ms),
                false_alarms_per_customer_month=policy.false_alarms_per_customer_month,
            ),
            model=self.settings.topics.model,
            partitions=self.usage_partitions,
            metrics=self.metrics,
        )

    def _decoder(self) -> Decoder:
        return Decoder(self.product.mappings)

    def _put_aside(self, tp: TP, stage: str) -> PutAside:
        settings = self.settings
        return PutAside(
            topic=settings.topics.dead_letters,
            source=tp.topic,
            stage=stage,
            rule=StopRule(
                share_max=settings.failing_share_max,
                window_events=settings.failing_window_events,
                failures_min=settings.failing_events_min,
            ),
            metrics=self.metrics,
            clock=wall_ms,
        )


class _PreparedEngine(Engine):
    """An engine that has its topics made first, and that never works while it writes.

    Working off a sparse backlog, one block can let months fall due and hold the
    event loop for seconds.  A transaction that was open meanwhile would have
    used up its time without having had any, and the worker would end, start
    again, and end at the same place for ever.
    """

    def __init__(self, worker: Worker) -> None:
        settings = worker.settings
        super().__init__(
            settings.app_id,
            worker.flows(),
            worker.connection,
            engine_settings(settings),
            observer=worker.report,
        )
        self._worker = worker
        self._writing = 0
        self._written = asyncio.Event()
        self._written.set()
        self._save = self.membership.save
        self.membership.save = self._save_undisturbed  # type: ignore[method-assign]

    async def apply(self, block: Block) -> None:
        """Fold a block, but not while a transaction is open; then let the others have a turn."""
        await self._written.wait()
        await super().apply(block)
        await asyncio.sleep(0)

    async def _save_undisturbed(self, holdings: Iterable[Holding]) -> None:
        self._writing += 1
        self._written.clear()
        try:
            await self._save(holdings)
        finally:
            self._writing -= 1
            if not self._writing:
                self._written.set()

    async def _before(self) -> None:
        try:
            await self._worker.prepare()
        except Exception as error:  # noqa: BLE001 - Faust would take 14 s to end
            leave(judge(error, "preparing"))
        await super()._before()


def read_policy(settings: Settings) -> PolicyFile:
    """Read the policy; the built-in one where none is named.

    Raises `PolicyErrors` with everything that is wrong.
    """
    if settings.policy is None:
        policy = Policy()
        return PolicyFile(policy=policy)
    return policy_file.load(settings.policy)


def run(settings: Settings) -> NoReturn:
    """Run a worker until it is stopped.

    Raises `PolicyErrors`; everything that goes wrong later ends the process.
    """
    product = read_policy(settings)
    to_stderr(settings.log_level, settings.log_format)
    Worker(settings, product).run()
