"""A worker that has work and does none of it ends itself, and the next one does it."""

from pathlib import Path

import deaf_worker
import engine_worker
import pytest
from lone_worker import ENDED_SECONDS_MAX, make_topics, running
from worker_process import producer, until

from stream.broker import LocalBroker
from stream.engine.exits import Exit

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]

STALLED_SECONDS = 6.0


async def send(broker: LocalBroker, app: str, count: int) -> None:
    """Write records to count."""
    async with producer(broker) as sender:
        for number in range(count):
            await sender.send(f"{app}.usage", b"", key=b"c%d" % number, partition=0)


async def test_a_consumer_that_went_deaf_ends_the_worker_and_the_next_one_hears(
    broker: LocalBroker, unique: str, tmp_path: Path
) -> None:
    """Its heartbeat goes on, so nobody else would be given the partition."""
    await make_topics(broker, unique)
    await send(broker, unique, 20)
    deaf = tmp_path / "deaf"
    log = tmp_path / "deaf.log"
    options = {"stalled_seconds": STALLED_SECONDS}
    with running(deaf_worker, unique, broker, log, str(deaf), **options) as run:
        await until(lambda: run.said("quiet", total=20))
        deaf.touch()
        await until(lambda: run.said("deaf"))
        await send(broker, unique, 30)
        assert await run.ended() == Exit.TEMPORARY
        assert f"{unique}.usage/0 is behind and stands still" in run.reason
    with running(engine_worker, unique, broker, tmp_path / "next.log", **options) as run:
        await until(lambda: run.said("quiet", total=50))
        run.popen.terminate()
        assert await run.ended() == 0


async def test_an_event_loop_that_hangs_ends_the_worker(
    broker: LocalBroker, unique: str, tmp_path: Path
) -> None:
    """It cannot see that it hangs; a thread beside it does."""
    await make_topics(broker, unique)
    await send(broker, unique, 1)
    options = {"stalled_seconds": STALLED_SECONDS, "drag": 2.0 * ENDED_SECONDS_MAX}
    with running(engine_worker, unique, broker, tmp_path / "hung.log", **options) as run:
        assert await run.ended() == Exit.TEMPORARY
        assert "the event loop hangs" in run.reason
