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
    """The source has sent everything up to `watermark`.

    One with an `origin` speaks for one of several sources that meet in a topic;
    one without speaks for all of them.
    """

    watermark: int
    """Event time: milliseconds since 1970 UTC."""
    origin: str = ""
    origins: int = 0
    """How many of them there are."""
    busy: bool = True
    """The origin still has a backlog; false: it has nothing more to send for now."""


_encode = msgspec.json.Encoder().encode


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Write a heartbeat as one source may send it to every partition."""
    if not heartbeat.origin:
        return b'{"slipaway":"heartbeat","watermark":%d}' % heartbeat.watermark
    return _encode({"slipaway": TAG, **msgspec.structs.asdict(heartbeat)})


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
    origin, origins = record.get("origin", ""), record.get("origins", 0)
    if not isinstance(origin, str) or not isinstance(origins, int):
        raise BadEvent(Code.WRONG_TYPE, "a heartbeat's origin is text, and origins a number")
    return Heartbeat(watermark, origin, origins, busy=record.get("busy") is not False)
