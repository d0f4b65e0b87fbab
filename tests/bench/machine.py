"""The machine: how busy it is beside us, and what a process holds of its memory.

A figure that was taken on a busy machine says so itself: by what was in use just
before it, and by what a known piece of work took beside it.
"""

import ctypes
import gc
import resource
import time
from pathlib import Path
from statistics import fmean

import orjson

from tests.bench.tracks import workload

_STAT = Path("/proc/stat")
_STATM = Path("/proc/self/statm")
_YARDSTICK_EVENTS = 2_000


def busy_share(seconds: float = 1.0) -> float | None:
    """Give the share of the machine's CPU that is in use now; None where nobody tells."""
    if not _STAT.exists():
        return None
    total, idle = _ticks()
    time.sleep(seconds)
    total_after, idle_after = _ticks()
    return round(1 - (idle_after - idle) / max(1, total_after - total), 3)


def _ticks() -> tuple[int, int]:
    """Give all ticks since the start, and those that nobody used."""
    fields = [int(text) for text in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


def held_bytes() -> int:
    """Give the memory that this process holds now, once what is garbage is gone.

    What a checkpoint needed for a moment would else be taken for the customers': the
    allocator keeps it, as much as one checkpoint takes, however many customers there are.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()


class Yardstick:
    """What decoding one event takes here and now, measured now and then beside a measurement.

    Even CPU seconds depend on who else is at work: on shared cores and caches they are up to
    twice as long.  This tells when: a figure is to be trusted where it stood at its least.
    """

    def __init__(self) -> None:
        """Begin with no measurement."""
        self._value = next(workload(1)).value
        self._took: list[float] = []

    def measure(self) -> None:
        """Measure once more; it takes two milliseconds."""
        began = time.process_time()
        for _ in range(_YARDSTICK_EVENTS):
            orjson.loads(self._value)
        self._took.append((time.process_time() - began) / _YARDSTICK_EVENTS)

    @property
    def us(self) -> float:
        """Give the mean, in microseconds of CPU."""
        return round(fmean(self._took) * 1e6, 3)
