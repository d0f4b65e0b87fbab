"""The oracle can fail: every kind of loss it is trusted to see is made here, one at a time."""

import copy
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import pytest
from cluster import POLICY, origin_of, pinned_model
from faust.types import TP
from oracle import Oracle, Verdict, is_beat
from readback import Ends
from traffic import Traffic

from stream.engine.checkpoint import partition_for
from stream.engine.flow import Flow, Output, Row
from stream.engine.position import (
    Position,
    is_position,
    pack_position,
    position_key,
    unpack_position,
)
from stream.settings import Settings, Topics
from stream.wire.alerts import decode_alert
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.events import Heartbeat, encode_heartbeat
from stream.worker.app import Worker, read_policy

PARTITIONS = 2
MESSAGES = 1_500
ERASE_EVERY = 150
NOW_MS = 1_800_000_000_000


class Entry(NamedTuple):
    """A record of a topic in memory."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass
class MemoryLog:
    """Topics as the broker would give them back; a test may change anything."""

    topics: dict[str, dict[int, list[Entry]]] = field(default_factory=dict)
    hanging: dict[str, int] = field(default_factory=dict)

    async def read(self, topic: str) -> AsyncIterator[Sequence[Entry]]:
        """Give each partition in blocks of 100."""
        for records in self.topics[topic].values():
            rest = iter(records)
            while block := list(islice(rest, 100)):
                yield block

    async def ends(self, topic: str) -> dict[int, Ends]:
        """Say how long each partition is."""
        return {
            number: Ends(0, len(records), len(records) + self.hanging.get(topic, 0))
            for number, records in self.topics[topic].items()
        }

    def add(self, output: Output) -> None:
        """Append what a fold puts out."""
        parts = self.topics[output.topic]
        number = output.partition
        if number is None:
            number = partition_for(output.key or b"", len(parts))
        headers = [(name, value or b"") for name, value in output.headers or ()]
        # Not every offset holds a record that can be seen.
        where = Entry(output.topic, number, 2 * len(parts[number]), NOW_MS, *output[2:4], headers)
        parts[number].append(where)

    def all(self, topic: str) -> list[Entry]:
        """Return a topic's records, all partitions."""
        return [record for records in self.topics[topic].values() for record in records]


