"""Model: how old what customers are judged by is.

Each day of event time makes a new one, so an old one says that nobody trains, or that a
partition keeps a day from ending.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stream.detector.events import DAY_MS
from stream.doctor.findings import Fault, Finding, ok, warning
from stream.settings import Settings

CHECK = "model"
STALE_MS = 3 * DAY_MS  # as the rule SlipawayModelStale has it


@dataclass(frozen=True, slots=True)
class Newest:
    """The latest snapshot of the model topic."""

    version: str
    effective_from: int
    """Milliseconds since 1970 UTC."""


def judge(settings: Settings, newest: Newest | None, now_ms: int) -> Iterator[Finding]:
    """Say whether it is of these days, where the clock is that of the wall."""
    if newest is None:
        yield ok(CHECK, "nothing is learned yet: the prior answers alone")
        return
    days = (now_ms - newest.effective_from) / DAY_MS
    said = f"{newest.version}, in force for {days:.1f} days"
    if settings.model == "pinned" or settings.clock == "event" or days * DAY_MS <= STALE_MS:
        yield ok(CHECK, said)
        return
    yield warning(
        CHECK,
        f"{said}: a new one comes with each day, if somebody trains",
        Fault.WORKER,
        f"see that a worker with model = learn reads {settings.topics.examples} (group, above), and"
        f" that no partition of {settings.topics.usage} is days behind",
    )
