"""Lessons to bytes: what the detector teaches the trainer, in MessagePack.

Every message names the partition that taught it: the trainer keeps the order
within a partition and merges partitions by event time.  A leading byte is the
version; the rest is read by type, and nothing is ever unpickled.
"""

import msgspec

from models.protocol import Lesson

VERSION = 4
READ = (1, 2, 3, 4)
"""Version 1 had no hours; up to version 2 examples named their customer; up to version 3 nothing
was of another horizon than the policy's."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[int, Lesson])


class LessonError(Exception):
    """A message of the examples topic that no version of this program we know has written."""


def encode_lesson(lesson: Lesson, partition: int) -> bytes:
    """Write one lesson and the partition that taught it."""
    return b"%c%b" % (VERSION, _ENCODER.encode((partition, lesson)))


def decode_lesson(value: bytes | None) -> tuple[int, Lesson]:
    """Give (partition, lesson), or raise LessonError."""
    if not value:
        raise LessonError("an empty message in the examples topic: somebody else writes to it")
    if value[0] not in READ:
        raise LessonError(
            f"a lesson of version {value[0]}, where this program reads {VERSION}. Operator "
            "action: run one version of slipaway, the newest, for worker and trainer"
        )
    try:
        return _DECODER.decode(value[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise LessonError(f"a lesson that cannot be read: {error}") from error
