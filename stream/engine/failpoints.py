"""Failpoints: the places where the fault tests kill, stop or delay a worker.

`SLIPAWAY_FAILPOINT=before_commit:3` kills the process, as `kill -9` would, at
its third arrival at that point; `before_commit:3:stop` freezes it there, until
somebody sends SIGCONT.  `SLIPAWAY_FAILPOINT_DELAY=0.8` widens the one window
that no signal can hit, from a seek to the moment blocks flow again, to that
many seconds.  Unset, which is always but in tests, a point costs one
comparison.
"""

import asyncio
import os
import signal
from itertools import count
from typing import Literal

Point = Literal[
    "after_fold", "after_snapshot", "mid", "before_commit", "after_commit", "in_restore"
]

_point, _, _when = os.environ.get("SLIPAWAY_FAILPOINT", "").partition(":")
_arrival, _, _how = _when.partition(":")
_signal = signal.SIGSTOP if _how == "stop" else signal.SIGKILL
_arrivals = count(1)
_delay_seconds = float(os.environ.get("SLIPAWAY_FAILPOINT_DELAY") or 0)


def reach(point: Point) -> None:
    """Die or freeze here, if this is the point and the arrival that was asked for."""
    if point == _point and next(_arrivals) == int(_arrival or 1):
        os.kill(os.getpid(), _signal)


async def linger() -> None:
    """Stay here for a while, if that was asked for."""
    if _delay_seconds:
        await asyncio.sleep(_delay_seconds)
