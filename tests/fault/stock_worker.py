"""A worker of plain faust-streaming, as its documentation has it: what the product is held against.

It counts events per customer in a `Table` and publishes a record at every tenth,
a simpler job of the same kind as ours.  Nothing of Faust is replaced.  A sensor,
Faust's own way of looking on, may end the process at a commit.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import faust
from faust.sensors.base import Sensor

PARTITIONS = 6
EVERY = 10


class KillAtCommit(Sensor):
    """Ends the process, as `kill -9` would, when a commit begins or has just ended."""

    def __init__(self, when: str, arrival: int) -> None:
        """Kill at the so-many-th time of `when`: "begin" or "end"."""
        super().__init__()
        self.when = when
        self.left = arrival

    def on_commit_initiated(self, consumer: Any) -> Any:  # noqa: ARG002 - Faust's signature
        """Note that the commit begins."""
        self._reach("begin")

    def on_commit_completed(self, consumer: Any, state: Any) -> None:  # noqa: ARG002
        """Note that the offsets are committed."""
        self._reach("end")

    def _reach(self, when: str) -> None:
        self.left -= when == self.when
        if when == self.when and self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def build(app_id: str, bootstrap: str, name: str, guarantee: str, folder: str) -> faust.App:
    """Return the app; what is not named here is Faust's default."""
    app = faust.App(
        app_id,
        broker=f"kafka://{bootstrap}",
        store="memory://",  # recovers from the changelog at every start, and from nothing else
        processing_guarantee=guarantee,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=name,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        datadir=folder,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "value_serializer": "raw"}
    events = app.topic(f"{app_id}.events", partitions=PARTITIONS, **raw)
    alerts = app.topic(f"{app_id}.alerts", partitions=PARTITIONS, **raw)
    counts = app.Table("counts", key_type=bytes, value_type=int, default=int, partitions=PARTITIONS)

    @app.agent(events)
    async def count(stream: Any) -> None:
        async for event in stream.events():
            key = event.key
            counts[key] += 1
            if counts[key] % EVERY == 0:
                sent = await alerts.send(key=key, value=b"%s:%d" % (key, counts[key]))
                await sent  # until the broker has it

    return app


def work(app: faust.App, kill_at: str) -> None:
    """Be a worker until told to stop; `kill_at` is "begin:3", "end:2", or empty."""
    sensors = set()
    if kill_at:
        when, _, arrival = kill_at.partition(":")
        sensors.add(KillAtCommit(when, int(arrival)))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(app, sensors=sensors, loglevel="warning", loop=loop)
    worker.spinner = None  # it would fill the log
    worker.execute_from_commandline()


if __name__ == "__main__":
    work(build(*sys.argv[1:6]), os.environ.get("SLIPAWAY_FAILPOINT", ""))
