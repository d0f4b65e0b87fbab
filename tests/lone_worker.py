"""One test worker of the engine as a process, over one partition, and what it logged."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from needs import ROOT
from worker_process import create

from stream.broker import LocalBroker

ENDED_SECONDS_MAX = 90


class Run:
    """One run of a test worker, and what it logged."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        """Take the process and its log."""
        self.popen = popen
        self.log = log

    async def ended(self) -> int:
        """Wait until it has ended by itself; return its exit code."""
        return await asyncio.to_thread(self.popen.wait, ENDED_SECONDS_MAX)

    def said(self, event: str, **facts: Any) -> bool:
        """Return whether the log has such a line."""
        lines = [json.loads(ln) for ln in self.log.read_text().splitlines() if ln.startswith("{")]
        return any(
            line["event"] == event and facts.items() <= line.items()  # all of the facts
            for line in lines
        )

    @property
    def reason(self) -> str:
        """Why it left."""
        lines = [json.loads(ln) for ln in self.log.read_text().splitlines() if '"leaving"' in ln]
        return str(lines[-1]["reason"])


@contextmanager
def running(
    module: ModuleType, app: str, broker: LocalBroker, log: Path, *more: str, **options: Any
) -> Iterator[Run]:
    """Run a test worker over the topics of `app`."""
    options = {"flows": "count", **options}
    command = [sys.executable, module.__file__, app, broker.bootstrap, "w1", json.dumps(options)]
    with log.open("wb") as file:
        popen = subprocess.Popen(
            [*command, *more],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=file,
        )
    try:
        yield Run(popen, log)
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


async def make_topics(broker: LocalBroker, app: str) -> None:
    """Make what the worker reads and writes."""
    await create(broker, f"{app}.usage", {})
    await create(broker, f"{app}.alerts", {})
    await create(broker, f"{app}.state", {"cleanup.policy": "compact"})
