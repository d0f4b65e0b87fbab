"""Failpoints: the places where the fault tests kill a worker.

`SLIPAWAY_FAILPOINT=before_commit:3` kills the process, as `kill -9` would, at
its third arrival at that point.  Unset, which is always but in tests, a point
costs one comparison.
"""

import os
import signal
from itertools import count
from typing import Literal

Point = Literal[
    "after_fold", "after_snapshot", "mid", "before_commit", "after_commit", "in_restore"
]

_point, _, _arrival = os.environ.get("SLIPAWAY_FAILPOINT", "").partition(":")
_arrivals = count(1)


def reach(point: Point) -> None:
    """Die here, if this is the point and the arrival that was asked for."""
    if point == _point and next(_arrivals) == int(_arrival or 1):
        os.kill(os.getpid(), signal.SIGKILL)
