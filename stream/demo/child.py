"""The real worker, as a process of its own, ended when we end: however we end.

It runs behind the broker's guard, which notices when we are gone even if we
were killed, and it does not hear our Ctrl-C: we end it, after we have read its
last alerts.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from stream.broker import guard

_STOP_SECONDS = 8
_TAIL_LINES = 15


class WorkerDiedError(Exception):
    """The worker ended by itself; the message holds the last lines of its log."""


class Worker:
    """A running `slipaway run`."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """Start it with `environment`, its own output going to `log`."""
        self._log = log
        command = [sys.executable, "-I", "-S", str(Path(guard.__file__)), ""]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(  # noqa: S603 - our own command line
                [*command, sys.executable, "-m", "stream", "run"],
                stdin=subprocess.PIPE,  # its other end is what the guard watches
                stdout=subprocess.DEVNULL,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise `WorkerDiedError` if it is not running any more."""
        status = self._guard.poll()
        if status is not None:
            raise WorkerDiedError(f"The worker ended with status {status}. {self.tail()}")

    def end(self) -> None:
        """End it in order, by force if need be."""
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        try:
            self._guard.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()  # the kernel then ends the worker
            self._guard.wait()

    def __enter__(self) -> Self:
        """Return itself: it is running."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.end()

    def tail(self) -> str:
        """Return the last lines of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        if not lines:
            return "It left no log."
        return "\n  ".join(["Its last lines:", *lines[-_TAIL_LINES:]])
