"""The model log: every snapshot that was published, as the models they make.

Models reach partitions by a reader of their own, outside the consumer group:
every worker needs all of them, whichever partitions it has.  Snapshots are
values and versions are kept, so a partition that is restored finds again
whichever model it was judged by.
"""

import asyncio
from bisect import bisect_right, insort
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from mode import Service

from models import snapshots
from models.online import OnlineModel
from models.snapshots import Snapshot
from stream.detector import cadence, outcomes
from stream.detector.policy import Policy
from stream.engine.connection import Connection
from stream.engine.exits import Exit, Fatal
from stream.wire import snapshots as wire
from stream.worker.metrics import Metrics

log = structlog.get_logger("slipaway.worker")


class ModelLog:
    """Every model there is, in the order of event time in which they take over."""

    def __init__(self, policy: Policy, metrics: Metrics) -> None:
        """Begin with the one model there is before anything was learned."""
        horizon_days = cadence.days(policy.horizon_ms)
        back_days = cadence.days(outcomes.back_age_ms(policy))
        self.cold = OnlineModel(snapshots.cold(horizon_days, back_days))
        self.seen = 0
        """How many models were taken in: it changes when there is a new one."""
        self._models: list[OnlineModel] = []
        self._versions: dict[str, OnlineModel] = {self.cold.version: self.cold}
        self._metrics = metrics

    def take(self, value: bytes | None) -> None:
        """Take one record of the model topic; what cannot be used leaves the last good one."""
        if value is None:
            return  # deleted by an operator; whoever knows it already goes on with it
        try:
            snapshot = wire.decode(value, Snapshot)
        except wire.SnapshotError as error:
            log.warning("snapshot refused", reason=str(error))
            self._metrics.snapshots.labels("refused").inc()
            return
        self._versions.setdefault(snapshot.version, OnlineModel(snapshot))
        model = self._versions[snapshot.version]
        if any(known.effective_from == model.effective_from for known in self._models):
            self._metrics.snapshots.labels("older").inc()
            return
        insort(self._models, model, key=_effective_from)
        self.seen += 1
        self._metrics.snapshots.labels("loaded").inc()
        if model is self._models[-1]:
            self._metrics.model_info.info({"version": model.version})
            self._metrics.model_effective.set(model.effective_from / 1000)

    def after(self, effective_from: int) -> Iterable[OnlineModel]:
        """Give the models effective later than that, in order."""
        return self._models[bisect_right(self._models, effective_from, key=_effective_from) :]

    def known(self, version: str) -> OnlineModel:
        """Give a model by its version; raise `Fatal` if it is not in the log."""
        model = self._versions.get(version)
        if model is None:
            raise Fatal(
                f"Customers were judged by model {version}, which is not in the model topic."
                " Starting again helps if it was published just now; otherwise, operator action:"
                " `slipaway model publish` the file that holds it, or replay into a new app_id.",
                Exit.TEMPORARY,
            )
        return model


class ModelReader(Service):
    """Reads the model topic: to its end before the work begins, and on while it goes on."""

    def __init__(self, models: ModelLog, topic: str, connection: Connection) -> None:
        """Read `topic` into `models`."""
        super().__init__()
        self._models = models
        self._connection = connection
        self._tp = TopicPartition(topic, 0)
        self._next = 0

    async def read_to_end(self) -> None:
        """Read everything there is now, by a consumer of this event loop."""
        consumer = self._consumer()
        await consumer.start()
        try:
            consumer.assign([self._tp])
            end = (await consumer.end_offsets([self._tp]))[self._tp]
            await consumer.seek_to_beginning(self._tp)
            # By position: a log written in transactions ends in a marker, which nobody sees.
            while await consumer.position(self._tp) < end:
                await self._read(consumer)
            self._next = await consumer.position(self._tp)
        finally:
            await consumer.stop()

    @Service.task
    async def _follow(self) -> None:
        """Read on from there."""
        consumer = self._consumer()
        await consumer.start()
        try:
            consumer.assign([self._tp])
            consumer.seek(self._tp, self._next)
            while not self.should_stop:
                await self._read(consumer)
        finally:
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        fetched = await consumer.getmany(timeout_ms=500)
        for records in fetched.values():
            for record in records:
                self._models.take(record.value)
        await asyncio.sleep(0)

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._connection.client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )


def _effective_from(model: OnlineModel) -> int:
    return model.effective_from
