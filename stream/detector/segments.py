"""Segments: which kind of customer this is, by its traits, and what holds for that kind.

A trial, a daily user and the largest account slip away differently.  The policy lists
segments in order; a customer is in the first whose conditions its traits meet, and
in none of them otherwise.  A changed trait changes the segment from its moment on.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

import msgspec

Value = str | int | float | bool
"""What a trait may be."""


class Comparison(StrEnum):
    """How a number trait is held against a bound."""

    LEAST = ">="
    MOST = "<="
    MORE = ">"
    LESS = "<"


_HOLDS: Final[dict[Comparison, Callable[[float, float], bool]]] = {
    Comparison.LEAST: operator.ge,
    Comparison.MOST: operator.le,
    Comparison.MORE: operator.gt,
    Comparison.LESS: operator.lt,
}


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What one trait has to be: one of some values, or a number within a bound."""

    trait: str
    one_of: tuple[Value, ...] = ()
    """Text is matched by case-sensitive globs; empty text means no such trait, or an empty one."""
    comparison: Comparison | None = None
    bound: float = 0.0

    def met_by(self, traits: Mapping[str, Value]) -> bool:
        """Tell whether a customer's traits are so."""
        found = traits.get(self.trait, "")
        if self.comparison is not None:
            return _is_number(found) and _HOLDS[self.comparison](float(found), self.bound)
        return any(_is(found, value) for value in self.one_of)


class OpenTicket(StrEnum):
    """What an open ticket does to an alert."""

    IGNORE = "ignore"
    SUPPRESS = "suppress"
    """No episode opens: somebody is talking to the customer already."""
    RAISE = "raise"
    """Its severity is high, and it says so: who waits for an answer leaves sooner."""


class FromTrait(msgspec.Struct, frozen=True):
    """A value that each customer has in a trait of its own."""

    trait: str


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of customer; durations in ms."""

    name: str
    where: tuple[Condition, ...] = ()
    """All have to be met; none: everybody."""
    eligible: bool = True
    """False: of these nobody is alerted on (test accounts, employees)."""
    visits_min: int | None = None
    """Visits before a customer can be alerted on; None: the policy's."""
    own_gaps_min: float | None = None
    """Usual gaps of its own that a customer must have been silent for; None: the policy's."""
    false_alarms_per_customer_month: float | None = None
    """A dial of its own; None: it shares the policy's."""
    notice_days_per_false_alarm: float | None = None
    """Instead of the rate, as the policy's; None: it has a rate, or shares the policy's."""
    horizon_ms: int | None = None
    """Silence that counts as a lapse, and what follows from it; None: the policy's."""
    silent_min_ms: int = 0
    """No silence is alerted on sooner."""
    silent_max_ms: int | None = None
    """Every silence is alerted on by then, worth it or not; None: only those worth it."""
    activate_within_ms: int | None = None
    """From the first visit: who has not done one of the policy's activation events by then has
    stalled; None: nobody has."""
    ticket: OpenTicket = OpenTicket.IGNORE
    contact_rest_ms: int = 0
    """After a contact no episode opens for so long: give it time to work."""
    value: FromTrait | float | None = None
    """What a customer is worth, in whatever unit the platform ranks by."""
    owner: FromTrait | str = ""
    """Who looks after the customer."""

    @property
    def has_dial(self) -> bool:
        """Whether false alarms on its customers are counted by themselves.

        They are where its horizon is its own, too: what is learned of other silences says nothing
        of these.
        """
        own = (
            self.false_alarms_per_customer_month,
            self.notice_days_per_false_alarm,
            self.horizon_ms,
        )
        return any(setting is not None for setting in own)

    def traits(self) -> set[str]:
        """Name the traits that are asked for."""
        asked = {condition.trait for condition in self.where}
        asked |= {found.trait for found in (self.value, self.owner) if isinstance(found, FromTrait)}
        return asked


EVERYBODY: Final = Segment(name="")
"""Who is in none of the policy's segments."""


def segment_of(segments: Sequence[Segment], traits: Mapping[str, Value]) -> Segment:
    """Give the first of the segments that a customer with these traits is in."""
    for segment in segments:
        if all(condition.met_by(traits) for condition in segment.where):
            return segment
    return EVERYBODY


def _is(found: Value, wanted: Value) -> bool:
    """Tell whether a trait is the value a condition names; true is no number."""
    if isinstance(wanted, str):
        return isinstance(found, str) and fnmatchcase(found, wanted)
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
