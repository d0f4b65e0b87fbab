"""Topics: whether each is there or can be made, and keeps what it has to keep.

What a worker itself would refuse is asked in the worker's own words; the rest
is what it cannot see, and what would show months later as lost alerts, a slow
restart, or a record that is too large.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError, for_code

from stream.doctor.findings import Fault, Finding, failure, ok, quoted, warning
from stream.engine.connection import describe
from stream.engine.settings import EngineSettings
from stream.settings import Settings, Topics
from stream.worker.topics import Spec, forgetful, knobs, misfits, refusals

HOUR_MS = 3_600_000
SEGMENT_MS_MAX = HOUR_MS  # what is being written to is never cleaned, and is read at each restart
COMPACTION_LAG_MS_MAX = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic as it is."""

    name: str
    partitions: int = 0
    """0: it is not there."""
    forbidden: str = ""
    """Why the broker would not tell."""
    copies: int = 0
    """Of the partition with the fewest."""
    in_sync: int = 0
    """Copies that are up to date, of the partition with the fewest."""
    leaderless: int = 0
    """Partitions that nobody serves."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Empty where it may not be read."""

    def number(self, knob: str) -> int | None:
        """Return a number of the configuration; None where it is not known."""
        value = self.config.get(knob)
        return None if value is None else int(value)


async def ask(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, TopicFacts]:
    """Ask about topics, by name; none is made by being asked about.

    Raises what may pass, if asked again.
    """
    facts = {}
    found = await describe(admin, names)
    here = [topic["topic"] for topic in found if not topic["error_code"]]
    configs = await knobs(admin, ConfigResourceType.TOPIC, here)
    for topic in found:
        name, partitions = topic["topic"], topic["partitions"]
        error = for_code(topic["error_code"])
        if error is UnknownTopicOrPartitionError:
            facts[name] = TopicFacts(name)
        elif not partitions and error.retriable:
            raise error
        elif not partitions:
            facts[name] = TopicFacts(name, forbidden=error.__name__)
        else:
            facts[name] = TopicFacts(
                name,
                partitions=len(partitions),
                copies=min(len(partition["replicas"]) for partition in partitions),
                in_sync=min(len(partition["isr"]) for partition in partitions),
                leaderless=sum(partition["leader"] < 0 for partition in partitions),
                config=configs.get(name, {}),
            )
    return facts


async def ask_whether_creatable(
    admin: AIOKafkaAdminClient, missing: list[Spec], replication: int
) -> dict[str, str]:
    """Have the broker try to create topics, and not do it; say why it would refuse which."""
    refused = {}
    for spec in missing:
        for words in await refusals(admin, [spec], replication, validate_only=True):
            refused[spec.name] = words
    return refused


def judge(
    settings: Settings,
    engine: EngineSettings,
    wanted: list[Spec],
    facts: Mapping[str, TopicFacts],
    refused: Mapping[str, str],
    *,
    operations: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Finding]:
    """Say of each topic whether it will do; `refused` says which could not be created.

    `operations`: what a worker has to be allowed on each; being told of it comes with that.
    """
    counts = {name: fact.partitions for name, fact in facts.items() if fact.partitions}
    specs = {spec.name: spec for spec in wanted}
    for name, fact in facts.items():
        check, spec = f"topic {name}", specs.get(name)
        if fact.forbidden:
            problems = [
                failure(
                    check,
                    f"the broker does not tell about it: {fact.forbidden}",
                    Fault.PERMISSION,
                    f"allow {' and '.join((operations or {}).get(name, ['DESCRIBE']))} on it",
                )
            ]
        elif not fact.partitions:
            problems = list(_missing(check, spec, refused.get(name)))
        else:
            problems = [
                *(quoted(check, words, Fault.TOPIC) for words in _refused(settings, spec, counts)),
                *_cleaned(check, fact, spec),
                *_sized(check, fact, spec, engine),
                *_outsized(check, fact, settings.topics, facts),
                *_served(check, fact),
            ]
        yield from problems or [ok(check, _words(fact))]

        if spec is not None and spec.compacted and fact.partitions:
            yield from _compacted_late(check, fact)
    yield from _judge_copies(facts)


def _missing(check: str, spec: Spec | None, refused: str | None) -> Iterator[Finding]:
    if spec is None:
        yield failure(
            check,
            "it is a source, and is not there: a worker would wait for it",
            Fault.SETTINGS,
            "correct topics.sources, or create it",
        )
    elif refused:
        yield quoted(check, refused, Fault.PERMISSION)
    else:
        yield ok(check, f"not there; a worker creates it, {spec.partitions} partitions")


def _refused(settings: Settings, spec: Spec | None, counts: Mapping[str, int]) -> list[str]:
    """Say what a worker would refuse."""
    return [] if spec is None else misfits([spec], counts, settings.topics)


