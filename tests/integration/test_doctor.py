"""The doctor on a real broker: each thing that would stop a worker is named, with what to do."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.protocol.admin import CreateAclsRequest
from worker_process import PARTITIONS, TOPICS, create, producer, read_all, until, worker

from stream.broker import LocalBroker
from stream.broker.local import HOST, _free_port
from stream.doctor.examine import examine
from stream.doctor.findings import Finding, Verdict, worst
from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import Fatal
from stream.settings import Settings, load
from stream.worker.connection import connection
from stream.worker.topics import ensure

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

# What stands for access control lists in Kafka's protocol.
TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
READ, WRITE, DESCRIBE_CONFIGS = 3, 4, 10
LITERAL, ALLOW = 3, 3
US, SOMEBODY_ELSE = "User:ANONYMOUS", "User:bob"


@pytest.fixture
def names(topic_names: Callable[[str], str]) -> dict[str, str]:
    """Return this test's own topics."""
    return {name: topic_names(name) for name in TOPICS}


@pytest.fixture
def settings(broker: LocalBroker, names: Mapping[str, str], unique: str) -> Settings:
    """Return the settings of a worker that reads a keyed topic."""
    return settings_of(broker.bootstrap, names, unique)


def settings_of(bootstrap: str, names: Mapping[str, str], app: str, **more: Any) -> Settings:
    """Return the settings of a worker over these topics."""
    return load(
        {
            "bootstrap_servers": bootstrap,
            "app_id": app,
            "partitions": PARTITIONS,
            "topics": {**names, **more.pop("topics", {})},
            **more,
        }
    )


@asynccontextmanager
async def administering(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a client that may change the broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make(bootstrap: str, name: str, partitions: int, **config: str) -> None:
    """Make a topic, as somebody else would have."""
    knobs = {knob.replace("_", "."): value for knob, value in config.items()}
    async with administering(bootstrap) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=knobs)])
    await wait_for_broker(Connection(bootstrap=bootstrap), [name])


def bad(findings: list[Finding]) -> list[Finding]:
    """Return what failed; each must say whose it is and what to do."""
    failed = [finding for finding in findings if finding.verdict is Verdict.FAILURE]
    assert all(finding.fault and finding.action for finding in failed), failed
    return failed


def of(findings: list[Finding], check: str) -> list[Finding]:
    """Return what was found by one check."""
    return [finding for finding in findings if finding.check == check]


async def test_before_the_first_worker_all_is_well_and_stays_as_it_is(settings: Settings) -> None:
    """The topics are still to be made; asking whether they can be does not make them."""
    findings = await examine(settings)
    assert bad(findings) == []
    said = of(findings, f"topic {settings.topics.state}")[0].reason
    assert said == f"not there; a worker creates it, {PARTITIONS} partitions"
    async with administering(settings.bootstrap_servers) as admin:
        there = await admin.list_topics()
    assert not {getattr(settings.topics, name) for name in TOPICS} & set(there)


async def test_topics_are_created_when_asked_for_and_nothing_readable_is_left(
    broker: LocalBroker, settings: Settings, names: dict[str, str]
) -> None:
    """What was tried is aborted: even who reads uncommitted records sees none in a shared topic."""
    findings = await examine(settings, create_topics=True)
    assert bad(findings) == []
    (found,) = of(findings, "transaction")
    assert "a transaction takes" in found.reason
    (clock,) = of(findings, "clock")
    assert clock.verdict is Verdict.OK
    assert "agree within" in clock.reason
    for name in ("usage", "alerts", "state", "dead_letters"):
        assert await read_all(broker, names[name]) == []
    assert await uncommitted(broker, names["alerts"]) == []
    assert {record.value for record in await uncommitted(broker, names["state"])} == {None}


async def uncommitted(broker: LocalBroker, topic: str) -> list[Any]:
    """Return every record of partition 0, whatever became of its transaction."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        assert end > 0, "not even the marker of an aborted transaction"
        records: list[Any] = []
        while await consumer.position(tp) < end:
            records += (await consumer.getmany(tp, timeout_ms=200)).get(tp, [])
        return records
    finally:
        await consumer.stop()


async def test_a_broker_that_is_away_is_the_one_finding(names: dict[str, str]) -> None:
    """Nothing else can be known then; and it is said once, and not by aiokafka's log as well."""
    nowhere = f"{HOST}:{_free_port()}"
    findings = await examine(settings_of(nowhere, names, "app"))
    (failed,) = bad(findings)
    assert nowhere in failed.reason
    assert "bootstrap_servers" in failed.action
    assert [finding.check for finding in findings] == ["policy", "broker"]
    assert logging.getLogger("aiokafka").level != logging.CRITICAL


