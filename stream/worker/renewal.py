"""Renewal: a worker that replaces itself, to begin anew under another policy.

Everything it knows is in Kafka, and starting from there is what it does after
every stop, tested by killing it.  So a changed policy needs no second way
through the engine: the worker saves and stops as for SIGTERM, and the same
process begins again.  It is the same static member, so nobody else notices.

What was found valid is handed over, not read again: the file may be another by then.
"""

import os
import signal
import sys
from typing import NoReturn

VARIABLE = "_SLIPAWAY_POLICY_TEXT"
_BYTES_MAX = 100_000
"""What one variable of the environment holds on every system; a longer text is read again."""


def handed_over() -> str | None:
    """Take the text of the policy to begin with; None: it is in its file."""
    return os.environ.pop(VARIABLE, None)


def be_deaf() -> None:
    """Let SIGHUP be of no effect while nobody listens for it, where it would end the process."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def begin_anew(text: str) -> NoReturn:
    """Begin this process again, as it was called, with the text of another policy."""
    if len(text.encode()) <= _BYTES_MAX and "\0" not in text:
        os.environ[VARIABLE] = text
    be_deaf()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
