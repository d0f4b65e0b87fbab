"""Stays: from when to when somebody is a customer, as far back as periods are still counted.

A customer is whoever has been active and has neither been silent for the
horizon since nor said that it left.  Most have one stay, from their first visit
on, and their state says all of it; a `Tenure` is kept of the others only.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

STAYS_MAX: Final = 8
"""Earlier stays remembered, and changes of segment; more in two periods are no customer's."""


class Close(IntEnum):
    """What a stay ended by."""

    NOT = 0
    LAPSED = 1
    """Silent for the horizon: it ended when that was over."""
    ENDED = 2
    """The customer said so."""
    UNOBSERVED = 3
    """Nobody watches any more, so nobody knows."""


class Stay(NamedTuple):
    """One time of being a customer (ms)."""

    begin: int
    end: int
    """The first moment after it; of one that goes on, when it is over if nothing more comes."""
    close: Close


class Tenure(msgspec.Struct, array_like=True, gc=False):
    """What a customer's other fields do not say of its stays; times in ms since 1970 UTC."""

    begin: int
    """First use of the newest."""
    end: int = 0
    """When that was said to be over; 0: it was not, and a silence will end it."""
    close: Close = Close.NOT
    last: int = 0
    """Its last use, where the customer's own last visit is not it: where two ids were joined."""
    before: list[Stay] = msgspec.field(default_factory=list)
    """Those before it that reach into a period which is still counted."""
    moves: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """Changes of segment in such a period: when, and the segment before; in order of time."""


def united(stays: Iterable[Stay]) -> list[Stay]:
    """Make one of the stays that overlap: of one customer who was known as two."""
    found: list[Stay] = []
    for stay in sorted(stays):
        if found and stay.begin < found[-1].end:
            before = found[-1]
            longer = max(before, stay, key=lambda one: one.end)
            found[-1] = Stay(before.begin, longer.end, longer.close)
        else:
            found.append(stay)
    return found
