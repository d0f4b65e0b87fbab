"""Worker processes: started, signalled by pid, started again, their logs read.

A supervisor in production sees a worker from outside: its exit code, its log,
its memory.  So do the fault tests; nothing here looks inside one.
"""

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class Worker:
    """One worker: a command that is started again and again under one name."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        """Name it; `start` runs `command`, and its log is kept in `folder` over all starts."""
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.log = folder / f"{name}.log"
        self.failpoint = ""  # what the process that runs now was started with
        self.supervised = True  # start it again when it ends
        self.process: subprocess.Popen[bytes] | None = None
        self._begin = 0  # where the log of the present start begins

    def start(self, failpoint: str = "") -> None:
        """Run it, to die or freeze at `failpoint` if one is given."""
        self.failpoint = failpoint
        with self.log.open("ab") as log:
            self._begin = log.tell()
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment, "SLIPAWAY_FAILPOINT": failpoint},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_the_test,  # noqa: PLW1509 - async-signal-safe: one call
            )

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs, or was never started."""
        return None if self.process is None else self.process.poll()

    @property
    def running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def works(self) -> bool:
        """Whether it runs and has taken up its partitions, of which there may be none."""
        return self.running and bool(self.lines("assigned", since_start=True))

    @property
    def frozen(self) -> bool:
        """Whether it is stopped, by SIGSTOP or at a failpoint."""
        return self.running and self._stat()[0] == "T"

    @property
    def resident_megabytes(self) -> float:
        """The memory it holds; 0 where nobody can tell."""
        try:
            pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * _PAGE_BYTES / 1e6

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is anybody to get it."""
        if self.running:
            os.kill(self._pid, number)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    async def ended(self, seconds: float = 60) -> int:
        """Return the exit code of the process that runs now, once it has one."""
        process = self.process  # a supervisor may put the next one in its place
        assert process is not None
        await until(lambda: process.poll() is not None, seconds, f"{self.name} has not ended")
        return process.returncode

    def lines(self, event: str, *, since_start: bool = False) -> list[dict[str, Any]]:
        """Return what it logged under one name, in its whole life or since its last start."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as log:
            log.seek(self._begin if since_start else 0)
            found = [line for line in log if line.startswith(b"{") and line.endswith(b"}\n")]
        entries = [json.loads(line) for line in found if b'"%s"' % event.encode() in line]
        return [entry for entry in entries if entry.get("event") == event]

    @property
    def holds(self) -> set[str]:
        """The partitions of its last assignment, as topic/number."""
        assigned = self.lines("assigned", since_start=True)
        return {*assigned[-1]["kept"], *assigned[-1]["restored"]} if assigned else set()

    @property
    def address(self) -> str:
        """Where it answers on the web."""
        return str(self.lines("web", since_start=True)[-1]["url"])

    @property
    def _pid(self) -> int:
        return 0 if self.process is None else self.process.pid

    def _stat(self) -> list[str]:
        """Return its line in the process table behind the command's name, the state first."""
        text = Path(f"/proc/{self._pid}/stat").read_text()
        return text[text.rindex(")") + 2 :].split()


def _die_with_the_test() -> None:
    """Let no worker outlive a test run that was itself killed (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def until(
    condition: Callable[[], bool | Awaitable[bool]],
    seconds: float,
    otherwise: str | Callable[[], str],
    *,
    pause_seconds: float = 0.1,
) -> None:
    """Return once `condition` holds; fail with `otherwise` where it does not for so long."""
    deadline = time.monotonic() + seconds
    while True:
        holds = condition()
        if await holds if isinstance(holds, Awaitable) else holds:
            return
        if time.monotonic() > deadline:
            raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
        await asyncio.sleep(pause_seconds)
