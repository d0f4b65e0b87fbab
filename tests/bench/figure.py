"""A figure: one number, with what it means, what it is held against, and how it was taken."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
import orjson


class Size(StrEnum):
    """How much work a measurement does."""

    TINY = "tiny"
    """Seconds for all of them together: says that they run, and nothing else."""
    QUICK = "quick"
    """Below 20 s each: an order of magnitude."""
    NORMAL = "normal"
    """Minutes: what is compared and quoted."""
    FULL = "full"
    """A million customers wherever a million is spoken of."""


class Figure(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One number."""

    name: str
    value: float
    unit: str
    target: str = ""
    to: str = ""
    """What a ratio is a ratio to."""
    detail: Mapping[str, Any] = msgspec.field(default_factory=dict)


def line(figure: Figure, busy_before: float | None) -> str:
    """Write a figure as one line of JSON."""
    plain = msgspec.to_builtins(figure)
    plain["value"] = rounded(figure.value)
    return orjson.dumps({**plain, "busy_before": busy_before}).decode()


def rounded(value: float) -> float:
    """Keep four digits: more would be noise."""
    return float(f"{value:.4g}")


def quantile(values: Sequence[float], share: float) -> float:
    """Give the least value that so large a share of `values` does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
