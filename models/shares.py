"""Shares: a day's tally, taken apart by the customers whom it adds up.

A segment with a dial of its own is counted by itself within the day of everybody.
Whoever looks at some segments, or at all but some, gets a tally of these.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from models.protocol import Share, Tally

NOBODY_DAYS = 1e-6
"""What is left of everybody's time after all of it was taken off is no more than rounding."""
Outcomes = dict[str, dict[int, tuple[int, int]]]
"""Of falls, by rung: how many came true, and how many did not."""


def split(tally: Tally, segments: Mapping[int, Collection[str]]) -> dict[int, Tally]:
    """Give a tally by horizon: of those named in `segments`, and under 0 of all the others."""
    found = {0: tally}
    for horizon_ms, names in segments.items():
        found[horizon_ms] = only(tally, names)
        found[0] = without(found[0], names)
    if found[0].customer_days < NOBODY_DAYS:
        found[0] = msgspec.structs.replace(found[0], customer_days=0.0)
    return found


def only(tally: Tally, names: Collection[str]) -> Tally:
    """Give what of a tally is of some segments; visits stay those of everybody."""
    own = {name: tally.segments[name] for name in names if name in tally.segments}
    crossings: dict[int, float] = {}
    for share in own.values():
        for cell, change in share.crossings.items():
            crossings[cell] = crossings.get(cell, 0.0) + change
    return msgspec.structs.replace(
        tally, **_sums(own.values()), crossings=crossings, falls=_falls(own.values()), segments=own
    )


def without(tally: Tally, names: Collection[str]) -> Tally:
    """Give what of a tally is of none of these segments; visits stay those of everybody."""
    shares = [tally.segments[name] for name in names if name in tally.segments]
    crossings, falls = dict(tally.crossings), dict(tally.falls)
    for share in shares:
        for cell, change in share.crossings.items():
            crossings[cell] -= change
    for fall, rungs in _falls(shares).items():
        counted = falls[fall] = dict(falls[fall])
        for rung, (true, false) in rungs.items():
            counted[rung] = (counted[rung][0] - true, counted[rung][1] - false)
    return msgspec.structs.replace(
        tally,
        **{name: getattr(tally, name) - less for name, less in _sums(shares).items()},
        crossings=crossings,
        falls=falls,
        segments={name: share for name, share in tally.segments.items() if name not in names},
    )


_SUMS = (
    *("customer_days", "crossed", "false_alarms", "chance_raised", "chance_settled"),
    *("judged", "withdrawn_days", "withdrawn_false_alarms"),
)


def _sums(shares: Collection[Share]) -> dict[str, float]:
    return {name: sum(getattr(share, name) for share in shares) for name in _SUMS}


def _falls(shares: Iterable[Share]) -> Outcomes:
    found: Outcomes = {}
    for share in shares:
        for fall, rungs in share.falls.items():
            counted = found.setdefault(fall, {})
            for rung, (true, false) in rungs.items():
                before = counted.get(rung, (0, 0))
                counted[rung] = (before[0] + true, before[1] + false)
    return found
