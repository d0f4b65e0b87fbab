"""Permissions: the least that each of our roles needs on the brokers, in one place.

Kafka's own rules spare some lines: whoever may read or write a thing may also be
told about it (DESCRIBE), and whoever may write to any topic may write
idempotently (from 2.8 on; before that, add IDEMPOTENT_WRITE on the cluster).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from shlex import join

from stream.settings import Settings
from stream.worker.topics import specs, state_of_source


class Role(StrEnum):
    """Who connects, and for what."""

    WORKER = "worker"
    """`run`, and `doctor` with the same settings."""
    DELIVER = "deliver"
    """`deliver`."""
    READER = "reader"
    """`tap` and `worklist`; a consumer with a group needs READ on that group, too."""
    CONSOLE = "console"
    """`console`."""
    SENDER = "sender"
    """Whoever sends events."""
    OPERATOR = "operator"
    """`topics create`, `erase`, `model publish`, `replay` with topics, `dlq`, `diff`,
    `explain`, `top`."""


class Kind(StrEnum):
    """What a permission is about."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One permission, in the words of Kafka's own tools."""

    kind: Kind
    name: str
    operation: str
    """As `kafka-acls --operation` has it."""
    prefixed: bool = False
    """The name is but the beginning of a name."""

    def __str__(self) -> str:
        """Say it in a sentence."""
        whole = "s that begin with" if self.prefixed else ""
        name = "" if self.kind is Kind.CLUSTER else f" {self.name}"
        return f"{self.operation} on {self.kind}{whole}{name}"


CLUSTER = "kafka-cluster"  # the name of the only one


def needed(role: Role, settings: Settings, *, accounts: bool) -> list[Permission]:
    """List what a role needs with these settings; `accounts`: the policy looks at accounts."""
    rules = {
        Role.WORKER: _worker,
        Role.DELIVER: _deliver,
        Role.READER: _reader,
        Role.CONSOLE: _console,
        Role.SENDER: _sender,
        Role.OPERATOR: _operator,
    }
    return sorted(set(rules[role](settings, accounts)))


def by_topic(permissions: list[Permission]) -> dict[str, list[str]]:
    """Say which operations are needed on which topic."""
    found: dict[str, list[str]] = {}
    for one in permissions:
        if one.kind is Kind.TOPIC:
            found.setdefault(one.name, []).append(one.operation)
    return found


def commands(principal: str, bootstrap: str, permissions: list[Permission]) -> Iterator[str]:
    """Say permissions as kafka-acls commands, one for each thing they are about."""
    things: dict[tuple[Kind, str, bool], list[str]] = {}
    for one in permissions:
        things.setdefault((one.kind, one.name, one.prefixed), []).append(one.operation)
    for (kind, name, prefixed), operations in things.items():
        said = ["kafka-acls", "--bootstrap-server", bootstrap, "--add"]
        said += ["--allow-principal", principal]
        said += [word for operation in operations for word in ("--operation", operation)]
        said += [f"--{kind}"] if kind is Kind.CLUSTER else [f"--{kind}", name]
        said += ["--resource-pattern-type", "prefixed"] * prefixed
        yield join(said)


def _worker(settings: Settings, accounts: bool) -> Iterator[Permission]:  # noqa: FBT001
    topics, app = settings.topics, settings.app_id
    learns = settings.model == "learn"
    places = [state_of_source(topics, source) for source in topics.sources]
    kept = [topics.state, *places]
    # `doctor` reads dead letters, to say what most of them are.
    read = [*topics.sources, topics.usage, topics.model, topics.dead_letters, *kept]
    written = [topics.alerts, topics.holdout, topics.customers, topics.dead_letters, *kept]
    written += [topics.retention]
    written += [topics.usage] * bool(topics.sources)
    if learns:
        read += [topics.examples, topics.trainer_state]
        written += [topics.examples, topics.trainer_state, topics.model]
    if accounts:
        read += [topics.members, topics.accounts_state]
        written += [topics.members, topics.accounts_state, topics.accounts]
        written += [topics.account_alerts, topics.account_holdout]
    yield from _on_topics("READ", read)
    yield from _on_topics("WRITE", written)
    # It looks whether all that it would make is there, and that nothing forgets.
    made = specs(settings, dict.fromkeys(topics.sources, 1))
    yield from _on_topics("DESCRIBE", {spec.name for spec in made} - {*read, *written})
    # `run` looks at what is compacted, `doctor` at the rest.
    yield from _on_topics("DESCRIBE_CONFIGS", [*topics.sources, *(spec.name for spec in made)])
    yield Permission(Kind.GROUP, app, "READ")
    yield Permission(Kind.TRANSACTIONAL_ID, f"{app}-", "WRITE", prefixed=True)