async def test_topics_that_will_not_do_are_all_named_at_once(
    broker: LocalBroker, settings: Settings
) -> None:
    """Whoever deploys wants to put everything right in one go; a worker refuses them, too."""
    topics = settings.topics
    tiny = {"max_message_bytes": "1000"}
    await make(broker.bootstrap, topics.usage, PARTITIONS + 2, cleanup_policy="compact")
    await make(broker.bootstrap, topics.state, PARTITIONS, cleanup_policy="delete")
    await make(broker.bootstrap, topics.alerts, PARTITIONS, cleanup_policy="compact", **tiny)
    await make(broker.bootstrap, topics.examples, 2)
    with_sources = settings.model_copy(
        update={"topics": topics.model_copy(update={"sources": ("no.such.topic",)})}
    )
    failed = {(finding.check, finding.reason) for finding in bad(await examine(with_sources))}

    def named(topic: str, words: str) -> bool:
        return any(check == f"topic {topic}" and words in reason for check, reason in failed)

    assert named(topics.usage, "keeps the last record of a key")
    assert named(topics.state, f"what it speaks of has {PARTITIONS + 2}")
    assert named(topics.state, "would forget customers")
    assert named(topics.alerts, "keeps the last record of a key")
    assert named(topics.alerts, "less than the batches")
    assert named(topics.examples, "needs exactly 1")
    assert named("no.such.topic", "a worker would wait for it")
    with pytest.raises(Fatal, match=f"{topics.examples} has 2 partitions") as refused:
        await ensure(settings, connection(settings))
    assert f"{topics.state} has cleanup.policy=delete and would forget" in refused.value.reason


async def test_retention_that_overtakes_the_reader_is_warned_of(
    broker: LocalBroker, settings: Settings
) -> None:
    """Kafka goes by the records' own times: last year's events would go as they come."""
    usage = settings.topics.usage
    # Kafka deletes whole segments, once their latest record is old: both are to lie in one.
    await make(
        broker.bootstrap,
        usage,
        PARTITIONS,
        retention_ms=str(14 * 86_400_000),
        segment_ms=str(2**62),
    )
    await examine(settings, create_topics=True)
    async with producer(broker) as sender:
        await sender.send_and_wait(usage, b"old", partition=0, timestamp_ms=1_700_000_000_000)
        await sender.send_and_wait(usage, b"new", partition=0)
    (found,) = of(await examine(settings), f"retention {usage}")
    assert found.verdict is Verdict.WARNING
    assert found.reason.startswith("1 records that are still to be read are older than")
    assert "retention.ms=-1" in found.action


async def test_what_was_saved_is_rehearsed_as_a_worker_would_take_it(
    broker: LocalBroker, names: dict[str, str], topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """A name in use, events deleted before they were read, state of a later release."""
    raw = topic_names("raw")
    await create(broker, raw, {})
    more = {"topics": {"sources": raw}, "model": "pinned", "clock": "event"}
    asked = settings_of(broker.bootstrap, names, names["usage"], **more)

    async def send(count: int) -> None:
        async with producer(broker) as sender:
            for day in range(1, count + 1):
                said = b'{"type":"track","userId":"ann","event":"e","timestamp":"2026-01-0%d"}'
                await sender.send_and_wait(raw, said % day)

    with worker(broker, names, raw, tmp_path) as process:
        await process.ready()
        await send(3)
        await until(lambda: process.count("events_total", names["usage"]) == 3)
        findings = await examine(asked)
        assert bad(findings) == []
        (found,) = of(findings, "group")
        assert found.verdict is Verdict.WARNING
        assert f"{asked.member()} is in use" in found.reason
        assert process.stop() == 0

    findings = await examine(asked)
    assert bad(findings) == []
    (place,) = of(findings, f"position {raw}")
    assert place.reason == "saved of 1 of 1 partitions, with 0 rows; 0 offsets to go"
    (usage,) = of(findings, f"position {names['usage']}")
    assert "with 1 rows" in usage.reason

    await send(5)
    async with administering(broker.bootstrap) as admin:
        await admin.delete_records({TopicPartition(raw, 0): RecordsToDelete(7)})
    async with producer(broker) as sender:
        await sender.send_and_wait(names["state"], b"\x09new", key=b"ann", partition=0)
    failed = bad(await examine(asked))
    (lost,) = of(failed, f"position {raw}")
    assert "is below the log's start 7: up to 4 records were deleted" in lost.reason
    assert "new app id" in lost.action
    (strange,) = of(failed, f"position {names['usage']}")
    assert "state of version 9" in strange.reason


# ---------------------------------------------------------------- a broker that refuses


@pytest.fixture(scope="module")
def strict() -> Iterator[LocalBroker]:
    """Return a broker with access control, a listener with passwords, and Kafka's own defaults."""
    ports = clients, controller, secured = [_free_port() for _ in range(3)]
    assert len(set(ports)) == 3
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    listeners = f"PLAINTEXT://{HOST}:{clients},SASL_PLAINTEXT://{HOST}:{secured}"
    with LocalBroker.start(
        port=clients,
        properties={
            "listeners": f"{listeners},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                f'{module} required user_ann="right";'
            ),
            "auto.create.topics.enable": "true",
            "slipaway.secured": f"{HOST}:{secured}",
        },
    ) as local:
        yield local


