"""Heartbeats: a source's word that it is alive and complete up to a moment.

Silence in the log may mean that nobody came, or that the source is dead.  A
heartbeat tells the two apart: it moves the clock without being usage.
"""

from collections.abc import Mapping

import msgspec

from stream.detector.errors import BadEvent, Code
from stream.wire.fields import shown
from stream.wire.times import LATEST_MS

TAG = "heartbeat"


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """The source has sent everything up to `watermark`."""

    watermark: int
    """Event time: milliseconds since 1970 UTC."""


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Write a heartbeat as one source may send it to every partition."""
    return b'{"slipaway":"heartbeat","watermark":%d}' % heartbeat.watermark


def from_record(record: Mapping[str, object]) -> Heartbeat:
    """Read a heartbeat from its JSON object, or raise BadEvent."""
    watermark = record.get("watermark")
    if watermark is None:
        raise BadEvent(Code.NO_TIME, "the heartbeat's watermark is missing")
    if isinstance(watermark, bool) or not isinstance(watermark, int):
        found = shown(watermark)
        raise BadEvent(Code.WRONG_TYPE, f"watermark is {found}: expected integer milliseconds")
    if not 0 <= watermark <= LATEST_MS:
        raise BadEvent(Code.BAD_TIME, f"watermark is {watermark}: not within 1970 to 9999")
    return Heartbeat(watermark)
