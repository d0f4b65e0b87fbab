"""Comparing: which alerts are the same, which are missing, new, or changed, and how.

Two alerts are one if they say the same stage of the same customer.  Of those that have
no equal at their moment the nearest in time are held to be one that has moved, within
a limit: what is further away is another decision, not the same one later.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from operator import attrgetter
from typing import Any

import msgspec

from stream.detector.alerts import Alert
from stream.wire.alerts import TIMES
from stream.wire.times import iso

VERSION = 1
"""Of this format."""

NAMES = ("alert_id", "episode_id", "backfill", "model_version", "policy_version")
"""Fields that say by whom and how an alert was made, not what it says."""


class What(StrEnum):
    """How an alert differs."""

    MISSING = "missing"
    """It was sent then, and would not be now."""
    NEW = "new"
    MOVED = "moved"
    """It is of another time; other fields may differ as well."""
    CHANGED = "changed"
    """At the same time it says something else."""


class Field(msgspec.Struct, frozen=True):
    """One field that differs."""

    name: str
    then: Any
    now: Any


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One alert that is not the same."""

    what: What
    customer_id: str
    kind: str
    trigger: str
    time: str
    """Then; of a new one, now (ISO 8601)."""
    fields: list[Field] = []


class Counts(msgspec.Struct, kw_only=True):
    """Alerts by how they differ."""

    same: int = 0
    missing: int = 0
    new: int = 0
    moved: int = 0
    changed: int = 0


class Comparison(msgspec.Struct, kw_only=True):
    """Two sets of alerts, compared."""

    version: int = VERSION
    then: int = 0
    """How many there were."""
    now: int = 0
    all: Counts = msgspec.field(default_factory=Counts)
    by_kind: dict[str, Counts] = msgspec.field(default_factory=dict)
    fields: Counter[str] = msgspec.field(default_factory=Counter)
    """Alerts by the fields in which they have changed."""
    customers: int = 0
    """Customers of whom something differs."""
    most: dict[str, int] = msgspec.field(default_factory=dict)
    """Those of whom most does, with how many alerts."""
    differences: list[Difference] = msgspec.field(default_factory=list)
    """The first in time."""

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.customers


def compare(
    then: Iterable[Alert],
    now: Iterable[Alert],
    *,
    within_ms: int,
    ignored: Iterable[str] = NAMES,
    first: int = 20,
) -> Comparison:
    """Compare alerts; those of one stage of one customer are one within `within_ms`."""
    found = Comparison()
    left, right = _by_subject(then), _by_subject(now)
    found.then, found.now = _count(left), _count(right)
    unasked = frozenset((*ignored, "time"))
    differences: list[tuple[int, Difference]] = []
    for subject in sorted(left.keys() | right.keys()):
        counts = found.by_kind.setdefault(subject[1], Counts())
        for one, other in _pairs(left.get(subject, []), right.get(subject, []), within_ms):
            difference = _difference(one, other, unasked)
            _add(counts, difference)
            _add(found.all, difference)
            if difference is not None:
                found.fields.update(field.name for field in difference.fields)
                at = (one or other).time  # type: ignore[union-attr] # of a pair one is there
                differences.append((at, difference))
    differences.sort(key=lambda entry: (entry[0], entry[1].customer_id, entry[1].kind))
    customers = Counter(difference.customer_id for _, difference in differences)
    found.customers = len(customers)
    ranked = sorted(customers.items(), key=lambda entry: (-entry[1], entry[0]))
    found.most = dict(ranked[:first])
    found.differences = [difference for _, difference in differences[:first]]
    found.by_kind = dict(sorted(found.by_kind.items()))
    return found


_Subject = tuple[str, str]


def _by_subject(alerts: Iterable[Alert]) -> dict[_Subject, list[Alert]]:
    """Give the alerts of each customer and kind, by time."""
    found: dict[_Subject, list[Alert]] = defaultdict(list)
    for alert in alerts:
        found[alert.customer_id, alert.kind.value].append(alert)
    for some in found.values():
        some.sort(key=attrgetter("time", "trigger"))
    return found


def _count(found: dict[_Subject, list[Alert]]) -> int:
    return sum(map(len, found.values()))


def _pairs(
    then: list[Alert], now: list[Alert], within_ms: int
) -> Iterator[tuple[Alert | None, Alert | None]]:
    """Pair alerts: first those of one moment, then the nearest; what is left has no other."""
    rest = list(now)
    unmatched = []
    for one in then:
        same = next((other for other in rest if other.time == one.time), None)
        if same is None:
            unmatched.append(one)
        else:
            rest.remove(same)
            yield one, same
    for one in unmatched:
        nearest = min(rest, key=lambda other: abs(other.time - one.time), default=None)
        if nearest is None or abs(nearest.time - one.time) > within_ms:
            yield one, None
        else:
            rest.remove(nearest)
            yield one, nearest
    for other in rest:
        yield None, other


def _difference(
    then: Alert | None, now: Alert | None, unasked: frozenset[str]
) -> Difference | None:
    """Say how a pair differs; None: not at all."""
    one = then or now
    assert one is not None
    if then is None or now is None:
        what, fields = (What.NEW if then is None else What.MISSING), []
    else:
        fields = [
            Field(name, getattr(then, name), getattr(now, name))
            for name in Alert.__struct_fields__
            if name not in unasked and getattr(then, name) != getattr(now, name)
        ]
        if then.time != now.time:
            what, fields = What.MOVED, [Field("time", then.time, now.time), *fields]
        elif fields:
            what = What.CHANGED
        else:
            return None
    return Difference(
        what=what,
        customer_id=one.customer_id,
        kind=one.kind.value,
        trigger=one.trigger.value,
        time=iso(one.time),
        fields=[_written(field) for field in fields],
    )


def _written(field: Field) -> Field:
    """Write moments as alerts do."""
    if field.name not in TIMES:
        return field
    then, now = (None if at is None else iso(at) for at in (field.then, field.now))
    return Field(field.name, then, now)


def _add(counts: Counts, difference: Difference | None) -> None:
    name = "same" if difference is None else difference.what.value
    setattr(counts, name, getattr(counts, name) + 1)
