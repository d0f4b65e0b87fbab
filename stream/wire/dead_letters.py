"""Dead letters: what could not be used, put aside as it came, with the reason in headers.

Key and value are not touched: what is repaired and replayed has to be what the
sender sent.  The first six headers are Kafka Streams' (KIP-1034), so its tools
read ours; the rest say where we stood and how often we tried.
"""

from collections.abc import Iterable

import msgspec

from stream.detector.errors import BadEvent, Code
from stream.wire.times import from_iso, iso

Header = tuple[str, bytes | None]

_STREAMS = "__streams.errors."
_OWN = ("slipaway.stage", "slipaway.error.code", "slipaway.attempt")
_OWN_LATER = ("slipaway.first_failed_at", "slipaway.app.version")
_RECORD_TIME = "slipaway.record.timestamp"
_REPLAY_OF = "slipaway.replay.of"
REPLAYED = "slipaway.replayed"
"""Header of a record without key and value among the letters: the letter of this offset, in the
same partition, has been sent again.  It stands where the letter stands, and stays no shorter."""

_NAMES = frozenset(
    (
        *(
            _STREAMS + name
            for name in ("exception", "stacktrace", "message", "topic", "partition", "offset")
        ),
        *_OWN,
        *_OWN_LATER,
        _RECORD_TIME,
        _REPLAY_OF,
    )
)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Why and where a record was put aside."""

    topic: str
    partition: int
    offset: int
    stage: str
    """What was being done: "decode", "detect"."""
    code: str
    """One of `Code`, or a newer version's."""
    message: str
    first_failed_at: int
    """Milliseconds since 1970 UTC, of the first attempt."""
    app_version: str
    attempt: int = 1
    exception: str = "stream.detector.errors.BadEvent"
    stacktrace: str = ""
    """Empty for bad input: the message says it, and the trace would only be ours."""
    timestamp: int | None = None
    """The record's own time (ms since 1970 UTC), as Kafka had it; None: an earlier release
    did not note it, or it is of no event."""


def dead_letter(
    bad: BadEvent,
    *,
    topic: str,
    partition: int,
    offset: int,
    stage: str,
    failed_at: int,
    app_version: str,
    headers: Iterable[Header] = (),
    timestamp: int | None = None,
) -> DeadLetter:
    """Give the letter for a bad event; `headers` (the record's) tell of earlier attempts."""
    before = read_headers(headers)
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        stage=stage,
        code=bad.code.value,
        message=bad.message,
        first_failed_at=before.first_failed_at if before else failed_at,
        app_version=app_version,
        attempt=before.attempt + 1 if before else 1,
        timestamp=timestamp,
    )


def dead_letter_headers(letter: DeadLetter, original: Iterable[Header] = ()) -> list[Header]:
    """Give the record's own headers unchanged, then the letter's."""
    texts = (
        (_STREAMS + "exception", letter.exception),
        (_STREAMS + "stacktrace", letter.stacktrace),
        (_STREAMS + "message", letter.message),
        (_STREAMS + "topic", letter.topic),
        (_STREAMS + "partition", str(letter.partition)),
        (_STREAMS + "offset", str(letter.offset)),
        ("slipaway.stage", letter.stage),
        ("slipaway.error.code", letter.code),
        ("slipaway.attempt", str(letter.attempt)),
        ("slipaway.first_failed_at", iso(letter.first_failed_at)),
        ("slipaway.app.version", letter.app_version),
        *([] if letter.timestamp is None else [(_RECORD_TIME, iso(letter.timestamp))]),
    )
    # A message may quote what no UTF-8 can hold: it is shown escaped, never refused.
    ours: list[Header] = [(name, text.encode(errors="backslashreplace")) for name, text in texts]
    return [*original_headers(original), *ours]


def original_headers(headers: Iterable[Header]) -> list[Header]:
    """Take a letter's headers off again: what the sender sent."""
    return [(name, value) for name, value in headers if name not in _NAMES]


def replay_headers(letter: DeadLetter, headers: Iterable[Header], place: str) -> list[Header]:
    """Give the headers to send a record again with: the sender's, the letter's, and its `place`.

    The letter's stay on, so that another failure is known as a further attempt.
    """
    return [*dead_letter_headers(letter, headers), (_REPLAY_OF, place.encode())]


def replayed_mark(offset: int) -> list[Header]:
    """Give the headers of the mark of a letter that has been sent again."""
    return [(REPLAYED, b"%d" % offset)]


def replayed_offset(headers: Iterable[Header]) -> int | None:
    """Give the offset of the letter that a mark is of; None for what is no mark."""
    for name, value in headers:
        if name == REPLAYED and value is not None and value.isdigit():
            return int(value)
    return None


def read_headers(headers: Iterable[Header]) -> DeadLetter | None:
    """Read the letter in a record's headers; None if there is none that can be read."""
    texts = {
        name: value.decode(errors="replace")
        for name, value in headers
        if name in _NAMES and value is not None
    }
    try:
        return DeadLetter(
            topic=texts[_STREAMS + "topic"],
            partition=int(texts[_STREAMS + "partition"]),
            offset=int(texts[_STREAMS + "offset"]),
            stage=texts["slipaway.stage"],
            code=texts["slipaway.error.code"],
            message=texts[_STREAMS + "message"],
            first_failed_at=from_iso(texts["slipaway.first_failed_at"]),
            app_version=texts["slipaway.app.version"],
            attempt=int(texts["slipaway.attempt"]),
            exception=texts[_STREAMS + "exception"],
            stacktrace=texts[_STREAMS + "stacktrace"],
            timestamp=from_iso(texts[_RECORD_TIME]) if _RECORD_TIME in texts else None,
        )
    except (KeyError, ValueError, OverflowError):
        return None  # the sender's own headers of these names, or a newer version's: not ours


def known_code(letter: DeadLetter) -> Code | None:
    """Give the letter's code if this version knows it."""
    return next((code for code in Code if code.value == letter.code), None)