def work(log: MemoryLog, flow: Flow, *, ending_ahead: bool = False) -> None:
    """Do a flow's work as one undisturbed worker does.

    Every second time outputs are published ahead of their rows, where the flow can;
    the last time only if it is to end so.
    """
    for number, records in log.topics[flow.source].items():
        fold = flow.make(TP(flow.source, number))
        fold.begin(None)
        said: Position | None = None
        for turn, start in enumerate(range(0, len(records), 250)):
            fold.apply(records[start : start + 250])
            end = records[: start + 250][-1].offset + 1
            ahead = ending_ahead if start + 250 >= len(records) else turn % 2 == 1
            outputs = fold.publish() if said and ahead else None
            rows: list[Row] = []
            if said and outputs is not None:
                said = said._replace(published=end)
            else:
                rows, outputs, progress = fold.collect()
                said = Position(end, progress, published=end)
            for output in outputs:
                log.add(output)
            for name, value in [*rows, (position_key(flow.source), pack_position(said))]:
                log.add(Output(flow.state, number, name, value))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of an application that nobody runs."""
    policy = tmp_path_factory.mktemp("oracle") / "policy.toml"
    policy.write_text(POLICY)
    return Settings(
        policy=policy, clock="event", model="pinned", topics=Topics(sources=("raw",)), partitions=2
    )


@pytest.fixture(scope="module")
def honest(settings: Settings) -> MemoryLog:
    """Return what an undisturbed worker leaves in the topics."""
    return left_behind(settings)


def left_behind(
    settings: Settings, *, ending_ahead: bool = False, erased: Sequence[str] = ()
) -> MemoryLog:
    """Return the topics after a worker's work; what it published last may be ahead of its rows.

    Customers are `erased` one after the other, and one of them comes again.
    """
    worker = Worker(settings, read_policy(settings))
    worker.models.take(pinned_model(settings))
    worker.usage_partitions = worker.origins = PARTITIONS
    flows = worker.flows()
    log = MemoryLog()
    topics = settings.topics
    names = ["raw", topics.usage, topics.alerts, topics.holdout]
    names += [topics.customers, topics.retention, topics.dead_letters]
    for name in [*names, *(flow.state for flow in flows)]:
        log.topics[name] = {number: [] for number in range(PARTITIONS)}
    traffic = Traffic(5, partitions=PARTITIONS, customers=60, poison_share=0.02)
    for number, (partition, value) in enumerate(islice(traffic.messages, MESSAGES)):
        log.add(Output("raw", partition, None, value))
        if erased and number % ERASE_EVERY == ERASE_EVERY - 1:
            who = erased[number // ERASE_EVERY % len(erased)]
            log.add(Output("raw", 0, None, encode_erasure(Erasure(who))))
    for partition in range(PARTITIONS):
        log.add(Output("raw", partition, None, encode_heartbeat(Heartbeat(traffic.ends_at))))
    for flow in flows:
        work(log, flow, ending_ahead=ending_ahead)
    return log


@pytest.fixture
def log(honest: MemoryLog) -> MemoryLog:
    """Return a copy that a test may tamper with."""
    return copy.deepcopy(honest)


Judge = Callable[[], Awaitable[Verdict]]


@pytest.fixture
def judge(log: MemoryLog, settings: Settings) -> Judge:
    """Return what asks the oracle about `log`."""
    oracle = Oracle(settings, origin_of(PARTITIONS), [pinned_model(settings)])
    return lambda: oracle.judge(log)


def without(log: MemoryLog, topic: str, wanted: Callable[[Entry], bool]) -> Entry:
    """Take the middle one of the wanted records out of a topic."""
    records = [record for record in log.all(topic) if wanted(record)]
    gone = records[len(records) // 2]
    log.topics[topic][gone.partition].remove(gone)
    return gone


def anything(_: Entry) -> bool:
    """Want every record."""
    return True


def an_event(record: Entry) -> bool:
    """Want usage events, not the beats between them."""
    return not is_beat(record)


async def test_what_an_undisturbed_worker_leaves_is_faultless(judge: Judge) -> None:
    """Otherwise the tests below would pass for nothing."""
    verdict = await judge()
    assert verdict.faultless, verdict
    assert verdict.events > 1_000
    assert verdict.alerts > 20
    assert verdict.letters > 10
    assert verdict.customers > 40


@pytest.mark.parametrize("ending_ahead", [False, True])
async def test_erasures_among_the_events_leave_nothing_wrong(
    settings: Settings, *, ending_ahead: bool
) -> None:
    """Tombstones are held against what led to them, as alerts are, and rows that are gone."""
    topics = settings.topics
    whole = left_behind(settings)
    erased = sorted(
        {decode_alert(said.value or b"").customer_id for said in whole.all(topics.alerts)}
    )
    erased = [who for who in erased if who][:5]
    log = left_behind(settings, ending_ahead=ending_ahead, erased=erased)
    events = origin_of(PARTITIONS)
    oracle = Oracle(
        settings,
        lambda value: 0 if b"erase.v1" in value else events(value),
        [pinned_model(settings)],
    )
    verdict = await oracle.judge(log)
    assert verdict.faultless, verdict
    for topic in (topics.alerts, topics.holdout, topics.customers):
        gone = {record.key for record in log.all(topic) if record.value is None}
        assert gone == {who.encode() for who in erased}


async def test_alerts_ahead_of_their_rows_are_held_against_what_led_to_them(
    settings: Settings,
) -> None:
    """As they stand after a kill: rows up to one offset, alerts up to another."""
    topics = settings.topics
    log = left_behind(settings, ending_ahead=True)
    oracle = Oracle(settings, origin_of(PARTITIONS), [pinned_model(settings)])
    verdict = await oracle.judge(log)
    assert verdict.faultless, verdict
    last = next(r for r in reversed(log.topics[topics.state][0]) if is_position(r.key or b""))
    position = unpack_position(last.value or b"")
    assert position.published > position.offset

    alerts = log.topics[topics.alerts][0]
    gone = alerts.pop()
    assert (await oracle.judge(log)).lost["alerts"] == 1
    alerts.append(gone)
    short = pack_position(position._replace(published=position.offset))
    log.topics[topics.state][0][-1] = last._replace(value=short)
    verdict = await oracle.judge(log)
    assert verdict.lost["unread"] >= 1
    assert not verdict.faultless


async def test_a_missing_alert_is_seen(log: MemoryLog, judge: Judge, settings: Settings) -> None:
    """At most once is not exactly once."""
    without(log, settings.topics.alerts, anything)
    verdict = await judge()
    assert verdict.lost["alerts"] == 1
    assert not verdict.faultless


async def test_an_alert_given_twice_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """At least once is not exactly once."""
    records = log.topics[settings.topics.alerts][0]
    records.append(records[3])
    verdict = await judge()
    assert verdict.repeated["alerts"] == 1
    assert verdict.lost["alerts"] == 0
    assert not verdict.faultless


async def test_a_latest_alert_that_is_not_the_latest_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """How a customer stood once is not how it stands."""
    records = log.topics[settings.topics.customers][0]
    by_key = {record.key: [] for record in records}
    for record in records:
        by_key[record.key].append(record)
    records.append(next(own[0] for own in by_key.values() if len(own) > 1))
    verdict = await judge()
    assert verdict.different["latest"] == 1
    assert not verdict.faultless


async def test_an_alert_that_says_something_else_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """Byte for byte: one digit of one number."""
    records = log.topics[settings.topics.alerts][0]
    value = records[3].value or b""
    silent = b'"silent_for_seconds":'
    changed = value.replace(silent, silent + b"1")
    assert decode_alert(changed) != decode_alert(value)
    records[3] = records[3]._replace(value=changed)
    verdict = await judge()
    assert verdict.different["alerts"] == 1
    assert verdict.lost["alerts"] == 0
    assert not verdict.faultless


async def test_an_alert_nobody_should_have_raised_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """A made-up one has no counterpart that is missing."""
    records = log.topics[settings.topics.alerts][0]
    value = (records[3].value or b"").replace(b'"alert_id":"', b'"alert_id":"x')
    records.append(records[3]._replace(value=value))
    verdict = await judge()
    assert verdict.different["alerts"] == 1
    assert not verdict.faultless


async def test_a_lost_usage_event_is_seen(log: MemoryLog, judge: Judge, settings: Settings) -> None:
    """Lost before anything was made of it: state and alerts agree, and only ingest does not."""
    without(log, settings.topics.usage, an_event)
    verdict = await judge()
    assert verdict.lost["usage"] == 1
    assert not verdict.faultless


async def test_a_usage_event_written_twice_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """The detector would take it for a duplicate of the sender's; it is ours."""
    records = log.topics[settings.topics.usage][1]
    where = next(i for i, record in enumerate(records) if an_event(record))
    records.insert(where, records[where])
    verdict = await judge()
    assert verdict.repeated["usage"] == 1
    assert not verdict.faultless


