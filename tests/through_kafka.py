"""A log through Kafka and real workers, some of them killed; and the same log from its file."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from worker_process import TOPICS

from stream.broker import LocalBroker

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "stream" / "demo" / "policy.toml"
RETAIL = ROOT / "examples" / "online-retail.toml"
PARTITIONS = 8
DEATHS = ("before_commit:2", "after_commit:2", "mid:2")
"""Where the first worker is killed, life after life."""


def slipaway(environment: dict[str, str], *arguments: object) -> None:
    """Run a command to its end, which must be a good one."""
    done = subprocess.run(
        [sys.executable, "-m", "stream", *map(str, arguments)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


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

    def worker(self, number: int, failpoint: str = "") -> subprocess.Popen[bytes]:
        """Start a worker, to die at `failpoint`; each life has a log of its own."""
        life = len(list(self.folder.glob(f"worker-{number}-*.log")))
        with (self.folder / f"worker-{number}-{life}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "stream", "run"],
                env={
                    **self.environment,
                    "SLIPAWAY_INSTANCE_ID": f"w{number}",
                    "SLIPAWAY_FAILPOINT": failpoint,
                },
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def at_work(self, number: int) -> bool:
        """Tell whether the worker's latest life has its partitions."""
        latest = max(self.folder.glob(f"worker-{number}-*.log"))
        return '"event": "assigned"' in latest.read_text()

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
    """Let workers work off the usage topic, the first dying on the way; give all their alerts.

    The others start after its first death, so that there is work left to die in.
    """
    failpoints = deque(DEATHS[:kills])
    processes = [run.worker(0, failpoints[0] if failpoints else "")]
    deadline = time.monotonic() + 400
    try:
        values: list[bytes] = []
        while failpoints or len(values) < len(expected):
            await asyncio.sleep(1)
            assert time.monotonic() < deadline, run.logs()
            if failpoints and processes[0].poll() == -signal.SIGKILL:
                failpoints.popleft()
                processes[0] = run.worker(0, failpoints[0] if failpoints else "")
            if len(failpoints) < kills or not kills:
                processes += [run.worker(number) for number in range(len(processes), workers)]
            ended = [process.poll() for process in processes]
            assert not any(ended[1:]), run.logs()
            assert not ended[0] or failpoints, run.logs()
            values = await committed(run.broker, run.alerts)
        while not all(map(run.at_work, range(workers))):
            assert time.monotonic() < deadline, run.logs()
            await asyncio.sleep(0.5)
        codes = []
        for process in processes:
            process.send_signal(signal.SIGTERM)
            codes.append(process.wait(30))
        assert codes == [0] * workers, run.logs()
        return await committed(run.broker, run.alerts)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def replay_file(folder: Path, log: Path, policy: Path) -> Path:
    """Replay a file; give the folder, with `alerts.jsonl` and the `models.jsonl` learned."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPAWAY_")}
    alerts, models = folder / "alerts.jsonl", folder / "models.jsonl"
    arguments = ("--policy", policy, "--alerts", alerts, "--save-model", models)
    slipaway(environment, "replay", log, *arguments)
    return folder
