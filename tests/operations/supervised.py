"""A worker as a supervisor keeps it: whatever it ends with, it is started again."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

AGAIN_SECONDS = 1.0


class Supervised:
    """A `slipaway run` that is started again, until it is given up."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """Start it; its words go to `log`."""
        self._environment = {**os.environ, **environment}
        self._log = log
        self._given_up = threading.Event()
        self._popen = self._started()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def kill(self) -> None:
        """End it as a power cut would, and leave it so."""
        self._given_up.set()
        self._popen.kill()
        self._thread.join()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "stream", "run"], env=self._environment, stderr=log
            )

    def _keep(self) -> None:
        while True:
            self._popen.wait()
            if self._given_up.wait(AGAIN_SECONDS):
                return
            self._popen = self._started()
            if self._given_up.is_set():  # between the two
                self._popen.kill()


@contextmanager
def supervised(environment: Mapping[str, str], log: Path) -> Iterator[Supervised]:
    """Keep a worker for as long as this lasts."""
    worker = Supervised(environment, log)
    try:
        yield worker
    finally:
        worker.kill()
