"""Segments: which kind of customer this is, by its traits, and what holds for that kind.

A trial, a daily user and the largest account slip away differently.  The policy lists
segments in order; a customer is in the first whose conditions its traits meet, and
in none of them otherwise.  A changed trait changes the segment from its moment on.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypeGuard, TypeVar

import msgspec

Value = str | int | float | bool
"""What a trait may be."""
OF_ACCOUNT: Final = "account."
"""What the name of a trait begins with that is the account's, told of one of its members."""


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
        return _asked(self)


EVERYBODY: Final = Segment(name="")
"""Who is in none of the policy's segments."""


class AccountSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of account, by the account's own traits: what one member is like says nothing."""

    name: str
    where: tuple[Condition, ...] = ()
    """All have to be met; none: every account."""
    eligible: bool = True
    """False: of these none is alerted on (our own, partners, tests)."""
    value: FromTrait | float | None = None
    """What an account is worth, in whatever unit the platform ranks by."""
    owner: FromTrait | str = ""
    """Who looks after the account."""

    def traits(self) -> set[str]:
        """Name the traits that are asked for."""
        return _asked(self)


EVERY_ACCOUNT: Final = AccountSegment(name="")
"""An account that is in none of the policy's segments."""


AnySegment = TypeVar("AnySegment", Segment, AccountSegment)


def segment_of(segments: Sequence[Segment], traits: Mapping[str, Value]) -> Segment:
    """Give the first of the segments that a customer with these traits is in."""
    return _first_met(segments, traits) or EVERYBODY


def account_segment_of(
    segments: Sequence[AccountSegment], traits: Mapping[str, Value]
) -> AccountSegment:
    """Give the first of the segments that an account with these traits is in."""
    return _first_met(segments, traits) or EVERY_ACCOUNT


def number_of(traits: Mapping[str, Value], name: str) -> float | None:
    """Give a trait that is a number; None where nobody said, or not a number."""
    found = traits.get(name, "")
    return float(found) if _is_number(found) else None


def worth(value: FromTrait | float | None, traits: Mapping[str, Value]) -> float | None:
    """Give what somebody is worth; None where nobody said, or not a number."""
    return number_of(traits, value.trait) if isinstance(value, FromTrait) else value


def owner_of(owner: FromTrait | str, traits: Mapping[str, Value]) -> str:
    """Give who looks after somebody; empty where nobody is known to."""
    if not isinstance(owner, FromTrait):
        return owner
    found = traits.get(owner.trait, "")
    return found if isinstance(found, str) else ""


def merge_traits(traits: dict[str, Value], told: Mapping[str, Value | None]) -> None:
    """Take in what is told of traits; None takes one back, and what is not named stays."""
    for name, value in told.items():
        if value is None:
            traits.pop(name, None)
        else:
            traits[name] = value


def _asked(segment: Segment | AccountSegment) -> set[str]:
    """Name the traits that a segment asks for."""
    asked = {condition.trait for condition in segment.where}
    said = (segment.value, segment.owner)
    return asked | {found.trait for found in said if isinstance(found, FromTrait)}


def _first_met(segments: Sequence[AnySegment], traits: Mapping[str, Value]) -> AnySegment | None:
    """Give the first segment whose conditions traits meet, all of them; None: none."""
    for segment in segments:
        if all(condition.met_by(traits) for condition in segment.where):
            return segment
    return None


def _is(found: Value, wanted: Value) -> bool:
    """Tell whether a trait is the value a condition names; true is no number."""
    if isinstance(wanted, str):
        return isinstance(found, str) and fnmatchcase(found, wanted)
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
