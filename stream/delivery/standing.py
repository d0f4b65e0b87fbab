"""Standing: which endpoints want nothing any more, written where a restart finds it.

A compacted topic, one record an endpoint.  It speaks of the URL that said so: with
another one the endpoint begins anew.  The URL itself may be a secret, so its hash is
what is written.
"""

from hashlib import sha256

import msgspec

from stream.wire.times import iso


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """That an endpoint is disabled."""

    endpoint: str
    url_sha256: str
    reason: str
    since: str
    """ISO 8601, UTC."""
    state: str = "disabled"


def disabled(name: str, url: str, reason: str, now_ms: int) -> Standing:
    """Say that the endpoint at a URL wants nothing any more."""
    return Standing(endpoint=name, url_sha256=_hash(url), reason=reason, since=iso(now_ms))


def speaks_of(standing: Standing, url: str) -> bool:
    """Say whether a standing is about this URL."""
    return standing.url_sha256 == _hash(url)


def encode(standing: Standing) -> bytes:
    """Write a standing as JSON."""
    return msgspec.json.encode(standing)


def decode(value: bytes) -> Standing:
    """Read what `encode` wrote; raise ValueError if it is not that."""
    return msgspec.json.decode(value, type=Standing)


def _hash(url: str) -> str:
    return sha256(url.encode()).hexdigest()
