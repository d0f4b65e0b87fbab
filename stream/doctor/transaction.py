"""Transaction: whether one can be made, of what, how long it takes; and the broker's clock.

Shown by doing it, and undone: the transaction is aborted, and holds but one
record, a tombstone in our own state topic, which no reader of committed records
ever sees.  Every other topic is only named to the coordinator, which needs the
permission to write and writes nothing.  When the coordinator says that the
transaction began is the one time of its own that a broker tells.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    KafkaError,
    NoError,
    OperationNotAttempted,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest

from stream.doctor.findings import Fault, Finding, failure, ok, warning
from stream.engine.connection import Connection
from stream.engine.protocol import DescribeTransaction
from stream.engine.settings import EngineSettings

CHECK = "transaction"
SECONDS_MAX = 1.0
_KEY = b"\x00doctor\x00"
_TIMEOUT_MS = 5_000  # readers of the topics named wait so long, should we die in between
_SETTLING_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two clocks, read as close together as the network allows; milliseconds since 1970."""

    before: int
    """Ours, before the broker read its own."""
    broker: int
    after: int
    """Ours, after it."""

    @property
    def apart_ms(self) -> int:
        """How far the broker's is ahead of ours, at least; negative: behind."""
        return min(self.broker - self.before, 0) or max(self.broker - self.after, 0)


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """What came of trying."""

    name: str
    """The transactional id."""
    refused: str = ""
    """Why no transaction can be made at all."""
    forbidden: bool = False
    """It is for want of a permission."""
    unwritable: Mapping[str, str] = field(default_factory=dict)
    """Topics that may not be written, and why."""
    failed: str = ""
    """Why the record could not be written."""
    seconds: float | None = None
    """From begin to end, of one that wrote a record; None where none could."""
    clocks: Clocks | None = None


async def ask(
    connection: Connection,
    engine: EngineSettings,
    name: str,
    state: str | None,
    written: Collection[str],
) -> TransactionFacts:
    """Make two transactions and abort them.

    `written` are the topics that exist and have to be written; `state` is the
    one that takes a record, None where it is not there yet.
    """
    producer = AIOKafkaProducer(
        **connection.client(),
        transactional_id=name,
        transaction_timeout_ms=_TIMEOUT_MS,
        request_timeout_ms=int(engine.producer_request_seconds * 1000),
        compression_type="lz4",
        linger_ms=0,
    )
    try:
        try:
            await asyncio.wait_for(producer.start(), engine.deadline_seconds)
        except (KafkaError, OSError, TimeoutError) as error:
            forbidden = isinstance(error, TransactionalIdAuthorizationFailed)
            words = repr(error) if str(error) else f"no answer in {engine.deadline_seconds:.0f} s"
            return TransactionFacts(name, refused=words, forbidden=forbidden)
        return await _try(producer, name, state, written)
    finally:
        await producer.stop()


async def _try(
    producer: AIOKafkaProducer, name: str, state: str | None, written: Collection[str]
) -> TransactionFacts:
    before = _now_ms()
    await producer.begin_transaction()
    unwritable = await _add(producer, name, written)
    failed = await _write(producer, None if state in unwritable else state)
    after = _now_ms()
    broker = await _began(producer, name)
    await producer.abort_transaction()

    seconds = None
    if state is not None and not failed and state not in unwritable:
        began = time.perf_counter()
        await producer.begin_transaction()
        failed = await _write(producer, state)
        await producer.abort_transaction()
        seconds = time.perf_counter() - began
    return TransactionFacts(
        name,
        unwritable=unwritable,
        failed=failed,
        seconds=None if failed else seconds,
        clocks=None if broker is None else Clocks(before, broker, after),
    )


