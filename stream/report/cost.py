"""Cost: what a run took of the machine it ran on; the one part of a report that differs by run."""

import resource
import sys
from typing import Final

import msgspec

_KIBI: Final = 1024


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Time and memory of one run."""

    seconds: float
    """Wall time, of everything up to the report itself."""
    phases: dict[str, float]
    """The same by what was done, in its order; seconds."""
    events_per_second: float
    """Over the whole of it."""
    peak_memory_bytes: int
    """Resident, of the process since it began."""
    cpus: int
    """That the process could use."""


def peak_memory_bytes() -> int:
    """Ask the system how much memory the process has held at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIBI  # the unit is the system's
