"""What accounts are told, as bytes: `detect` writes it keyed by account, the roll-up reads it.

Our own form, flat and tagged as canonical usage is; heartbeats stand between
the lines, and say how far each partition of customers has come.  Whatever else
is found here somebody else has written.
"""

from typing import Any

import msgspec

from stream.detector.errors import BadEvent
from stream.detector.members import MemberNews, Tidings
from stream.detector.segments import Value
from stream.wire import heartbeat
from stream.wire.heartbeat import Heartbeat

TAG = "member.v1"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_check_traits = msgspec.json.Decoder(dict[str, Value | None]).decode


class _Line(msgspec.Struct, frozen=True, gc=False):
    """The form of what is told, but for its tag."""

    at: int
    what: str
    account_id: str
    customer_id: str
    since: int = 0
    traits: str = ""


class MemberNewsError(Exception):
    """A record of the members topic that no version of this program we know has written."""


def encode_member(news: MemberNews) -> bytes:
    """Write what is told, version 1."""
    line = {"slipaway": TAG, **news._asdict(), "what": news.what.name.lower()}
    if not news.traits:
        del line["traits"]
    return _encode(line)


def decode_member(value: bytes | None) -> MemberNews | Heartbeat:
    """Read what is told, or how far a partition has come; raise MemberNewsError."""
    if value is None:
        raise MemberNewsError("a record without a value: somebody else writes to this topic")
    try:
        flat = _decode(value)
        tag = flat.get("slipaway")
        if tag == heartbeat.TAG:
            return heartbeat.from_record(flat)
        if tag != TAG:
            raise MemberNewsError(
                f"a record of form {tag!r}, where this program reads {TAG}. Operator action: run"
                " one version of slipaway, the newest, on all partitions"
            )
        line = msgspec.convert(flat, _Line)
        what = Tidings[line.what.upper()]
        if line.traits or what is Tidings.TRAITS:
            _check_traits(line.traits)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, BadEvent) as error:
        raise MemberNewsError(f"a record that cannot be read: {error}") from error
    return MemberNews(line.at, line.account_id, line.customer_id, what, line.since, line.traits)