async def _add(producer: AIOKafkaProducer, name: str, topics: Collection[str]) -> dict[str, str]:
    """Name topics to the coordinator as written to; return which it refused, and why."""
    manager = producer._txn_manager  # noqa: SLF001 - aiokafka names a topic only as it writes
    request = AddPartitionsToTxnRequest(
        name,
        manager.producer_id,
        manager.producer_epoch,
        [(topic, [0]) for topic in sorted(topics)],
    )
    client, errors = producer.client, {}
    node = await client.coordinator_lookup(CoordinationType.TRANSACTION, name)
    while topics:
        answer = await client.send(node, request, group=ConnectionGroup.COORDINATION)
        errors = {topic: for_code(found[0][1]) for topic, found in answer.errors}
        if ConcurrentTransactions not in errors.values():  # the one before is still being ended
            break
        await asyncio.sleep(_SETTLING_SECONDS)
    # One that is refused keeps the rest from being tried, and says nothing against them.
    fine = {NoError, OperationNotAttempted}
    refused = {topic: error.__name__ for topic, error in errors.items() if error not in fine}
    if not refused:
        for topic in errors:
            manager._txn_partitions.add((topic, 0))  # noqa: SLF001 - or the abort would be skipped
    return refused


async def _write(producer: AIOKafkaProducer, state: str | None) -> str:
    """Write a record that will never be seen; return why it could not be."""
    if state is None:
        return ""
    try:
        await producer.send_and_wait(state, key=_KEY, value=None, partition=0)
    except KafkaError as error:
        return repr(error)
    return ""


async def _began(producer: AIOKafkaProducer, name: str) -> int | None:
    """Ask when the transaction began by the coordinator's clock; None if it cannot tell."""
    client = producer.client
    node = await client.coordinator_lookup(CoordinationType.TRANSACTION, name)
    try:
        answer = await client.send(node, DescribeTransaction(name))
    except NotImplementedError:
        return None  # brokers before 3.0
    began: int = answer.to_object()["transaction_states"][0]["transaction_start_time_ms"]
    return began if began > 0 else None


def judge(facts: TransactionFacts, engine: EngineSettings) -> Iterator[Finding]:
    """Say whether a worker could make its transactions."""
    if facts.forbidden:
        yield failure(
            CHECK,
            f"no transaction may be made under the id {facts.name}",
            Fault.PERMISSION,
            "allow WRITE and DESCRIBE on all transactional ids that begin with the app_id",
        )
        return
    if facts.refused:
        yield failure(
            CHECK,
            f"no transaction can be made: {facts.refused}",
            Fault.BROKER,
            "see whether transaction.state.log.replication.factor and .min.isr ask for more"
            " brokers than there are",
        )
        return
    for topic, why in sorted(facts.unwritable.items()):
        yield failure(
            f"topic {topic}",
            f"it may not be written: {why}",
            Fault.PERMISSION,
            "allow WRITE on it",
        )
    if facts.failed:
        yield failure(
            CHECK,
            f"a record could not be written: {facts.failed}",
            Fault.BROKER,
            "see the brokers' logs: their disks, and min.insync.replicas",
        )
    elif facts.seconds is None:
        yield ok(CHECK, f"allowed under {facts.name}; none was timed, as no record could be tried")
    else:
        yield from _judge_time(facts, engine)


def _judge_time(facts: TransactionFacts, engine: EngineSettings) -> Iterator[Finding]:
    assert facts.seconds is not None
    took = f"a transaction takes {facts.seconds * 1000:.0f} ms"
    if facts.seconds > engine.deadline_seconds:
        yield failure(
            CHECK,
            f"{took}, and a worker gives up after {engine.deadline_seconds:.0f} s",
            Fault.BROKER,
            "find out why the brokers are slow, or raise checkpoint_timeout_seconds",
        )
    elif facts.seconds > SECONDS_MAX:
        yield warning(
            CHECK,
            f"{took}: every alert comes that much later",
            Fault.BROKER,
            "find out why the brokers are slow, or run the worker closer to them",
        )
    else:
        yield ok(CHECK, f"{took}; tried under {facts.name}, and aborted")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