def secured(strict: LocalBroker) -> str:
    """Return where passwords are asked for."""
    lines = (strict.directory / "server.properties").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("slipaway.secured=")]
    return line.partition("=")[2]


async def allow(strict: LocalBroker, kind: int, name: str, who: str, *operations: int) -> None:
    """Allow these operations, and with that nobody any other."""
    async with administering(strict.bootstrap) as admin:
        for operation in operations:
            request = CreateAclsRequest(kind, name, LITERAL, who, "*", operation, ALLOW)
            answer = await admin._send_request(request)
            assert [code for code, _ in answer.creation_responses] == [0]


async def test_each_missing_permission_is_named_by_what_it_is_for(
    strict: LocalBroker, names: dict[str, str], unique: str
) -> None:
    """To read, to write, to be told, to join: and those that are there are not doubted."""
    settings = settings_of(strict.bootstrap, names, unique)
    assert bad(await examine(settings, create_topics=True)) == []
    topics = settings.topics
    await allow(strict, TOPIC, topics.alerts, US, READ, DESCRIBE_CONFIGS)
    await allow(strict, TOPIC, topics.usage, US, WRITE, DESCRIBE_CONFIGS)
    await allow(strict, TOPIC, topics.model, SOMEBODY_ELSE, READ)
    await allow(strict, GROUP, unique, SOMEBODY_ELSE, READ)
    failed = bad(await examine(settings))
    assert {(finding.check, finding.action) for finding in failed} == {
        (f"topic {topics.alerts}", "allow WRITE on it"),
        (f"topic {topics.usage}", "allow READ on it"),
        (f"topic {topics.model}", "allow DESCRIBE_CONFIGS and READ and WRITE on it"),
        ("group", f"allow READ on group {unique}"),
    }


async def test_a_transactional_id_that_may_not_be_used_is_named(
    strict: LocalBroker, names: dict[str, str], unique: str
) -> None:
    """The permission that is forgotten first: everything else works without it."""
    await allow(strict, TRANSACTIONAL_ID, f"{unique}-doctor", SOMEBODY_ELSE, WRITE)
    (failed,) = bad(await examine(settings_of(strict.bootstrap, names, unique)))
    assert failed.check == "transaction"
    assert f"under the id {unique}-doctor" in failed.reason


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_credentials_are_accepted_or_named(
    strict: LocalBroker, names: dict[str, str], unique: str, password: str
) -> None:
    """A broker that refuses us must not pass for one that is away."""
    security = {
        "protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "ann",
        "sasl_password": password,
    }
    findings = await examine(settings_of(secured(strict), names, unique, security=security))
    if password == "right":  # noqa: S105
        assert worst(findings) is not Verdict.FAILURE
        return
    (failed,) = bad(findings)
    assert "answers, and refuses us" in failed.reason
    assert "password" in failed.action


async def test_a_worker_that_is_refused_does_not_wait_for_ever(strict: LocalBroker) -> None:
    """It said "broker away" again and again, and nobody looked at the password."""
    connection = Connection(
        bootstrap=secured(strict),
        security_protocol="SASL_PLAINTEXT",
        username="ann",
        password="wrong",  # noqa: S106
    )
    with pytest.raises(Fatal, match="correct the credentials"):
        await asyncio.wait_for(wait_for_broker(connection), 60)


async def test_waiting_for_a_topic_does_not_make_it(strict: LocalBroker, unique: str) -> None:
    """Kafka makes topics on first use by default; a misspelt source would be one."""
    connection = Connection(bootstrap=strict.bootstrap)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait_for_broker(connection, [unique]), 2)
    async with administering(strict.bootstrap) as admin:
        assert unique not in await admin.list_topics()
