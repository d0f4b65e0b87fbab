"""How far a partition has come: what a checkpoint holds of it besides its customers."""

import msgspec

from stream.detector.population import Day
from stream.detector.turnover import TurnoverState
from stream.detector.watermark import Watermark


class Progress(msgspec.Struct):
    """The times a partition has reached, the day's tally, and the policy in force."""

    watermark: Watermark = msgspec.field(default_factory=Watermark)
    latest: int = 0
    """Latest event time seen (ms)."""
    day: Day = msgspec.field(default_factory=Day)
    policy: str = ""
    """Version of the policy by which the customers' next things due were reckoned."""
    told_suspended: int = 0
    """Since when (ms) alerts were said to be suspended; 0: they are not."""
    turnover: TurnoverState | None = None
    """Who was a customer when a period began, and what became of them; None: as by a release that
    did not count it."""
