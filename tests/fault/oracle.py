"""The oracle: what the topics must hold, whatever happened to the workers.

It does what a worker does, without Kafka and without faults: it folds the
input, in order and once, with the worker's own folds, and holds the outcome
against what readers of the topics see.

* **ingest**: per raw partition, the usage topic holds exactly the decoded good
  events, in their order; the dead letters are exactly the others.
* **detect**: every usage partition, up to its saved position, folded anew, gives
  the same customers to the last bit, and up to its published position the same
  alerts, each once, and the same latest alert of every customer.
* **positions**: nothing that can be read lies behind a saved position.
* **transactions**: none is left open.

Beats, by which ingest tells how far it has come, depend on when checkpoints
were made: they count as they stand in the usage topic, and none is missed.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import orjson
from faust.types import TP
from readback import Log

from stream.detector.customer import Customer
from stream.engine.checkpoint import partition_for
from stream.engine.flow import Flow, Fold, Output, Record
from stream.engine.position import Position, is_position, unpack_position
from stream.settings import Settings
from stream.wire.dead_letters import Header, read_headers
from stream.worker.app import Worker, read_policy
from stream.worker.detect import DetectFold
from stream.worker.topics import state_of_source

_PACK = msgspec.msgpack.Encoder()

Letter = tuple[str, int, int, str, bytes | None]
"""Where the record stood (topic, partition, offset), the code, and the value."""


@dataclass
class Verdict:
    """What was found; the last four are empty where nothing went wrong."""

    events: int = 0  # good ones, in the usage topic
    letters: int = 0
    alerts: int = 0
    customers: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    hanging: Counter[str] = field(default_factory=Counter)  # records behind an open transaction

    @property
    def faultless(self) -> bool:
        """Whether nothing is lost, repeated, different or left open."""
        return not any((+self.lost, +self.repeated, +self.different, +self.hanging))


@dataclass
class Kept:
    """What a state topic says of one partition."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    position: Position | None = None

    @property
    def offset(self) -> int:
        """Up to here the source was worked on."""
        return 0 if self.position is None else self.position.offset

    @property
    def published(self) -> int:
        """Up to here what the work puts out can be read."""
        return 0 if self.position is None else self.position.published

    def take(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take rows in their order; one without a value deletes its key."""
        for key, value in rows:
            if is_position(key):
                self.position = unpack_position(value or b"")
            elif value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value


class Course:
    """The usage events of every pair of partitions, raw and usage, in order.

    As hashes: a soak's millions fit into memory, and differ as their events do.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._hashes: dict[tuple[int, int], array[int]] = defaultdict(lambda: array("q"))

    def __len__(self) -> int:
        """Count the events."""
        return sum(map(len, self._hashes.values()))

    def take(self, raw: int, usage: int, value: bytes | None) -> None:
        """Note the next event from one partition to the other."""
        self._hashes[raw, usage].append(hash(value))

    def compare(self, found: "Course", verdict: Verdict) -> None:
        """Say what `found` has lost, repeated or put out of order."""
        for pair in sorted({*self._hashes, *found._hashes}):
            expected, seen = self._hashes[pair], found._hashes[pair]
            if expected == seen:
                continue
            wanted, had = Counter(expected), Counter(seen)
            extra = had - wanted
            unknown = sum(number for event, number in extra.items() if event not in wanted)
            verdict.lost["usage"] += (wanted - had).total()
            verdict.repeated["usage"] += extra.total() - unknown
            verdict.different["usage"] += unknown
            if wanted == had:
                verdict.different["usage order"] += 1


class Oracle:
    """Judges the topics of one application."""

    def __init__(
        self, settings: Settings, origin: Callable[[bytes], int], models: Iterable[bytes] = ()
    ) -> None:
        """Know its settings, and the good model snapshots it had.

        `origin` tells by a usage event's value which raw partition it came from.
        """
        self.settings = settings
        self.product = read_policy(settings)
        self.origin = origin
        self.models = list(models)

    async def judge(self, log: Log, *, finished: bool = True) -> Verdict:
        """Compare everything.

        `finished`: the workers had the time to read all there is, and ended in
        order.  Where they had not, what they wrote must be right as far as
        their positions go.
        """
        verdict = Verdict()
        flows = await self._flows(log)
        letters = await self._ingest(log, flows, verdict, finished=finished)
        letters += await self._detect(log, flows, verdict, finished=finished)
        await _compare_letters(log, self.settings.topics.dead_letters, letters, verdict)
        verdict.hanging = await self.hanging(log)
        return verdict

    async def hanging(self, log: Log) -> Counter[str]:
        """Count the records, by topic and partition, that wait for a transaction to end.

        Whoever was killed leaves one open until its time is up, and readers of
        committed records see nothing behind its first record until then.
        """
        found: Counter[str] = Counter()
        for topic in self._written():
            for partition, ends in (await log.ends(topic)).items():
                found[f"{topic}/{partition}"] += ends.high - ends.stable
        return +found

    async def _ingest(
        self, log: Log, flows: dict[str, Flow], verdict: Verdict, *, finished: bool
    ) -> Counter[Letter]:
        """Hold the usage topic against the raw ones; return the letters there should be."""
        topics = self.settings.topics
        expected, found = Course(), Course()
        letters: Counter[Letter] = Counter()
        for source in topics.sources:
            refold = Refold(flows[source])
            async for partition, output in refold.outputs(log):
                if output.topic == topics.dead_letters:
                    letters[_letter(output.headers, output.value)] += 1
                elif not is_beat(output):
                    where = partition_for(output.key or b"", self._partitions)
                    expected.take(partition, where, output.value)
            verdict.lost["unread"] += refold.unread if finished else 0
        async for record in each(log, topics.usage):
            if not is_beat(record):
                found.take(self.origin(record.value or b""), record.partition, record.value)
        expected.compare(found, verdict)
        verdict.events = len(found)
        return letters

    async def _detect(
        self, log: Log, flows: dict[str, Flow], verdict: Verdict, *, finished: bool
    ) -> Counter[Letter]:
        """Hold alerts and state against the usage topic; return the letters there should be."""
        topics = self.settings.topics
        alerts: Counter[bytes] = Counter()
        letters: Counter[Letter] = Counter()
        latest: dict[tuple[str, bytes | None], bytes | None] = {}
        kept = (topics.customers, topics.retention)
        refold = Refold(flows[topics.usage], passed_over=is_beat)
        async for _, output in refold.outputs(log):
            if output.topic == topics.dead_letters:
                letters[_letter(output.headers, output.value)] += 1
            elif output.topic in kept:
                latest[output.topic, output.key] = output.value
            else:
                alerts[output.value or b""] += 1
        stands = {
            (topic, record.key): record.value for topic in kept async for record in each(log, topic)
        }
        verdict.lost["latest"] += len(latest.keys() - stands.keys())
        verdict.different["latest"] += sum(latest.get(key) != stands[key] for key in stands)
        verdict.lost["unread"] += refold.unread if finished else 0
        refold.compare(verdict)
        said = Counter(
            [
                record.value or b""  # the tombstone of a customer who was erased
                for topic in (topics.alerts, topics.holdout)
                async for record in each(log, topic)
            ]
        )
        verdict.alerts = said.total()
        _compare_alerts(alerts, said, verdict)
        return letters

    def _written(self) -> list[str]:
        """Return the topics that workers write to, always in transactions."""
        topics = self.settings.topics
        states = [state_of_source(topics, source) for source in topics.sources]
        outputs = [topics.usage, topics.alerts, topics.customers, topics.dead_letters]
        outputs += [topics.retention]
        return [*outputs, topics.state, *states]

    async def _flows(self, log: Log) -> dict[str, Flow]:
        """Return a worker's flows by source; the worker itself never runs."""
        topics = self.settings.topics
        worker = Worker(self.settings, self.product)
        self._partitions = worker.usage_partitions = len(await log.ends(topics.usage))
        worker.origins = sum([len(await log.ends(source)) for source in topics.sources])
        for value in self.models:
            worker.models.take(value)
        return {flow.source: flow for flow in worker.flows()}


class Refold:
    """One flow's source, folded anew up to the saved positions."""

    def __init__(self, flow: Flow, passed_over: Callable[[Record], bool] = lambda _: False) -> None:
        """Begin at the source's start; records that are `passed_over` may be left unread."""
        self.flow = flow
        self.unread = 0  # records behind a saved position
        self._passed_over = passed_over
        self._expected: dict[int, Kept] = defaultdict(Kept)
        self._found: dict[int, Kept] = defaultdict(Kept)

    async def outputs(self, log: Log) -> AsyncIterator[tuple[int, Output]]:
        """Give what the work on each partition puts out, with the partition's number."""
        async for record in each(log, self.flow.state):
            self._found[record.partition].take([(record.key or b"", record.value)])
        folds: dict[int, Fold] = {}
        async for records in log.read(self.flow.source):
            number = records[0].partition
            saved, published = self._found[number].offset, self._found[number].published
            behind = [record for record in records if record.offset >= published]
            self.unread += sum(not self._passed_over(record) for record in behind)
            if len(behind) == len(records):
                continue
            if number not in folds:
                folds[number] = self.flow.make(TP(self.flow.source, number))
                folds[number].begin(None)
            for begin, end in ((0, saved), (saved, published)):
                part = [record for record in records if begin <= record.offset < end]
                if not part:
                    continue
                folds[number].apply(part)
                batch = folds[number].collect()
                if end == saved:  # rows follow behind what is published
                    self._expected[number].take(batch.rows)
                    self._expected[number].position = Position(end, batch.progress)
                for output in batch.outputs:
                    yield number, output

    def compare(self, verdict: Verdict) -> None:
        """Say where the saved state is not what the folding came to."""
        for number in sorted({*self._expected, *self._found}):
            expected = self._customers(number, self._expected[number])
            found = self._customers(number, self._found[number])
            verdict.customers += len(found) - 1  # the progress is nobody's
            verdict.lost["state"] += len(expected.keys() - found.keys())
            for customer, state in found.items():
                verdict.different["state"] += state != expected.get(customer)

    def _customers(self, number: int, kept: Kept) -> dict[str, bytes]:
        """Return every customer's state, and the partition's progress under no name.

        The fold itself takes up the rows, so how they are written is its own
        business; packed anew they compare to the last bit.
        """
        fold = self.flow.make(TP(self.flow.source, number))
        for key, value in kept.rows.items():
            fold.load(key, value)
        fold.begin(None if kept.position is None else kept.position.progress)
        states = {name: _PACK.encode(state) for name, state in _remembered(fold).items()}
        return {**states, "": fold.collect().progress}


def _remembered(fold: Fold) -> Mapping[str, Customer]:
    """Return the customers a fold has in memory: the one thing to know of its inside."""
    assert isinstance(fold, DetectFold)
    return {name: fold._customers.look(name) for name in fold._customers}


def is_beat(record: Record | Output) -> bool:
    """Return whether a record of the usage topic only tells how far its source has come."""
    return record.key is None


async def each(log: Log, topic: str) -> AsyncIterator[Record]:
    """Give every committed record of a topic."""
    async for records in log.read(topic):
        for record in records:
            yield record


def _letter(headers: Iterable[Header] | None, value: bytes | None) -> Letter:
    """Return what two letters about the same record have in common."""
    letter = read_headers(headers or ())
    assert letter is not None, "a record among the dead letters is none"
    return letter.topic, letter.partition, letter.offset, letter.code, value


def _compare_alerts(expected: Counter[bytes], said: Counter[bytes], verdict: Verdict) -> None:
    """Say which alerts are missing, which were given again, and which say something else."""
    missing = {_alert_id(value) for value in expected - said}
    changed = 0
    for value, number in (said - expected).items():
        if value in expected:
            verdict.repeated["alerts"] += number
        elif _alert_id(value) in missing:
            missing.remove(_alert_id(value))
            changed += number
        else:
            changed += number
    verdict.different["alerts"] += changed
    verdict.lost["alerts"] += len(missing)


async def _compare_letters(
    log: Log, topic: str, expected: Counter[Letter], verdict: Verdict
) -> None:
    """Say which dead letters are missing, and which nobody should have written."""
    found = Counter([_letter(r.headers, r.value) async for r in each(log, topic)])
    verdict.letters = found.total()
    verdict.lost["dead letters"] += (expected - found).total()
    verdict.repeated["dead letters"] += (found - expected).total()


def _alert_id(value: bytes) -> str:
    return str(orjson.loads(value)["alert_id"])
