"""Retained to bytes: what a partition counted of one period, as JSON for whoever asks who stays.

A rate is a ratio of sums, so every partition says its counts, and a reader adds them up.
A late event changes what was said: the latest record of a key counts, and the topic is
compacted by it.
"""

from typing import Final

import msgspec

from stream.detector.calendar import date_of, local_time
from stream.detector.events import DAY_MS
from stream.detector.periods import Every
from stream.detector.policy import Policy
from stream.detector.turnover import LONG_AGO, Counted, Counts

VERSION: Final = 1


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Customers of one segment in one period, as `slipaway retention` has them."""

    at_start: int
    kept: int
    lapsed: int
    ended: int
    new: int
    back: int


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """One period, of one partition; times in ms since 1970 UTC."""

    version: int = VERSION
    partition: int
    """Of the usage topic."""
    every: Every
    first_day: str
    """By the policy's calendar, as 2026-01-31."""
    begin: int
    end: int
    horizon_days: float
    """The silence that counted as a lapse."""
    segments: dict[str, Group]
    """By the policy's segments; empty: in none."""
    cohorts: dict[str, Group] = {}
    """By the first day of the period in which they came for the first time, as `first_day`; empty:
    before those that are told apart. No entries: whoever wrote it counts no cohorts."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Retained).decode


def encode_retained(counted: Counted, policy: Policy, partition: int) -> tuple[bytes, bytes]:
    """Give the key and the value of what a partition counted."""
    every = policy.retention.every
    local = local_time(policy.calendar)

    def first_day(begin: int) -> str:
        return "" if begin == LONG_AGO else date_of(local.day(begin)).isoformat()

    day = first_day(counted.begin)
    said = Retained(
        partition=partition,
        every=every,
        first_day=day,
        begin=counted.begin,
        end=counted.end,
        horizon_days=policy.horizon_ms / DAY_MS,
        segments={name: _group(counts) for name, counts in sorted(counted.segments.items())},
        cohorts={
            first_day(begin): _group(counts) for begin, counts in sorted(counted.cohorts.items())
        },
    )
    return f"{every.value}/{day}/{partition}".encode(), _encode(said)


def decode_retained(value: bytes) -> Retained:
    """Read a record; ValueError for what no version that we know has written."""
    try:
        said = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no counts of who stayed: {error}") from error
    if said.version != VERSION:
        raise ValueError(f"counts of version {said.version}, where this program reads {VERSION}")
    return said


def _group(counts: Counts) -> Group:
    return Group(
        at_start=counts.at_start,
        kept=counts.kept,
        lapsed=counts.lapsed,
        ended=counts.ended,
        new=counts.new,
        back=counts.back,
    )
