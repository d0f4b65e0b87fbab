"""Warned: the warnings of a customer of which it is not known yet what came of them.

Of every name one waits at a time, for a horizon, in either class: whoever says that it
leaves does so within minutes, and counted at once it would make every warning look worse than
it is while those who stay are still waited for.
"""

from collections.abc import Iterator

import msgspec

from models.protocol import Example
from stream.detector.events import DAY_MS

WARNED = "warned"
PENDING_MAX = 4
"""Names of which one customer has a warning waiting; of more nothing is learned."""


class Warned(msgspec.Struct, array_like=True, gc=False):
    """A warning whose outcome is not known yet; times in ms."""

    event: str
    at: int
    inputs: bytes
    """As the model froze them."""
    left: bool = False
    """It has said that it leaves, within the horizon."""
    returned: bool = False
    """A visit has begun within the horizon."""


def hear(warned: list[Warned], event: str, at: int, inputs: bytes) -> None:
    """Begin to wait for what comes of a warning, where none of its name waits already."""
    if len(warned) < PENDING_MAX and all(one.event != event for one in warned):
        warned.append(Warned(event, at, inputs))


def hear_visit(warned: list[Warned], at: int, horizon_ms: int) -> None:
    """Note that a visit has begun at `at` (ms)."""
    for one in warned:
        one.returned |= one.at < at <= one.at + horizon_ms


def hear_ending(warned: list[Warned], at: int, horizon_ms: int) -> None:
    """Note that the customer has said at `at` (ms) that it leaves."""
    for one in warned:
        one.left |= at <= one.at + horizon_ms


def release(
    warned: list[Warned], customer: int, at: int, horizon_ms: int, key: int
) -> Iterator[Example]:
    """Take every outcome known by `at` (ms) out, as examples to learn from.

    `customer` is the CRC-32 of its id, `key` the horizon's, as examples name it.
    """
    known = [one for one in warned if one.at + horizon_ms <= at]
    warned[:] = [one for one in warned if one.at + horizon_ms > at]
    today = at // DAY_MS * DAY_MS
    for one in known:
        seen = (customer, one.at, one.inputs)
        labels = (int(one.left or not one.returned),)
        yield Example(WARNED, max(one.at + horizon_ms, today), *seen, labels, horizon_ms=key)
