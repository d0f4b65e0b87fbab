"""A real worker as a process, on a real broker: started, asked, stopped, its topics read."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.broker import LocalBroker

PARTITIONS = 4
READY_SECONDS_MAX = 120
WEB_SECONDS_MAX = 30  # whoever trains first loads River, for seconds on a busy machine

TOPICS = (
    "usage",
    "alerts",
    "holdout",
    "state",
    "ingest_state",
    "examples",
    "trainer_state",
    "model",
    "dead_letters",
    "endpoints",
    "customers",
    "account_alerts",
    "account_holdout",
    "accounts",
    "retention",
    "members",
    "accounts_state",
)


class Process:
    """A running `slipaway run`, or another command that runs until it is stopped."""

    def __init__(
        self, environment: dict[str, str], log: Path, command: Sequence[str] = ("run",)
    ) -> None:
        """Start it; its standard error goes to `log`."""
        self.log = log
        self.address = ""
        with log.open("wb") as stderr:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "stream", *command],
                env={**os.environ, **environment},
                stderr=stderr,
            )

    async def ready(self) -> str:
        """Wait until it is ready; return where it answers."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            text = self.log.read_text()
            assert self.popen.poll() is None, text
            assert time.monotonic() < deadline, text
            found = re.findall(r'"url": "(http://[^"]+)"', text)
            if found:
                self.address = found[-1]  # it may have begun anew
                with_status = get(f"{self.address}/readyz", or_else="{}")
                if json.loads(with_status).get("status") == "ready":
                    return self.address
            await asyncio.sleep(0.2)

    def count(self, metric: str, topic: str) -> int:
        """Return the sum of a counter's series of one topic."""
        return self.counted(metric, topic=topic)

    def counted(self, metric: str, **labels: str) -> int:
        """Return the sum of a counter's series with these labels."""
        return int(sum(self._series(metric, **labels)))

    def gauge_min(self, metric: str) -> float:
        """Return the least value of a gauge's series; 0 where there is none yet."""
        return min(self._series(metric), default=0.0)

    def _series(self, metric: str, **labels: str) -> list[float]:
        assert self.popen.poll() is None, self.log.read_text()
        lines = get(f"{self.address}/metrics").splitlines()
        mine = [line for line in lines if line.startswith(f"slipaway_{metric}{{")]
        wanted = [f'{name}="{value}"' for name, value in labels.items()]
        return [float(line.split()[-1]) for line in mine if all(want in line for want in wanted)]

    @contextmanager
    def kept(self) -> Iterator["Process"]:
        """Give itself, and leave nothing running."""
        try:
            yield self
        finally:
            if self.popen.poll() is None:
                self.popen.kill()
            self.popen.wait()

    def stop(self) -> int:
        """End it in order; return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)


@contextmanager
def worker(
    broker: LocalBroker, names: dict[str, str], raw: str, folder: Path, **more: str
) -> Iterator[Process]:
    """Run a worker over these topics, in event time and without learning."""
    knobs = {
        "BOOTSTRAP_SERVERS": broker.bootstrap,
        "APP_ID": names["usage"],
        "PARTITIONS": str(PARTITIONS),
        "CLOCK": "event",
        "MODEL": "pinned",
        "WEB_PORT": "0",
        "LOG_FORMAT": "json",
        "TOPICS__SOURCES": raw,
        **{f"TOPICS__{name.upper()}": topic for name, topic in names.items()},
        **more,
    }
    process = Process({f"SLIPAWAY_{k}": v for k, v in knobs.items()}, folder / "worker.log")
    with process.kept():
        yield process


def get(url: str, or_else: str | None = None) -> str:
    """Return what a URL answers, whatever the status; `or_else` if nobody does."""
    try:
        with urlopen(url, timeout=WEB_SECONDS_MAX) as response:  # noqa: S310 - our own worker
            return str(response.read().decode())
    except HTTPError as error:
        with error:
            return error.read().decode()
    except URLError:
        if or_else is None:
            raise
        return or_else


async def until(true: Callable[[], bool], seconds: float = 180) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.2)


async def create(
    broker: LocalBroker, topic: str, config: dict[str, str], partitions: int = 1
) -> None:
    """Create a source topic; in one partition, the order of its events is theirs."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
    finally:
        await admin.close()


@asynccontextmanager
async def producer(broker: LocalBroker) -> AsyncIterator[AIOKafkaProducer]:
    """Give a producer that may send large records."""
    sender = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=16 << 20)
    await sender.start()
    try:
        yield sender
    finally:
        await sender.stop()


async def read_all(broker: LocalBroker, topic: str, partitions: int = PARTITIONS) -> list[Any]:
    """Return every committed record of a topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        records: list[Any] = []
        for tp in tps:
            while await consumer.position(tp) < ends[tp]:
                fetched = await consumer.getmany(tp, timeout_ms=200)
                records += fetched.get(tp, [])
        return records
    finally:
        await consumer.stop()
