"""The watermark: up to where event time is believed to be complete.

It trails the latest event (or the shell's tick) by the allowed lateness and
never goes back.  Every deadline strictly before it is decided; nothing at or
after it is.

Because it never goes back, one event from a clock in 2099 would lapse everybody:
an event too far ahead of the clock that received it is therefore refused.
"""

import msgspec
import numpy as np

from stream.detector.batch import EventBatch
from stream.detector.errors import BadEvent, Code
from stream.detector.events import SECOND_MS


class Watermark(msgspec.Struct):
    """One partition's watermark, in milliseconds since 1970 UTC."""

    at: int = 0

    def follow(self, latest: int, allowed_lateness: int) -> int:
        """Move to `latest` less the allowance, if that is ahead; give where it is now."""
        self.at = max(self.at, latest - allowed_lateness)
        return self.at


def check_not_ahead(occurred_at: int, received_at: int, max_future_skew_ms: int) -> None:
    """Raise BadEvent where a clock runs further ahead of its receiver's than is allowed."""
    if occurred_at > received_at + max_future_skew_ms:
        raise ahead(occurred_at, received_at)


def ahead(occurred_at: int, received_at: int) -> BadEvent:
    """Say how far a clock runs ahead of its receiver's."""
    seconds = (occurred_at - received_at) / SECOND_MS
    return BadEvent(
        Code.FUTURE,
        f"the event says it happened {seconds:.0f} seconds after it was received; "
        "correct the sender's clock",
    )


def out_of_time(
    batch: EventBatch,
    *,
    latest: int,
    decided: int,
    lateness: int,
    skew: int,
    moving: bool,
) -> list[int]:
    """Give the places of events that come late, or from a clock that runs ahead by over `skew`.

    Late is what lies before `decided`, or more than `lateness` before the latest
    event so far: `latest`, and where events move time (`moving`) those of the batch.
    """
    moments = batch.occurred_at
    too_far = moments > batch.received_at + skew
    before = np.full(len(batch), latest)
    if moving:
        known = np.where(too_far, 0, moments)
        before[1:] = np.maximum(latest, np.maximum.accumulate(known)[:-1])
    late = moments < np.maximum(before - lateness, decided)
    return np.flatnonzero(too_far | late).tolist()
