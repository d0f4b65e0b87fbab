"""Examine: every check, in the order in which one needs what another found out.

What cannot be examined is a finding too, and keeps nobody else from being
examined, except a broker that does not answer: nothing else can be known then.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.detector.policy import Policy
from stream.doctor import (
    broker,
    clock,
    group,
    letters,
    model,
    positions,
    reading,
    retention,
    topics,
    transaction,
)
from stream.doctor.findings import Fault, Finding, failure, ok, quoted
from stream.engine.connection import Connection, knock, patient
from stream.engine.exits import Fatal
from stream.settings import Settings
from stream.wire.policy_file import PolicyErrors, PolicyFile
from stream.worker import permissions
from stream.worker.app import Worker, read_policy
from stream.worker.connection import connection, engine_settings
from stream.worker.permissions import Role
from stream.worker.topics import ensure, specs, state_of_source

T = TypeVar("T")
CHECK_SECONDS_MAX = 60.0  # of one check; a large state is read at 300,000 rows a second
STATE_SECONDS_MAX = 600.0


async def examine(settings: Settings, *, create_topics: bool = False) -> list[Finding]:
    """Return what was found; nothing is changed but by `create_topics`."""
    examination = Examination(settings)
    # What aiokafka would say of a broker that is away, the findings say better.
    talk = logging.getLogger("aiokafka")
    level = talk.level
    talk.setLevel(logging.CRITICAL)
    try:
        await examination.run(create_topics=create_topics)
    finally:
        talk.setLevel(level)
    return examination.findings


class Examination:
    """One run over all checks."""

    def __init__(self, settings: Settings) -> None:
        """Begin with nothing found."""
        self.settings = settings
        self.engine = engine_settings(settings)
        self.findings: list[Finding] = []

    async def run(self, *, create_topics: bool) -> None:
        """Check everything."""
        product = self._policy()
        try:
            place = connection(self.settings)
        except OSError as error:  # certificates that cannot be used
            self.findings.append(
                failure(
                    "security",
                    f"the certificates cannot be used: {error}",
                    Fault.CREDENTIALS,
                    "correct security.ca_file, cert_file and key_file",
                )
            )
            return
        answers = await knock(place)
        self.findings += broker.judge_knocks(answers)
        if all(answer is not None for answer in answers.values()):
            return
        if create_topics:
            await self._create(place)
        async with _admin(place) as admin:
            await self._examine(admin, place, product)

    def _policy(self) -> PolicyFile:
        """Read the policy; what is wrong with it is found, and the built-in one stands in."""
        settings = self.settings
        try:
            product = read_policy(settings)
        except PolicyErrors as error:
            self.findings.append(
                failure("policy", str(error), Fault.POLICY, "correct it; `slipaway validate` helps")
            )
            return PolicyFile(policy=Policy())
        name = settings.policy or "the built-in one"
        self.findings.append(ok("policy", f"{name}, version {product.policy.version}"))
        return product

    async def _create(self, place: Connection) -> None:
        """Create what is missing, as a worker does."""
        try:
            await ensure(self.settings, place, wait=False)
        except Fatal as error:
            self.findings.append(quoted("topics", error.reason, Fault.TOPIC))

    async def _examine(
        self, admin: AIOKafkaAdminClient, place: Connection, product: PolicyFile
    ) -> None:
        settings, engine = self.settings, self.engine
        names = settings.topics
        who = await self._ask("broker", lambda: broker.ask(admin))
        if who is not None:
            self.findings += broker.judge(who)

        accounts = product.policy.accounts.enabled
        needed = permissions.needed(Role.WORKER, settings, accounts=accounts)
        facts = await self._topics(admin, permissions.by_topic(needed))
        if facts is None:
            return
        counts = {name: fact.partitions for name, fact in facts.items() if fact.partitions}

        def topics_to(operation: str) -> set[str]:
            allowed = permissions.by_topic(needed).items()
            return {name for name, operations in allowed if operation in operations} & counts.keys()

        worker = Worker(settings, product)
        flows = worker.flows()
        sources = {flow.source for flow in flows}
        unreadable = await self._ask("reading", lambda: reading.ask(admin, topics_to("READ")))
        self.findings += reading.judge(unreadable or {})

        state = names.state if names.state in counts else None
        tried = await self._ask(
            "transaction",
            lambda: transaction.ask(
                place, engine, f"{settings.app_id}-doctor", state, topics_to("WRITE")
            ),
        )
        if tried is not None:
            self.findings += transaction.judge(tried, engine)
            if not tried.refused:
                self.findings += clock.judge(tried.clocks, product.policy.max_future_skew_ms)

        members = await self._ask("group", lambda: group.ask(admin, settings.app_id))
        if members is not None:
            mine = {name: count for name, count in counts.items() if name in sources}
            member = settings.member(accounts=accounts)
            self.findings += group.judge(members, member, mine)

        self.findings += await self._put_aside(place, counts)
        if unreadable:
            return  # what was saved cannot be told
        rehearsed = await self._ask(
            "positions", lambda: self._rehearse(place, worker, counts), STATE_SECONDS_MAX
        )
        if not rehearsed:
            return
        self.findings += positions.judge(rehearsed)
        self.findings += model.judge(settings, _newest(worker), _now_ms())
        unread = await self._ask(
            "retention", lambda: retention.ask(place, engine, rehearsed, facts, _now_ms())
        )
        for name, what in (unread or {}).items():
            self.findings += retention.judge(facts[name], what)

    async def _put_aside(self, place: Connection, counts: dict[str, int]) -> Iterable[Finding]:
        """Look at the latest dead letters, if there is a topic for them."""
        topic = self.settings.topics.dead_letters
        if topic not in counts:
            return ()
        found = await self._ask(
            letters.CHECK,
            lambda: letters.ask(place, self.engine, topic, counts[topic], _now_ms()),
        )
        return () if found is None else letters.judge(found)

    async def _topics(
        self, admin: AIOKafkaAdminClient, operations: dict[str, list[str]]
    ) -> dict[str, topics.TopicFacts] | None:
        """Examine the topics, on each of which these operations have to be allowed."""
        settings = self.settings
        sources = settings.topics.sources
        places = [state_of_source(settings.topics, source) for source in sources]
        names = [*sources, *places, *(spec.name for spec in specs(settings, {}))]
        facts = await self._ask("topics", lambda: topics.ask(admin, names))
        if facts is None:
            return None
        counts = {name: fact.partitions for name, fact in facts.items() if fact.partitions}
        wanted = specs(settings, counts)
        missing = [
            spec
            for spec in wanted
            if not facts[spec.name].partitions and not facts[spec.name].forbidden
        ]
        refused = await self._ask(
            "topics", lambda: topics.ask_whether_creatable(admin, missing, settings.replication)
        )
        known = {spec.name for spec in wanted} | set(settings.topics.sources)
        shown = {name: facts[name] for name in names if name in known}
        self.findings += topics.judge(
            settings, self.engine, wanted, shown, refused or {}, operations=operations
        )
        return facts

    async def _rehearse(
        self, place: Connection, worker: Worker, counts: dict[str, int]
    ) -> list[positions.PartitionFacts]:
        """Let the parts of a worker load what was saved."""
        names = self.settings.topics
        worker.usage_partitions = counts.get(names.usage, self.settings.partitions)
        worker.account_partitions = counts.get(names.members, self.settings.partitions)
        worker.origins = sum(counts.get(source, 0) for source in names.sources)
        if names.model in counts:
            await worker.reader.read_to_end()
        return await positions.ask(place, self.engine, worker.flows(), counts)

    async def _ask(
        self, check: str, asking: Callable[[], Awaitable[T]], seconds: float = CHECK_SECONDS_MAX
    ) -> T | None:
        """Return what was asked for; what keeps it from being known is found instead."""
        try:
            return await asyncio.wait_for(patient(asking), seconds)
        except Fatal as error:
            self.findings.append(quoted(check, error.reason, Fault.BROKER))
        except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:
            words = str(error) or type(error).__name__
            self.findings.append(
                failure(
                    check,
                    f"could not be examined: {words}",
                    Fault.BROKER,
                    "try again; if it stays so, see the brokers' logs",
                )
            )
        return None


def _newest(worker: Worker) -> model.Newest | None:
    """Return the latest model that a worker has read."""
    known = list(worker.models.after(0))
    return model.Newest(known[-1].version, known[-1].effective_from) if known else None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def _admin(place: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**place.client(), request_timeout_ms=10_000)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
