"""The worker as a child: its death is told, and it does not outlive us."""

import asyncio
from pathlib import Path

import pytest

from stream.demo.child import Worker, WorkerDiedError


async def test_the_workers_death_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    """Whoever watches must learn why, without searching for a file."""

    async def watch(worker: Worker) -> None:
        while True:
            worker.check()
            await asyncio.sleep(0.05)

    with (
        Worker({"SLIPAWAY_CLOCK": "sundial"}, tmp_path / "worker.log") as worker,
        pytest.raises(WorkerDiedError, match=r"(?s)status 2.*clock"),
    ):
        await asyncio.wait_for(watch(worker), 60)


def test_a_running_worker_is_ended_in_order(tmp_path: Path) -> None:
    """Here one that waits for a broker that is not there."""
    worker = Worker({"SLIPAWAY_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, tmp_path / "worker.log")
    worker.check()
    worker.end()

    with pytest.raises(WorkerDiedError):
        worker.check()
