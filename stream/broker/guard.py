"""Runs one command, and ends it when whoever asked for it is gone.

A test runner that is killed with -9 cannot clean up; a broker left behind holds
half a gigabyte and a port for ever.  The asker holds the other end of this
process's standard input: end of file means that it is gone, however it went.
Linux's parent-death signal alone would not do: it follows the asking *thread*,
and other systems lack it.  Here it only covers the guard's own death.

Stands alone, and is run by path with `-I -S`: it must start in milliseconds.

    guard.py TEMPORARY COMMAND...

prints the command's process id, and exits as the command does.  `TEMPORARY` is
a folder to remove once the asker is gone, or empty.
"""

import ctypes
import os
import selectors
import shutil
import signal
import subprocess
import sys

_STOP_SECONDS = 5
_PR_SET_PDEATHSIG = 1


def _die_with_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(temporary: str, command: list[str]) -> int:
    """Run `command` until it ends or the asker is gone, and return its exit status."""
    ended, ended_writer = os.pipe()
    os.set_blocking(ended_writer, False)
    signal.set_wakeup_fd(ended_writer)
    signal.signal(signal.SIGCHLD, _note)
    # The asker decides, or its absence does.  Not SIG_IGN: the command would inherit it.
    signal.signal(signal.SIGTERM, _note)
    # fork and exec in a process of one thread: preexec_fn is safe
    child = subprocess.Popen(  # noqa: S603 - our own command line
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_die_with_guard,  # noqa: PLW1509
    )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while child.poll() is None:
            ready = [key.fileobj for key, _ in selector.select()]
            if ended in ready:
                os.read(ended, 64)
            if sys.stdin in ready:
                _stop(child)
                if temporary:
                    shutil.rmtree(temporary, ignore_errors=True)
    return child.returncode


def _note(*_: object) -> None:
    """Let the signal wake the selector; the loop looks at what happened."""


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
