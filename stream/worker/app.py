"""The worker: every topic and every agent named, joined to one engine, and run.

raw sources --> [ingest] --> usage --> [detect] --> alerts
|                     |  ^ \
                       +--> dead letters <---+  |  +--> examples --> [train] --> model
                                                +--> members --> [accounts] --> account alerts
+---------------------------------+
"""

from collections.abc import Callable
from typing import NoReturn

import structlog
from faust.types import TP

from stream.detector.policy import Policy
from stream.engine.engine import Engine, wall_ms
from stream.engine.flow import Flow, Fold
from stream.settings import Settings
from stream.wire import policy_file
from stream.wire.events import Decoder
from stream.wire.policy_file import PolicyFile
from stream.worker import permissions, tracing
from stream.worker.accounts import AccountDesk, AccountsFold
from stream.worker.allowed import require
from stream.worker.connection import connection, engine_settings
from stream.worker.dead_letters import APP_VERSION, PutAside
from stream.worker.detect import DetectFold
from stream.worker.engine_report import EngineReport
from stream.worker.episode_log import EpisodeLog
from stream.worker.failing import StopRule
from stream.worker.ingest import IngestFold
from stream.worker.logs import to_stderr
from stream.worker.metrics import Metrics, Role
from stream.worker.model_log import ModelLog, ModelReader
from stream.worker.policy_watch import PolicyWatch
from stream.worker.publishing import Desk
from stream.worker.renewal import be_deaf, begin_anew, handed_over
from stream.worker.telling import Teller
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
        self.metrics.serves(
            app_id=settings.app_id,
            clock=settings.clock,
            model=settings.model,
            policy=product.policy,
        )
        episodes = EpisodeLog(settings.app_id, settings.log_customers)
        self.traces = tracing.start(settings)
        self.report = EngineReport(
            self.metrics,
            settings.topics.examples,
            told=episodes.published,
            traces=self.traces,
        )
        self.connection = connection(settings)
        self.models = ModelLog(product.policy, self.metrics)
        self.reader = ModelReader(self.models, settings.topics.model, self.connection)
        self.web = Web(
            host=settings.web_host,
            port=settings.web_port,
            registry=self.metrics.registry,
            unready=self.report.unready,
            token=settings.token(),
        )
        self.renewed: str | None = None  # the policy to begin anew with, once all is saved
        self.usage_partitions = settings.partitions  # until the broker says how many there are
        self.account_partitions = settings.partitions  # of what accounts are told; the same
        self.origins = 0  # partitions of all sources together

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
            flows.append(Flow(topics.examples, topics.trainer_state, self._train, _import_training))
        if self.product.policy.accounts.enabled:
            flows.append(Flow(topics.members, topics.accounts_state, self._roll_up))
        return flows

    def run(self) -> NoReturn:
        """Work until SIGTERM or SIGINT; a changed policy begins the process anew."""
        engine = Engine(
            self.settings.app_id,
            self.flows(),
            self.connection,
            engine_settings(self.settings, accounts=self.product.policy.accounts.enabled),
            observer=self.report,
            prepare=self.prepare,
        )
        log.info(
            "worker",
            version=APP_VERSION,
            app_id=self.settings.app_id,
            instance_id=self.settings.instance,
            policy=self.product.policy.version,
            clock=self.settings.clock,
            model=self.settings.model,
        )
        self.metrics.obeys(self.product.policy.version)

        def take_up(text: str) -> None:
            self.renewed = text
            engine.stop()

        try:
            engine.run(self.web, self.reader, *self._watch(take_up))
        except SystemExit as ended:
            if self.traces is not None:
                self.traces.close()
            if self.renewed is None or ended.code or engine.told_to_end:
                raise
            begin_anew(self.renewed)

    def _watch(self, take_up: Callable[[str], object]) -> list[PolicyWatch]:
        """Watch the policy file, if there is one."""
        if self.settings.policy is None:
            return []
        learns = self.settings.model == "learn"
        watch = PolicyWatch(
            self.settings.policy,
            self.product,
            learns=learns,
            metrics=self.metrics,
            take_up=take_up,
        )
        return [watch]

    async def prepare(self) -> None:
        """Answer on the web, make the topics, and know every model: then the work may begin."""
        await self.web.maybe_start()
        accounts = self.product.policy.accounts.enabled
        listed = permissions.needed(permissions.Role.WORKER, self.settings, accounts=accounts)
        await require(self.connection, listed, [self.settings.app_id])
        counts = await ensure(self.settings, self.connection)
        self.usage_partitions = counts[self.settings.topics.usage]
        self.account_partitions = counts[self.settings.topics.members]
        self.origins = sum(counts[source] for source in self.settings.topics.sources)
        for topic, role in self._roles().items():
            self.metrics.shares(topic, role, counts[topic])
        await self.reader.read_to_end()

    def _roles(self) -> dict[str, Role]:
        """Say what each topic that is read is read for."""
        topics = self.settings.topics
        roles: dict[str, Role] = dict.fromkeys(topics.sources, "source")
        roles[topics.usage] = "usage"
        if self.settings.model == "learn":
            roles[topics.examples] = "examples"
        return roles

    # ------------------------------------------------------------ who does the work

    def _ingest(self, tp: TP) -> IngestFold:
        return IngestFold(
            tp,
            usage=self.settings.topics.usage,
            usage_partitions=self.usage_partitions,
            origins=self.origins,
            wall_clock=self.settings.clock == "wall",
            decoder=self._decoder(),
            future_skew_ms=self.product.policy.max_future_skew_ms,
            put_aside=self._put_aside(tp, "decode"),
            metrics=self.metrics,
            traced=self.traces is not None,
        )

    def _detect(self, tp: TP) -> DetectFold:
        settings, policy = self.settings, self.product.policy
        traces = None if self.traces is None else tracing.AlertTraces(self.traces)
        desk = Desk(
            topic=settings.topics.alerts,
            holdout_topic=settings.topics.holdout,
            customers=settings.topics.customers,
            trace=None if traces is None else traces.headers,
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
            origins=self.origins,
            teller=self._teller(tp),
            app=settings.app_id,
            traces=traces,
            retention=settings.topics.retention,
        )

    def _teller(self, tp: TP) -> Teller | None:
        """Return who tells accounts of a partition's customers, if the policy looks at accounts."""
        if not self.product.policy.accounts.enabled:
            return None
        return Teller(
            topic=self.settings.topics.members,
            partitions=self.account_partitions,
            origin=tp.partition,
            origins=self.usage_partitions,
        )

    def _roll_up(self, tp: TP) -> AccountsFold:
        settings = self.settings
        desk = AccountDesk(
            topic=settings.topics.account_alerts,
            holdout_topic=settings.topics.account_holdout,
            accounts=settings.topics.accounts,
            wall_clock=settings.clock == "wall",
            max_age_ms=round(settings.alerts_max_age_seconds * 1000),
            publish_backfill=settings.publish_backfill,
            metrics=self.metrics,
            clock=wall_ms,
        )
        return AccountsFold(
            tp,
            policy=self.product.policy,
            desk=desk,
            metrics=self.metrics,
            origins=self.usage_partitions,
        )

    def _train(self, tp: TP) -> Fold:
        from stream.worker.training import TrainFold  # noqa: PLC0415

        return TrainFold(
            tp.topic,
            policy=self.product.policy,
            model=self.settings.topics.model,
            partitions=self.usage_partitions,
            metrics=self.metrics,
        )

    def _decoder(self) -> Decoder:
        policy = self.product.policy
        return Decoder(self.product.mappings, policy.traits, aliases=policy.identity.merge)

    def _put_aside(self, tp: TP, stage: str) -> PutAside:
        settings = self.settings
        return PutAside(
            topic=settings.topics.dead_letters,
            source=tp,
            stage=stage,
            rule=StopRule(
                share_max=settings.failing_share_max,
                window_events=settings.failing_window_events,
                failures_min=settings.failing_events_min,
                per_minute_max=settings.failing_per_minute_max,
                judged_by=f"{APP_VERSION} {policy_file.reading_of(self.product)}",
            ),
            metrics=self.metrics,
            clock=wall_ms,
        )


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
    be_deaf()
    text = handed_over()
    product = (
        read_policy(settings) if text is None else policy_file.parse(text, str(settings.policy))
    )
    to_stderr(settings.log_level, settings.log_format)
    Worker(settings, product).run()


def _import_training() -> None:
    """Import River and pandas, which takes seconds; of all workers one trains."""
    import stream.worker.training  # noqa: F401, PLC0415
