"""Topics: which there must be, how they are kept, and whether those that exist will do.

Faust idles without a word when its source is missing, and a broker that makes
topics on first use makes them with the wrong clean-up; so a worker makes its
own, before anything reads them.  What exists already is never changed, only
checked: the partition a customer is in follows from the number of partitions,
so a changed number would part customers from their state.

Kafka deletes by the time a record was *sent*.  Usage events may tell of last
year, but they are sent now, so ordinary retention keeps a replay whole.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import Fatal
from stream.settings import Settings, Topics

log = structlog.get_logger("slipaway.worker")

DAY_MS = 86_400_000
FOREVER = -1

# Restore reads a state topic from its start, so old values are cleaned away within the hour
# instead of whenever a gigabyte has gathered.
COMPACT = {
    "cleanup.policy": "compact",
    "segment.ms": str(10 * 60_000),
    "max.compaction.lag.ms": str(60 * 60_000),
    "min.cleanable.dirty.ratio": "0.1",
}
VISIBLE_SECONDS_MAX = 30  # a created topic is known to every broker well before


@dataclass(frozen=True, slots=True)
class Spec:
    """One topic as it should be."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def compacted(self) -> bool:
        """Say whether its last value of a key must stay for ever."""
        return self.config.get("cleanup.policy") == "compact"


def state_of_source(topics: Topics, source: str) -> str:
    """Name the topic that says how far a raw source has been read."""
    return f"{topics.ingest_state}.{source}"


def specs(settings: Settings, counts: Mapping[str, int]) -> list[Spec]:
    """List the topics a worker needs; `counts` are the partitions of those that exist.

    A state topic has as many partitions as what its state speaks of.
    """
    topics = settings.topics
    usage_partitions = counts.get(topics.usage, settings.partitions)
    account_partitions = counts.get(topics.members, settings.partitions)
    return [
        Spec(topics.usage, usage_partitions, _deleted_after(settings.usage_retention_days)),
        Spec(topics.state, usage_partitions, COMPACT),
        Spec(topics.alerts, settings.partitions, _deleted_after(365)),
        Spec(topics.holdout, settings.partitions, _deleted_after(365)),
        # Nobody's state speaks of it: however many partitions it has, they will do.
        Spec(topics.customers, counts.get(topics.customers, settings.partitions), COMPACT),
        Spec(topics.account_alerts, settings.partitions, _deleted_after(365)),
        Spec(topics.account_holdout, settings.partitions, _deleted_after(365)),
        Spec(topics.accounts, counts.get(topics.accounts, settings.partitions), COMPACT),
        # Nor does anybody's state speak of this one.
        Spec(topics.retention, counts.get(topics.retention, 1), COMPACT),
        Spec(topics.members, account_partitions, _deleted_after(settings.usage_retention_days)),
        Spec(topics.accounts_state, account_partitions, COMPACT),
        Spec(
            topics.dead_letters,
            settings.partitions,
            {**_deleted_after(30), "max.message.bytes": str(settings.dead_letter_bytes_max)},
        ),
        Spec(topics.examples, 1, _deleted_after(30)),
        Spec(topics.trainer_state, 1, COMPACT),
        Spec(topics.model, 1, COMPACT),
        Spec(topics.endpoints, 1, COMPACT),
        *(
            Spec(state_of_source(topics, source), counts[source], COMPACT)
            for source in topics.sources
            if source in counts
        ),
    ]


def misfits(wanted: Iterable[Spec], counts: Mapping[str, int], topics: Topics) -> list[str]:
    """Say which existing topics have the wrong number of partitions, and the way out."""
    single = {topics.examples, topics.trainer_state, topics.model, topics.endpoints}
    places = {state_of_source(topics, source) for source in topics.sources}
    problems = []
    for spec in wanted:
        found = counts.get(spec.name, spec.partitions)
        if found == spec.partitions:
            continue
        if spec.name in single:
            problems.append(
                f"{spec.name} has {found} partitions and needs exactly 1: its order counts."
                " Operator action: delete it, or set another name."
            )
        elif spec.name in places and found < spec.partitions:
            problems.append(
                f"{spec.name} has {found} partitions, the raw topic it speaks of has"
                f" {spec.partitions}. Operator action: kafka-topics --alter --topic {spec.name}"
                f" --partitions {spec.partitions}; it holds no customers, so nobody moves."
            )
        elif spec.compacted:
            problems.append(
                f"{spec.name} has {found} partitions, what it speaks of has {spec.partitions}:"
                " customers have moved away from their state. Operator action: restore the old"
                " number, or start over: set a new app_id and new state topics (topics.state,"
                " topics.ingest_state), and replay."
            )
    return problems


