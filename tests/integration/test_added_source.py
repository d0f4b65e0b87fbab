"""A worker that comes back with more to read reads it, however soon it comes back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from worker_process import TOPICS, create, producer, until, worker

from stream.broker import LocalBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

EVENT = b'{"type":"track","userId":"ann","event":"e","timestamp":"2026-01-01T00:00:00Z"}'


async def test_a_source_that_was_added_is_read_after_a_quick_restart(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """A static member is given back what it had; the new source was read by nobody, for good."""
    raw, added = topic_names("raw"), topic_names("added")
    names = {name: topic_names(name) for name in TOPICS}
    for topic in (raw, added):
        await create(broker, topic, {})
    quick = {"SESSION_TIMEOUT_SECONDS": "60"}  # to be back within it, on a busy machine too
    with worker(broker, names, raw, tmp_path, **quick) as process:
        await process.ready()
        assert process.stop() == 0
    with worker(broker, names, f"{raw},{added}", tmp_path, **quick) as process:
        await process.ready()
        async with producer(broker) as sender:
            await sender.send_and_wait(added, EVENT)
        await until(lambda: process.counted("events_total", topic=added, result="ingested") == 1)
        assert process.stop() == 0
