"""Replaying: dead letters sent to where they came from, each once, whatever dies on the way.

A letter and the mark that it was sent are one Kafka transaction.  The producer's
transactional id is the application's, so whoever starts to replay ends whoever is
at it, and only then reads which letters are marked: two people who repair the same
thing at night send nothing twice, and a command that is killed is just run again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
)

from stream.dlq.letters import Letter, Mark, Place, Wanted, letters
from stream.dlq.trial import Fate, Trial, Verdict
from stream.engine import failpoints
from stream.engine.checkpoint import partition_for
from stream.engine.connection import Connection
from stream.engine.exits import Fatal, judge
from stream.engine.present import partition_count
from stream.settings import Settings
from stream.wire.dead_letters import replay_headers, replayed_mark
from stream.worker.connection import connection
from stream.worker.topics import knobs

TOGETHER = 500
"""Letters a transaction; more: fewer transactions, and more is repeated after a failure."""
TOGETHER_BYTES = 8 << 20
ENVELOPE_BYTES = 64 << 10
"""More than the headers of a letter and its record take."""
TRANSACTION_MS = 60_000
REFUSALS_MAX = 20
"""Letters that the broker does not take, before that is called a fault of the topic."""

_OF_ONE_RECORD = (InvalidTimestampError, MessageSizeTooLargeError, RecordTooLargeError)
"""What a broker says of a record, and not of us."""

_EVER_MS = 1 << 62

Told = Callable[[int], object]
"""Hears how many letters were sent."""


class Report(msgspec.Struct, kw_only=True):
    """What became of the letters that were asked for, or would become of them."""

    dry_run: bool
    letters: int = 0
    sent: int = 0
    """Or, in a dry run, how many would be."""
    fates: Counter[str] = msgspec.field(default_factory=Counter)
    """Letters by their fate: read, refused, replayed ..."""
    wrong: Counter[str] = msgspec.field(default_factory=Counter)
    """Those not sent by what is wrong with them today."""
    examples: dict[str, str] = msgspec.field(default_factory=dict)
    """Of each of these, the first: its place, and the reason in a sentence."""
    topics: Counter[str] = msgspec.field(default_factory=Counter)
    """Letters sent, by the topic they went to."""
    late: int = 0
    """Of those sent: with events longer ago than decisions wait for."""
    bundles: int = 0
    """Of those sent: of many events, some of which may have been used before."""
    restamped: int = 0
    """Of those sent: with the present time, since the topic would delete their own."""
    not_taken: dict[str, str] = msgspec.field(default_factory=dict)
    """What the broker refuses to take: place and its answer."""


class _Going(msgspec.Struct, frozen=True):
    """A letter on its way."""

    letter: Letter
    verdict: Verdict
    sent_at: int
    restamped: bool


class Replay:
    """One run over the letters."""

    def __init__(
        self,
        settings: Settings,
        wanted: Wanted,
        trial: Trial,
        *,
        now: int,
        limit: int | None,
        everything: bool,
        told: Told = lambda _: None,
    ) -> None:
        """Replay what is `wanted`, `limit` letters at most; `everything`: also what still fails."""
        self._settings = settings
        self._wanted = wanted
        self._trial = trial
        self._now = now
        self._limit = limit
        self._sends = {Fate.READ}
        if everything:
            self._sends |= {Fate.IGNORED, Fate.REFUSED, Fate.UNDECIDED, Fate.TRIED}
        self._told = told
        self._link = connection(settings)
        self._counts: dict[str, int] = {}
        self._kept_ms: dict[str, int] = {}
        self._sent: set[Place] = set()  # in this run
        self._stamping: set[str] = set()  # topics that say themselves when a record came

    async def look(self) -> Report:
        """Say what would become of the letters; send nothing."""
        report = Report(dry_run=True)
        async for going in self._going(report):
            _note_sent(report, going)
        return report

    async def send(self) -> Report:
        """Send them, and mark them as sent; raise `Fatal` where that ends before the end."""
        report = Report(dry_run=False)
        try:
            while not await self._send_all(report):
                # A refused record leaves a gap in the producer's numbers: begin with another,
                # and with the marks, for somebody else may have replayed in between.
                self._check_refusals(report)
                report = msgspec.structs.replace(
                    report, letters=0, fates=Counter(), wrong=Counter(), examples={}
                )
        except (KafkaError, OSError, TimeoutError) as error:
            reason = judge(error, "replaying").reason
            raise Fatal(
                f"{reason} {report.sent:,} letters were sent and are marked. Operator action: run"
                " it again: it reads which are marked, and goes on behind them."
            ) from error
        return report

    async def _send_all(self, report: Report) -> bool:
        """Do so; return whether the broker took all, but for what it is known not to take."""
        async with (
            _producer(self._settings, self._link) as producer,
            aclosing(self._going(report)) as all_going,
        ):
            together: list[_Going] = []
            size = 0
            async for going in all_going:
                together.append(going)
                size += len(going.letter.value or b"")
                if len(together) >= TOGETHER or size >= TOGETHER_BYTES:
                    if not await self._commit(producer, together, report):
                        return False
                    together, size = [], 0
            return await self._commit(producer, together, report)

    def _check_refusals(self, report: Report) -> None:
        if len(report.not_taken) > REFUSALS_MAX:
            place, answer = next(iter(report.not_taken.items()))
            raise Fatal(
                f"The broker refuses one letter after the other, such as {place}: {answer}."
                f" {report.sent:,} were sent and are marked. Operator action: let the topics they"
                " came from take them (max.message.bytes, message.timestamp.before.max.ms), then"
                " run it again."
            )

    async def _going(self, report: Report) -> AsyncGenerator[_Going, None]:
        """Give the letters to send, in order; count all the others."""
        topic, link = self._settings.topics.dead_letters, self._link
        await self._look_at_topics()
        marked = await _marked(letters(link, topic, since=self._wanted.since))
        count = 0
        async with aclosing(letters(link, topic, since=self._wanted.since)) as found:
            async for one in found:
                if isinstance(one, Mark) or not self._wanted(one):
                    continue
                going = self._judge(one, marked)
                _note(report, going, sends=going.verdict.fate in self._sends)
                if going.verdict.fate not in self._sends:
                    continue
                if one.place not in self._sent and str(one.place) not in report.not_taken:
                    yield going
                count += 1
                if count == self._limit:
                    return

    def _judge(self, letter: Letter, marked: set[Place]) -> _Going:
        """Say what would become of a letter, and with which time it would be sent."""
        topic = letter.reason.topic
        at = letter.written_at if letter.reason.timestamp is None else letter.reason.timestamp
        kept = self._kept_ms.get(topic, -1)
        # Half of it: the rest is the workers' time to read it.
        restamped = kept >= 0 and at < self._now - kept // 2
        sent_at = self._now if restamped or topic in self._stamping else max(0, at)
        if letter.place in marked and letter.place not in self._sent:
            return _Going(letter, Verdict(fate=Fate.REPLAYED), sent_at, restamped)
        return _Going(letter, self._trial.judge(letter, sent_at), sent_at, restamped)

    async def _look_at_topics(self) -> None:
        """Learn how many partitions the topics have, and how long they keep what is sent."""
        names = sources_of(self._settings)
        for name in names:
            self._counts[name] = await partition_count(self._link, name)
        admin = AIOKafkaAdminClient(**self._link.client(), request_timeout_ms=10_000)
        await admin.start()
        try:
            found = await knobs(admin, ConfigResourceType.TOPIC, names)
        finally:
            await admin.close()
        self._kept_ms = {name: _kept_ms(config) for name, config in found.items()}
        self._stamping = {
            name
            for name, config in found.items()
            if config.get("message.timestamp.type") == "LogAppendTime"
        }

    async def _commit(
        self, producer: AIOKafkaProducer, together: list[_Going], report: Report
    ) -> bool:
        """Send letters in one transaction, or none where some are refused; return which it was."""
        if not together:
            return True
        await producer.begin_transaction()
        try:
            sent: list[asyncio.Future[Any]] = []
            for going in together:
                records = [await self._send(producer, going), await self._mark(producer, going)]
                sent.append(asyncio.gather(*records))
            await asyncio.wait(sent)
            refused = _refused(together, sent)
        except BaseException:
            await producer.abort_transaction()
            raise
        if refused:
            await producer.abort_transaction()
            report.not_taken |= refused
            return False
        failpoints.reach("before_commit")
        await producer.commit_transaction()
        failpoints.reach("after_commit")
        for going in together:
            self._sent.add(going.letter.place)
            _note_sent(report, going)
        self._told(report.sent)
        return True

    async def _send(self, producer: AIOKafkaProducer, going: _Going) -> asyncio.Future[Any]:
        """Hand over a letter as it was, to where it came from, which is where its key lives."""
        letter, reason = going.letter, going.letter.reason
        count = self._counts[reason.topic]
        there = 0 <= reason.partition < count
        partition = reason.partition if there else partition_for(letter.key or b"", count)
        batch = producer.create_batch()  # takes records without key and value, too
        headers = replay_headers(reason, letter.headers, str(letter.place))
        batch.append(key=letter.key, value=letter.value, timestamp=going.sent_at, headers=headers)
        sent: asyncio.Future[Any] = await producer.send_batch(
            batch, reason.topic, partition=partition
        )
        return sent

    async def _mark(self, producer: AIOKafkaProducer, going: _Going) -> asyncio.Future[Any]:
        """Hand over the mark that a letter was sent."""
        place = going.letter.place
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=None, headers=replayed_mark(place.offset))
        topic = self._settings.topics.dead_letters
        sent: asyncio.Future[Any] = await producer.send_batch(
            batch, topic, partition=place.partition
        )
        return sent


def sources_of(settings: Settings) -> list[str]:
    """Name the topics that letters may be sent to: those that workers read customers' events of.

    A letter names the topic it came from, and whoever may write letters could name any.
    """
    return [*settings.topics.sources, settings.topics.usage]


async def _marked(found: AsyncIterator[Letter | Mark]) -> set[Place]:
    """Give the places of all letters that were sent again."""
    return {one.of async for one in found if isinstance(one, Mark)}


def _note(report: Report, going: _Going, *, sends: bool) -> None:
    """Count a letter by its fate; of one that is not sent, what is wrong with it."""
    verdict = going.verdict
    report.letters += 1
    report.fates[verdict.fate.value] += 1
    if verdict.code and not sends:
        report.wrong[verdict.code] += 1
        where = f"{going.letter.place}: {verdict.message}"
        report.examples.setdefault(verdict.code, where)


def _note_sent(report: Report, going: _Going) -> None:
    """Count a letter that was sent, or would be."""
    report.sent += 1
    report.topics[going.letter.reason.topic] += 1
    report.late += going.verdict.late
    report.bundles += going.verdict.bundle
    report.restamped += going.restamped


def _refused(together: list[_Going], sent: list[asyncio.Future[Any]]) -> dict[str, str]:
    """Give the places of the letters that the broker does not take; raise any other error."""
    errors = {
        str(going.letter.place): error
        for going, result in zip(together, sent, strict=False)
        if (error := result.exception()) is not None
    }
    refused = {place: repr(e) for place, e in errors.items() if isinstance(e, _OF_ONE_RECORD)}
    if errors and not refused:
        raise next(iter(errors.values()))
    return refused


def _kept_ms(config: Mapping[str, str]) -> int:
    """Say how old (ms) records may be for a topic to take and keep them; -1: as old as they like.

    Of what nobody tells us, nothing is known.
    """
    deletes = "delete" in config.get("cleanup.policy", "")
    names = ("message.timestamp.before.max.ms", *(["retention.ms"] if deletes else []))
    given = [config.get(name, "") for name in names]
    limits = [int(text) for text in given if text.isdecimal() and int(text) < _EVER_MS]
    return min(limits, default=-1)


@asynccontextmanager
async def _producer(settings: Settings, link: Connection) -> AsyncIterator[AIOKafkaProducer]:
    """Give the application's one producer of replays; whoever had it before is fenced."""
    producer = AIOKafkaProducer(
        **link.client(),
        transactional_id=f"{settings.app_id}-dlq-replay",
        transaction_timeout_ms=TRANSACTION_MS,
        max_request_size=settings.dead_letter_bytes_max + ENVELOPE_BYTES,
        compression_type="zstd",
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
