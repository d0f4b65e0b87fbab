"""From an event, or from a silence that comes due, to an alert that can be read.

A worker as `slipaway run` starts it, by the wall clock, with events paced at half
of what it was just measured to do.  Among them are warnings, each by a customer
of its own, and before them came customers whose silence reaches its first
landmark while the others go on.  The time runs from the call that sends an event,
or from the moment a silence is due, until a `read_committed` reader has the alert.

Twice: with the allowed lateness as by default, ten seconds, which every decision
waits for by design, and with none, which leaves what the engine takes; a silence
is due when that wait is over.  And once with nothing but silence: then the wall
clock alone carries the time.

A worker's first seconds are kept apart: twenty thousand customers are new to it in
the first of them, whom a worker of yesterday knows.  A broker's are, too: it is a
Java machine, which compiles in its first minute what it will need, on the same two
cores.  So the load with the lateness that has to be taken off comes first.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.snapshots import Snapshot, cold, name
from stream.detector.events import DAY_MS, SECOND_MS
from stream.detector.landmarks import Ladder
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.engine.checkpoint import partition_for
from stream.engine.engine import wall_ms
from stream.settings import OWN_TOPICS, PREFIX, load
from stream.wire import snapshots
from stream.worker.connection import connection
from stream.worker.feed import publish
from stream.worker.topics import ensure
from tests.bench import watched
from tests.bench.child import call
from tests.bench.figure import Figure, Size, quantile
from tests.bench.topic import unique
from tests.bench.tracks import CUSTOMERS, Stencils, Tracks, stamp_of
from tests.bench.worker import filled
from tests.worker_process import Process

PARTITIONS = 4
RATE_EVENTS = {Size.TINY: 2_000, Size.QUICK: 50_000, Size.NORMAL: 300_000, Size.FULL: 300_000}
SECONDS = {Size.TINY: 2, Size.QUICK: 5, Size.NORMAL: 60, Size.FULL: 300}
# Kept apart; told as the longest of them.
FIRST_SECONDS = {Size.TINY: 0, Size.QUICK: 1, Size.NORMAL: 5, Size.FULL: 5}
# For the worker to be ready before the first silence is due; longer: for a busy machine.
START_SECONDS = {Size.TINY: 12, Size.QUICK: 12, Size.NORMAL: 20, Size.FULL: 20}
AT_ONCE_MAX = 4_000  # events that fit into one batch
PACE_SECONDS = 0.01  # between two batches of a partition
WARNINGS_A_SECOND = 20
SILENCES_A_SECOND = 20
WARNING_FROM = 1_000_000  # numbers of customers that nobody else has
SILENT_FROM = 2_000_000
WARNING = "cancel_page_viewed"
PATIENCE_SECONDS = 60.0


def measure(size: Size, bootstrap: str) -> Iterator[Figure]:
    """Give p50 and p99 of both ways to an alert."""
    events = RATE_EVENTS[size]
    topic = filled(bootstrap, events, PARTITIONS)
    whole = call(
        watched.read, bootstrap=bootstrap, topic=topic, events=events, run_id=unique("rate")
    )
    half = round(whole["events_per_s"] / 2)
    runs = [(Policy().allowed_lateness_ms, half), (0, 0), (0, half)]
    for lateness_ms, rate in runs[-1:] if size in (Size.TINY, Size.QUICK) else runs:
        took = call(
            listen,
            bootstrap=bootstrap,
            rate=rate,
            seconds=SECONDS[size],
            start_seconds=START_SECONDS[size],
            first_seconds=FIRST_SECONDS[size],
            lateness_ms=lateness_ms,
        )
        load = "half_load" if rate else "idle"
        detail = {"allowed_lateness_ms": lateness_ms, "events_per_s": took["events_per_s"]}
        for kind, wait_ms in (("event", 0), ("silence", lateness_ms)):
            delays = [delay - wait_ms for delay in took[kind]]
            if not delays:
                continue
            at_first = {"max_at_first": max(took["first"][kind], default=wait_ms) - wait_ms}
            for share, target in ((0.5, "<= 150"), (0.99, "<= 500")):
                after = "" if lateness_ms == 0 else ".default_lateness"
                yield Figure(
                    name=f"latency.{kind}.{load}{after}.p{round(share * 100)}",
                    value=quantile(delays, share),
                    unit="ms",
                    target=_target(kind, target, lateness_ms),
                    detail={**detail, "alerts": len(delays), "max": max(delays), **at_first},
                )


def _target(kind: str, of_events: str, lateness_ms: int) -> str:
    if kind == "silence":
        return "<= 1000 (p99)"
    return of_events if lateness_ms == 0 else f"{of_events} and the lateness"


def listen(
    *,
    bootstrap: str,
    rate: int,
    seconds: int,
    start_seconds: int,
    first_seconds: int,
    lateness_ms: int,
) -> dict[str, Any]:
    """Run a worker under load; give the delay (ms) of every alert, by what caused it.

    What was caused in its first seconds stands apart, under `first`.
    """
    with TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.toml"
        lateness = f"{lateness_ms // SECOND_MS}s"
        policy.write_text(
            f'[events]\nwarning = ["{WARNING}"]\n[time]\nallowed_lateness = "{lateness}"\n',
            encoding="utf-8",
        )
        run = _Run(
            bootstrap,
            policy,
            rate=rate,
            seconds=seconds,
            start_seconds=start_seconds,
            first_seconds=first_seconds,
        )
        return asyncio.run(run.through(Path(folder) / "worker.log", lateness_ms))


class _Run:
    """One worker, whoever sends to it, and whoever reads its alerts."""

    def __init__(
        self,
        bootstrap: str,
        policy: Path,
        *,
        rate: int,
        seconds: int,
        start_seconds: int,
        first_seconds: int,
    ) -> None:
        self._bootstrap = bootstrap
        self._rate = rate
        self._seconds = seconds
        self._start_seconds = start_seconds
        self._first_ms = first_seconds * SECOND_MS
        run_id = unique("latency")
        self._topics = {name: f"{run_id}.{name}" for name in OWN_TOPICS}
        self._knobs = {
            "bootstrap_servers": bootstrap,
            "app_id": run_id,
            "partitions": PARTITIONS,
            "policy": str(policy),
            "model": "pinned",  # the trainer, taught by days gone by, would take over from ours
            "web_port": 0,
            "log_format": "json",
        }
        self._tracks = Tracks(seed=1)
        self._caused: dict[str, dict[str, int]] = {"event": {}, "silence": {}}
        self._first: dict[str, list[int]] = {"event": [], "silence": []}
        self._delays: dict[str, list[int]] = {"event": [], "silence": []}
        self._begin = self._heard = 0
        self._sent = 0

    async def through(self, log: Path, lateness_ms: int) -> dict[str, Any]:
        """Start everything, send for the time that was asked for, and hear the last alert."""
        settings = load({**self._knobs, "topics": self._topics})
        await ensure(settings, connection(settings))
        await publish(settings, [snapshots.encode(_always())])
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=1 << 20,
        )
        alerts = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await producer.start()
        begin = self._begin = wall_ms() + self._start_seconds * SECOND_MS
        await self._send_past(producer, begin)
        worker = Process(self._environment(), log)
        try:
            await alerts.start()
            alerts.assign([TopicPartition(self._topics["alerts"], p) for p in range(PARTITIONS)])
            await worker.ready()
            waiting = (begin - wall_ms()) / SECOND_MS
            assert waiting > 0, "the first silence was due before the worker was ready"
            await asyncio.sleep(waiting)
            listening = asyncio.create_task(self._listen(alerts))
            began = time.monotonic()
            await self._send_present(producer)
            took = time.monotonic() - began
            async with asyncio.timeout(lateness_ms / SECOND_MS + PATIENCE_SECONDS):
                await listening
            await producer.stop()
            await alerts.stop()
            _end(worker)
        finally:
            if worker.popen.poll() is None:
                worker.popen.kill()
                worker.popen.wait()
        return {**self._delays, "first": self._first, "events_per_s": round(self._sent / took)}

    def _environment(self) -> dict[str, str]:
        topics = {f"TOPICS__{name.upper()}": topic for name, topic in self._topics.items()}
        knobs = {name.upper(): str(value) for name, value in self._knobs.items()}
        return {f"{PREFIX}{knob}": value for knob, value in (knobs | topics).items()}

    async def _send_past(self, producer: AIOKafkaProducer, begin: int) -> None:
        """Send the visits of customers whose silence is due while the others go on.

        Before the worker starts, and in the order of their times: by the wall clock, a visit of
        yesterday is late as soon as the one before it was decided.
        """
        first = Ladder(Policy()).at(0, 0)
        assert first is not None
        for days_before in (2, 1, 0):
            for number in range(self._seconds * SILENCES_A_SECOND):
                due = begin + number * SECOND_MS // SILENCES_A_SECOND
                at = due - first - days_before * DAY_MS
                track = self._tracks.write(SILENT_FROM + number, at)
                where = partition_for(track.key, PARTITIONS)
                topic = self._topics["usage"]
                await producer.send(topic, track.value, key=track.key, partition=where)
                self._caused["silence"][track.key.decode()] = due
        await producer.flush()

    async def _send_present(self, producer: AIOKafkaProducer) -> None:
        """Send events as they happen, at an even pace."""
        draw, others = random.Random(1), Stencils(CUSTOMERS, seed=1)
        began = time.monotonic()
        warnings = 0
        while (passed := time.monotonic() - began) < self._seconds:
            batches = [producer.create_batch() for _ in range(PARTITIONS)]
            now = wall_ms()
            stamp = stamp_of(now)
            # After a pause it catches up in steps: a batch has an end.
            due = min(self._rate * passed, self._sent + AT_ONCE_MAX)
            while self._sent < due:
                customer = int(CUSTOMERS * draw.random() ** 2)
                _append(batches, *others.write(customer, stamp))
                self._sent += 1
            while self._rate and warnings < WARNINGS_A_SECOND * passed:
                track = self._tracks.write(WARNING_FROM + warnings, now, WARNING)
                _append(batches, track.key, track.value)
                self._caused["event"][track.key.decode()] = wall_ms()
                warnings += 1
            for partition, batch in enumerate(batches):
                if batch.record_count():
                    await producer.send_batch(batch, self._topics["usage"], partition=partition)
            await asyncio.sleep(PACE_SECONDS)
        await producer.flush()

    async def _listen(self, alerts: AIOKafkaConsumer) -> None:
        """Note when each alert can be read, until all that must come have come."""
        expected = self._seconds * (WARNINGS_A_SECOND * bool(self._rate) + SILENCES_A_SECOND)
        while self._heard < expected:
            fetched = await alerts.getmany(timeout_ms=200)
            now = wall_ms()
            for records in fetched.values():
                for record in records:
                    self._hear(orjson.loads(record.value), now)

    def _hear(self, alert: dict[str, Any], now: int) -> None:
        if alert["kind"] != "opened":
            return
        kind = "event" if alert["trigger"] == "warning" else "silence"
        caused = self._caused[kind].pop(alert["customer_id"])
        heard = self._first if caused < self._begin + self._first_ms else self._delays
        heard[kind].append(now - caused)
        self._heard += 1


def _end(worker: Process) -> None:
    """End the worker in order."""
    assert worker.stop() == 0, worker.log.read_text()


def _append(batches: list[Any], key: bytes, value: bytes) -> None:
    """Put an event into its partition's batch, which AT_ONCE_MAX events never fill."""
    where = partition_for(key, PARTITIONS)
    taken = batches[where].append(key=key, value=value, timestamp=None)
    assert taken is not None


def _always() -> Snapshot:
    """Give a model that calls every silence worth an alert, at its first landmark."""
    policy = Policy()
    first = cold(policy.horizon_ms / DAY_MS, back_age_ms(policy) / DAY_MS)
    return name(msgspec.structs.replace(first, effective_from=DAY_MS, threshold=-1000.0))