async def ensure(
    settings: Settings,
    connection: Connection,
    *,
    wait: bool = True,
    only: Collection[str] | None = None,
) -> dict[str, int]:
    """Create what is missing, check what is there; return the partition count of every topic.

    `wait`: until the raw sources exist, instead of passing over their state.
    `only`: look at no other topics; who needs few need not be told of all.
    Raises `Fatal` with everything that does not fit, and the way out.
    """
    topics = settings.topics
    await wait_for_broker(connection, topics.sources if wait else ())
    admin = AIOKafkaAdminClient(**connection.client(), request_timeout_ms=10_000)
    await admin.start()
    try:
        counts = await _counts(admin)
        wanted = [s for s in specs(settings, counts) if only is None or s.name in only]
        problems = misfits(wanted, counts, topics)
        existing = [spec.name for spec in wanted if spec.compacted and spec.name in counts]
        problems += forgetful(await knobs(admin, ConfigResourceType.TOPIC, existing))
        if problems:
            raise Fatal("\n".join(problems))
        missing = [spec for spec in wanted if spec.name not in counts]
        await _create(admin, missing, settings.replication)
        await _until_visible(admin, missing)
    finally:
        await admin.close()
    if missing:
        log.info("topics created", topics=[spec.name for spec in missing])
    return {**counts, **{spec.name: spec.partitions for spec in missing}}


def _deleted_after(days: float) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(round(days * DAY_MS) if days else FOREVER),
    }


async def _counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Say how many partitions every existing topic has."""
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if topic["partitions"]
    }


def forgetful(compacted: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Say which topics, given with their configuration, would delete what must stay."""
    return [
        f"{name} has cleanup.policy={found['cleanup.policy']} and would forget customers. Operator"
        f" action: kafka-configs --alter --topic {name} --add-config cleanup.policy=compact"
        for name, found in compacted.items()
        if found.get("cleanup.policy", "compact") != "compact"
    ]


async def _create(admin: AIOKafkaAdminClient, missing: list[Spec], replication: int) -> None:
    """Create topics; that another worker was faster is fine."""
    refused = await refusals(admin, missing, replication, validate_only=False)
    if refused:
        raise Fatal("\n".join(refused))


async def refusals(
    admin: AIOKafkaAdminClient, missing: list[Spec], replication: int, *, validate_only: bool
) -> list[str]:
    """Create topics, or have it tried (`validate_only`); say which were refused."""
    if not missing:
        return []
    copies = replication or await _default_replication(admin)
    response = await admin.create_topics(
        [
            NewTopic(spec.name, spec.partitions, copies, topic_configs=dict(spec.config))
            for spec in missing
        ],
        validate_only=validate_only,
    )
    return [
        _why_not(name, for_code(code), message, copies)
        for name, code, message in response.topic_errors
        if code and for_code(code) is not TopicAlreadyExistsError
    ]


def _why_not(name: str, error: type[KafkaError], message: str | None, copies: int) -> str:
    """Say why a topic was not created."""
    if error in {TopicAuthorizationFailedError, ClusterAuthorizationFailedError}:
        return (
            f"{name} is not there, or we may not be told of it; and we may not create it. Operator"
            f" action: allow DESCRIBE on topic {name}; where it is missing, `slipaway topics"
            " create` by whoever may CREATE (`slipaway topics acls` lists what each needs)."
        )
    return (
        f"The broker refuses to create {name}: {message or error.__name__}. Operator action: allow"
        f" it or create it yourself; `replication` ({copies}) may not exceed the brokers."
    )


async def _default_replication(admin: AIOKafkaAdminClient) -> int:
    """Ask a broker how many copies it makes by itself; this protocol version cannot say "yours"."""
    broker = str(next(iter(admin._client.cluster.brokers())).nodeId)  # noqa: SLF001 - no public way
    found = (await knobs(admin, ConfigResourceType.BROKER, [broker])).get(broker)
    if not found:  # one copy instead would be lost with its broker, months later
        raise Fatal(
            "We may not be told how many copies the brokers make by default. Operator action: set"
            " `replication`, or allow DESCRIBE_CONFIGS on cluster."
        )
    return int(found.get("default.replication.factor") or 1)


async def knobs(
    admin: AIOKafkaAdminClient, kind: ConfigResourceType, names: list[str]
) -> dict[str, dict[str, str]]:
    """Read the configuration of several topics or brokers; empty where we may not."""
    if not names:
        return {}
    responses = await admin.describe_configs([ConfigResource(kind, name) for name in names])
    return {
        resource_name: {entry[0]: entry[1] for entry in entries}
        for response in responses
        for _, _, _, resource_name, entries in response.resources
    }


async def _until_visible(admin: AIOKafkaAdminClient, created: list[Spec]) -> None:
    """Wait until every created topic has leaders: until then, clients would be told it is not."""
    names = {spec.name for spec in created}
    async with asyncio.timeout(VISIBLE_SECONDS_MAX):
        while names:
            for topic in await admin.describe_topics(sorted(names)):
                partitions = topic["partitions"]
                if partitions and all(partition["leader"] >= 0 for partition in partitions):
                    names.discard(topic["topic"])
            if names:
                await asyncio.sleep(0.1)
