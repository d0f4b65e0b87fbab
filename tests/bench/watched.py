"""A real worker in this process, with a stop-watch at both ends of a log.

The worker is `slipaway run` as it is: its own wiring, settings, policy, trainer
and transactions.  Only its observer is exchanged, for one that reports the same
and also notes when the first event came and when the last was folded; then it
asks the process to stop, as a supervisor would.
"""

import asyncio
import cProfile
import os
import signal
import sys
import threading
import time
from typing import Any, Literal

from faust.types import TP

from stream.engine.connection import wait_for_broker
from stream.settings import OWN_TOPICS, Settings, load
from stream.worker.app import Worker, read_policy
from stream.worker.connection import connection
from stream.worker.engine_report import EngineReport
from stream.worker.logs import to_stderr
from stream.worker.metrics import Metrics


def worker_settings(
    bootstrap: str, topic: str, run_id: str, model: Literal["learn", "pinned"] = "learn"
) -> Settings:
    """Say how a user's worker would run on `topic`, keyed by customer, with topics of its own.

    The events lie in the past, so this is a replay, and `clock` is what a replay
    uses.  By the wall clock, the first partition to be caught up would have
    years of silence fall due at once, beside the others' events.  Any setting
    but these may be given by the environment, as always.
    """
    flags: dict[str, Any] = {
        "bootstrap_servers": bootstrap,
        "app_id": run_id,
        "instance_id": run_id,
        "clock": "event",
        "model": model,
        "web_port": 0,
        "topics": {name: f"{run_id}.{name}" for name in OWN_TOPICS} | {"usage": topic},
    }
    first = load(flags)
    counts = asyncio.run(wait_for_broker(connection(first), [topic]))
    return load({**flags, "partitions": counts[topic]})


class Clocks:
    """What a process has used so far."""

    def __init__(self) -> None:
        """Look at the clock on the wall, and at those of all threads."""
        self.wall = time.perf_counter()
        self.cpu = time.process_time()
        self.threads = {
            thread.name: time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
            for thread in threading.enumerate()
            if thread.ident is not None
        }


class Watch(EngineReport):
    """The worker's own observer, with the stop-watch."""

    def __init__(
        self, metrics: Metrics, topic: str, events: int, profile: cProfile.Profile | None
    ) -> None:
        """Call for the end when so many events of `topic` are folded; profile until then."""
        super().__init__(metrics)
        self._profile = profile
        self._topic = topic
        self._events = events
        self.folded = 0
        self.begin: Clocks
        self.end: Clocks | None = None
        self.saved_at = 0.0
        self.saved_cpu = 0.0
        self.checkpoints: list[float] = []

    def applied(self, tp: TP, records: int, seconds: float, first_ms: int) -> None:
        """Start the watch with the first slice, stop it with the one that holds the last event."""
        super().applied(tp, records, seconds, first_ms)
        if tp.topic != self._topic:
            return
        if not self.folded:
            self.begin = Clocks()
            self.begin.wall -= seconds  # the slice is folded already,
            self.begin.cpu -= seconds  # by a thread that did nothing else
            if self._profile is not None:
                self._profile.enable()
        self.folded += records
        if self.folded >= self._events and self.end is None:
            self.end = Clocks()
            if self._profile is not None:
                self._profile.disable()
            stop()

    def checkpointed(self, tp: TP, seconds: float, rows: int, outputs: int) -> None:
        """Note how long it took, and when the last of them was."""
        super().checkpointed(tp, seconds, rows, outputs)
        if tp.topic == self._topic:
            self.saved_at, self.saved_cpu = time.perf_counter(), time.process_time()
            self.checkpoints.append(seconds)


def stop() -> None:
    """End as a supervisor would have us end."""
    os.kill(os.getpid(), signal.SIGTERM)


def run_to_end(worker: Worker) -> None:
    """Run until somebody calls `stop`.

    What the worker cannot do ends the process, as always, with the reason on standard error.
    """
    settings = worker.settings
    to_stderr(settings.log_level, settings.log_format)
    try:
        worker.run()
    except SystemExit as end:
        if end.code:
            raise


def work_off(
    settings: Settings, events: int, profile: cProfile.Profile | None = None
) -> dict[str, Any]:
    """Run a worker over `events` events to its orderly end; give what that took."""
    worker = Worker(settings, read_policy(settings))
    worker.report = watch = Watch(worker.metrics, settings.topics.usage, events, profile)
    run_to_end(worker)
    if watch.end is None:
        sys.exit(f"stopped after {watch.folded} of {events} events")
    wall_s = watch.end.wall - watch.begin.wall
    threads = {
        name: cpu - watch.begin.threads.get(name, 0.0) for name, cpu in watch.end.threads.items()
    }
    return {
        "events": watch.folded,
        "wall_s": round(wall_s, 4),
        "cpu_s": round(watch.end.cpu - watch.begin.cpu, 4),
        "events_per_s": round(watch.folded / wall_s, 1),
        "drain_s": round(time.perf_counter() - watch.end.wall, 3),
        "saved_s": round(max(0.0, watch.saved_at - watch.end.wall), 3),
        "saved_cpu_s": round(max(0.0, watch.saved_cpu - watch.end.cpu), 3),
        "results": _results(worker, settings.topics.usage),
        "cpu_by_thread_s": {name: round(cpu, 3) for name, cpu in threads.items() if cpu >= 0.01},
        "checkpoints_s": [round(seconds, 4) for seconds in watch.checkpoints],
    }


def _results(worker: Worker, topic: str) -> dict[str, int]:
    """Say what became of the events."""
    return {
        sample.labels["result"]: int(sample.value)
        for metric in worker.metrics.events.collect()
        for sample in metric.samples
        if sample.labels["topic"] == topic and sample.value
    }


def read(
    bootstrap: str, topic: str, events: int, run_id: str, profile_to: str = ""
) -> dict[str, Any]:
    """Run a worker over `topic` to its end, as a measurement's own process.

    `profile_to` takes a profile of the main thread, which takes twice the time then.
    """
    profile = cProfile.Profile() if profile_to else None
    took = work_off(worker_settings(bootstrap, topic, run_id), events, profile)
    if profile is not None:
        profile.dump_stats(profile_to)
    return took