def _cleaned(check: str, fact: TopicFacts, spec: Spec | None) -> Iterator[Finding]:
    """Compare what is deleted with what may be."""
    policy = fact.config.get("cleanup.policy")
    if policy is None:
        yield warning(
            check,
            "its configuration may not be read, so clean-up, sizes and retention are unknown",
            Fault.PERMISSION,
            "allow DESCRIBE_CONFIGS on it, or ask whoever may",
        )
    elif spec is not None and spec.compacted:
        for words in forgetful({fact.name: fact.config}):
            yield quoted(check, words, Fault.TOPIC)
    elif policy == "compact":
        yield failure(
            check,
            "cleanup.policy=compact keeps the last record of a key: earlier events and alerts of a"
            " customer vanish",
            Fault.TOPIC,
            f"kafka-configs --alter --topic {fact.name} --add-config cleanup.policy=delete",
        )
    elif "compact" in policy:
        yield warning(
            check,
            f"cleanup.policy={policy}: of each key all but the last record vanish, which may be"
            " before they are read",
            Fault.TOPIC,
            f"kafka-configs --alter --topic {fact.name} --add-config cleanup.policy=delete",
        )


def _sized(
    check: str,
    fact: TopicFacts,
    spec: Spec | None,
    engine: EngineSettings,
) -> Iterator[Finding]:
    """Compare what is written with what is taken."""
    largest = fact.number("max.message.bytes")
    if spec is not None and largest is not None and largest < engine.batch_bytes_max:
        yield failure(
            check,
            f"max.message.bytes={largest} is less than the batches of {engine.batch_bytes_max}"
            " bytes that are written to it: a full one would be refused, and end the worker",
            Fault.TOPIC,
            f"kafka-configs --alter --topic {fact.name} --add-config"
            f" max.message.bytes={max(1 << 20, engine.batch_bytes_max)}",
        )


def _outsized(
    check: str, fact: TopicFacts, names: Topics, facts: Mapping[str, TopicFacts]
) -> Iterator[Finding]:
    """Compare what dead letters may hold with what may become one."""
    largest = fact.number("max.message.bytes")
    if fact.name != names.dead_letters or largest is None:
        return
    for source in names.sources:
        theirs = facts[source].number("max.message.bytes") if source in facts else None
        if theirs is not None and theirs >= largest:
            yield warning(
                check,
                f"max.message.bytes={largest} does not exceed the {theirs} of {source}: one huge"
                " event that cannot be used would end the worker, again and again",
                Fault.TOPIC,
                f"kafka-configs --alter --topic {fact.name} --add-config"
                f" max.message.bytes={2 * theirs}",
            )


def _served(check: str, fact: TopicFacts) -> Iterator[Finding]:
    """Say whether it can be read and written now."""
    needed = fact.number("min.insync.replicas") or 1
    if fact.leaderless:
        yield failure(
            check,
            f"{fact.leaderless} of {fact.partitions} partitions have no leader: nobody can read or"
            " write them",
            Fault.BROKER,
            "bring back the brokers that hold them",
        )
    elif fact.in_sync < needed:
        yield failure(
            check,
            f"{fact.in_sync} copies are up to date where min.insync.replicas={needed}: nothing can"
            " be written",
            Fault.BROKER,
            "bring back the brokers that are away",
        )


def _judge_copies(facts: Mapping[str, TopicFacts]) -> Iterator[Finding]:
    """Say which topics may be lost with a broker: all in one, they have one cause."""
    here = [fact for fact in facts.values() if fact.partitions]
    single = [fact.name for fact in here if fact.copies == 1]
    if single:
        yield warning(
            "copies",
            f"there is one copy of {', '.join(single)}: it goes with its broker's disk",
            Fault.TOPIC,
            "fine for a trial; else give them 3 copies (`replication`, before they are created)",
        )
    unsure = [f.name for f in here if f.copies > 1 and f.number("min.insync.replicas") == 1]
    if unsure:
        yield warning(
            "copies",
            f"min.insync.replicas=1 of {', '.join(unsure)}: what was written may be lost with one"
            " broker",
            Fault.TOPIC,
            "kafka-configs --alter --topic ... --add-config min.insync.replicas=2",
        )


def _compacted_late(check: str, fact: TopicFacts) -> Iterator[Finding]:
    """Say whether old rows stay, which every restart would read."""
    limits = {"segment.ms": SEGMENT_MS_MAX, "max.compaction.lag.ms": COMPACTION_LAG_MS_MAX}
    late = [
        f"{knob}={found}"
        for knob, limit in limits.items()
        if (found := fact.number(knob)) is not None and found > limit
    ]
    if late:
        yield warning(
            check,
            f"{' and '.join(late)}: old rows stay for long, and each restart reads them",
            Fault.TOPIC,
            f"kafka-configs --alter --topic {fact.name} --add-config"
            " segment.ms=600000,max.compaction.lag.ms=3600000",
        )


def _words(fact: TopicFacts) -> str:
    config = fact.config
    kept = config.get("cleanup.policy", "?")
    return f"{fact.partitions} partitions, {fact.copies} copies, cleanup.policy={kept}"