def _deliver(settings: Settings, accounts: bool) -> Iterator[Permission]:  # noqa: FBT001
    topics = settings.topics
    yield from _reader_of_alerts(settings, accounts)
    yield from _on_topics("READ", [topics.endpoints])
    yield from _on_topics("WRITE", [topics.endpoints, topics.dead_letters])
    yield from _on_topics("DESCRIBE_CONFIGS", [topics.endpoints])
    yield Permission(Kind.GROUP, f"{settings.app_id}.deliver.", "READ", prefixed=True)


def _reader(settings: Settings, accounts: bool) -> Iterator[Permission]:  # noqa: FBT001
    yield from _reader_of_alerts(settings, accounts)
    topics = settings.topics
    yield from _on_topics("READ", [topics.customers, *[topics.accounts] * accounts])


def _console(settings: Settings, accounts: bool) -> Iterator[Permission]:  # noqa: ARG001, FBT001
    topics = settings.topics
    shown = [topics.customers, topics.accounts, topics.model, topics.retention]
    # Of the holdout it shows what became of all; of whom one asks for, the past and the standing.
    shown += [topics.alerts, topics.holdout, topics.usage, topics.state, topics.dead_letters]
    yield from _on_topics("READ", shown)
    # How far the workers are, and who they are, the brokers know.
    yield from _on_topics("DESCRIBE", topics.sources)
    yield Permission(Kind.GROUP, settings.app_id, "DESCRIBE")


def _reader_of_alerts(settings: Settings, accounts: bool) -> Iterator[Permission]:  # noqa: FBT001
    topics = settings.topics
    yield from _on_topics("READ", [topics.alerts, *[topics.account_alerts] * accounts])


def _sender(settings: Settings, accounts: bool) -> Iterator[Permission]:  # noqa: ARG001, FBT001
    topics = settings.topics
    yield from _on_topics("WRITE", topics.sources or (topics.usage,))


def _operator(settings: Settings, accounts: bool) -> Iterator[Permission]:  # noqa: ARG001, FBT001
    topics = settings.topics
    made = [spec.name for spec in specs(settings, dict.fromkeys(topics.sources, 1))]
    erased = [topics.state, topics.customers, topics.alerts, topics.holdout]
    # Dead letters are marked where they are, and sent to where they came from.
    written = [topics.usage, topics.model, topics.dead_letters, *topics.sources]
    read = [*erased, *written, topics.account_alerts]
    yield from _on_topics("CREATE", made)
    yield from _on_topics("DESCRIBE", {*made} - {*read})
    yield from _on_topics("DESCRIBE_CONFIGS", [*made, *topics.sources])
    yield from _on_topics("READ", read)
    yield from _on_topics("WRITE", written)
    yield Permission(Kind.GROUP, settings.app_id, "DESCRIBE")
    yield Permission(Kind.TRANSACTIONAL_ID, f"{settings.app_id}-dlq-replay", "WRITE")
    if not settings.replication:  # as many copies as the brokers' own default says
        yield Permission(Kind.CLUSTER, CLUSTER, "DESCRIBE_CONFIGS")


def _on_topics(operation: str, names: Iterable[str]) -> Iterator[Permission]:
    for name in names:
        yield Permission(Kind.TOPIC, name, operation)