async def test_usage_events_out_of_order_are_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """Nothing lost, nothing twice, and still not what the raw partition says."""
    records = log.topics[settings.topics.usage][0]
    origin = origin_of(PARTITIONS)
    events = [i for i, r in enumerate(records) if an_event(r) and origin(r.value or b"") == 0]
    one, other = events[10], events[40]
    records[one], records[other] = records[other], records[one]
    verdict = await judge()
    assert verdict.lost["usage"] == verdict.repeated["usage"] == 0
    assert verdict.different["usage order"] == 1
    assert not verdict.faultless


async def test_a_customer_whose_row_was_not_saved_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """The last row of a customer is the state after a restart."""
    state = settings.topics.state
    keys = Counter(record.key for record in log.all(state))
    key = next(key for key, rows in keys.items() if rows > 2 and not is_position(key or b""))
    rows = [record for record in log.all(state) if record.key == key]
    log.topics[state][rows[-1].partition].remove(rows[-1])
    verdict = await judge()
    assert verdict.different["state"] == 1
    assert verdict.lost["state"] == 0
    assert not verdict.faultless


async def test_a_customer_forgotten_altogether_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """As by a topic that deletes instead of compacting."""
    records = log.topics[settings.topics.state][0]
    gone = next(record.key for record in records if not (record.key or b"").startswith(b"\0"))
    records[:] = [record for record in records if record.key != gone]
    verdict = await judge()
    assert verdict.lost["state"] == 1
    assert not verdict.faultless


async def test_a_position_that_is_one_event_short_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """State ahead of the position is what makes a restart count twice."""
    topics = settings.topics
    last = next(record for record in reversed(log.topics[topics.usage][1]) if an_event(record))
    records = log.topics[topics.state][1]
    row = next(i for i in reversed(range(len(records))) if is_position(records[i].key or b""))
    saved = unpack_position(records[row].value or b"")
    assert saved.offset > last.offset
    short = pack_position(Position(last.offset, saved.progress))
    records[row] = records[row]._replace(value=short)
    verdict = await judge()
    assert verdict.lost["unread"] == 1
    assert verdict.different["state"] >= 1
    assert not verdict.faultless


async def test_input_that_nobody_read_is_seen(log: MemoryLog, judge: Judge) -> None:
    """A partition nobody works on loses nothing, and its customers hear of nothing."""
    raw = log.topics["raw"][0]
    raw.append(raw[-1]._replace(offset=raw[-1].offset + 1))
    verdict = await judge()
    assert verdict.lost["unread"] == 1
    assert not verdict.faultless


async def test_a_dead_letter_too_few_or_too_many_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """Bad input is put aside once: with its bytes, its place and its reason."""
    letters = settings.topics.dead_letters
    gone = without(log, letters, anything)
    verdict = await judge()
    assert verdict.lost["dead letters"] == 1
    assert not verdict.faultless
    log.topics[letters][gone.partition] += [gone, gone]
    verdict = await judge()
    assert verdict.lost["dead letters"] == 0
    assert verdict.repeated["dead letters"] == 1
    assert not verdict.faultless


async def test_a_transaction_left_open_is_seen(
    log: MemoryLog, judge: Judge, settings: Settings
) -> None:
    """Readers of committed records stand still behind it."""
    log.hanging[settings.topics.alerts] = 2
    verdict = await judge()
    assert verdict.hanging[f"{settings.topics.alerts}/0"] == 2
    assert not verdict.faultless
