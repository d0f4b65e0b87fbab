"""One truth: a log replayed from a file, and the same log through Kafka and real workers.

The models are the file replay's own, pinned: learned there, published to the model
topic with the event times from which they are in force, and used as they are.
"""

import asyncio
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from worker_process import TOPICS

from stream.broker import LocalBroker
from stream.demo.feed import message
from stream.demo.simulate import simulate

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PARTITIONS = 8


class Run:
    """One application on the broker: its topics, its settings, its workers."""

    def __init__(
        self, broker: LocalBroker, topic_names: Callable[[str], str], policy: Path, folder: Path
    ) -> None:
        """Name everything of this run."""
        self.broker = broker
        self.policy = policy
        self.folder = folder
        self.alerts = topic_names("alerts")
        self.usage = topic_names("usage")
        self.environment = {
            **os.environ,
            "SLIPAWAY_BOOTSTRAP_SERVERS": broker.bootstrap,
            "SLIPAWAY_APP_ID": topic_names("app"),
            "SLIPAWAY_PARTITIONS": str(PARTITIONS),
            "SLIPAWAY_CLOCK": "event",
            "SLIPAWAY_MODEL": "pinned",
            "SLIPAWAY_WEB_PORT": "0",
            "SLIPAWAY_POLICY": str(policy),
            "SLIPAWAY_TOPICS__SOURCES": "[]",
            **{f"SLIPAWAY_TOPICS__{t.upper()}": topic_names(t) for t in TOPICS},
        }

    def slipaway(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, which must be a good one."""
        done = subprocess.run(
            [sys.executable, "-m", "stream", *map(str, arguments)],
            env={**self.environment, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def worker(self, number: int) -> subprocess.Popen[bytes]:
        """Start a worker."""
        with (self.folder / f"worker-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "stream", "run"],
                env={**self.environment, "SLIPAWAY_INSTANCE_ID": f"w{number}"},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def logs(self) -> str:
        """Give what the workers said."""
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-3_000:]}"
            for path in sorted(self.folder.glob("worker-*.log"))
        )


async def committed(broker: LocalBroker, topic: str) -> list[bytes]:
    """Give every committed value of a topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        values: list[bytes] = []
        for tp in tps:
            while await consumer.position(tp) < ends[tp]:
                for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                    values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


async def through_kafka(
    run: Run, expected: Sequence[bytes], *, workers: int, kills: int
) -> list[bytes]:
    """Let workers work off the usage topic, killing some on the way; give all their alerts."""
    processes = [run.worker(number) for number in range(workers)]
    chance = random.Random(workers)
    deadline = time.monotonic() + 400
    killed = 0
    try:
        values: list[bytes] = []
        while len(values) < len(expected):
            await asyncio.sleep(1)
            assert time.monotonic() < deadline, run.logs()
            values = await committed(run.broker, run.alerts)
            for number, process in enumerate(processes):
                assert process.poll() is None, run.logs()
                if killed < kills and len(values) > (killed + 1) * len(expected) / (kills + 2):
                    victim = chance.randrange(workers)
                    processes[victim].kill()
                    processes[victim].wait()
                    processes[victim] = run.worker(victim)
                    killed += 1
                    break
                del number
        await asyncio.sleep(2)
        codes = []
        for process in processes:
            process.send_signal(signal.SIGTERM)
            codes.append(process.wait(30))
        assert codes == [0] * workers, run.logs()
        assert killed == kills, "the run was over before anybody was killed"
        return await committed(run.broker, run.alerts)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


async def compare(run: Run, logs: Sequence[Path], *, workers: int, kills: int) -> None:
    """Replay from files, then through Kafka, and hold the alerts against each other."""
    alerts, models = run.folder / "alerts.jsonl", run.folder / "models.jsonl"
    files = [str(path) for path in logs]
    policy = ("--policy", run.policy)
    run.slipaway("replay", *files, *policy, "--alerts", alerts, "--save-model", models)
    expected = alerts.read_bytes().splitlines()
    assert len(expected) > 100
    run.slipaway("topics", "create")
    run.slipaway("replay", *files, *policy, "--to-topic", run.usage, "--model", models)
    actual = await through_kafka(run, expected, workers=workers, kills=kills)
    assert Counter(actual) == Counter(expected)
    assert len({json.loads(value)["alert_id"] for value in actual}) == len(actual)


@pytest.mark.parametrize(("workers", "kills"), [(1, 0), (2, 2)])
async def test_a_simulated_log_through_kafka_gives_the_alerts_of_the_file(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    tmp_path: Path,
    workers: int,
    kills: int,
) -> None:
    """The same law for who has no real log: decline, warnings and endings included."""
    log = tmp_path / "events.jsonl.gz"
    with gzip.open(log, "wb") as file:
        file.writelines(message(event) + b"\n" for event in simulate(300, 60, seed=3))
    run = Run(broker, topic_names, ROOT / "stream" / "demo" / "policy.toml", tmp_path)
    await compare(run, [log], workers=workers, kills=kills)


@pytest.mark.parametrize(("workers", "kills"), [(1, 0), (1, 1), (3, 3)])
@pytest.mark.shared
async def test_online_retail_through_kafka_gives_the_alerts_of_the_file(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    shared_data: Path,
    tmp_path: Path,
    workers: int,
    kills: int,
) -> None:
    """Whatever the number of workers, and whether or not they are killed: the same, each once."""
    run = Run(broker, topic_names, ROOT / "examples" / "online-retail.toml", tmp_path)
    log = shared_data / "online_retail" / "online_retail.csv.gz"
    await compare(run, [log], workers=workers, kills=kills)
