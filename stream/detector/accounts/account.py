"""An account's state: its members, and what is usual for it; bounded, whatever they do.

Rhythms are counted in days of use.  By visits, an office that comes forty times
a day would be overdue every night.  What was long ago fades, so an account that
has slowed down is not told of once a week for ever.

Field order is the row's layout in the state topic; add at the end, with a default.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from stream.detector.calendar import LocalTime
from stream.detector.members import MemberNews
from stream.detector.segments import Value, merge_traits
from stream.detector.stages import AccountTrigger, Stage

MEMBERS_MAX = 1_000
"""Members remembered, those who came last; an account with more in use counts as having these."""
FORGOTTEN_HORIZONS = 4
"""A member who was silent for so long is forgotten."""
RHYTHM_KEPT = 0.97
"""What a gap leaves of those before it: about the last thirty count."""
USE_HALVES_HORIZONS = 2.0
"""Use counts half after so long, where it is asked whose account it is."""
LATELY_HALVES_HORIZONS = 0.25
"""The same, where it is asked who comes of late."""


class Rhythm(msgspec.Struct, array_like=True, gc=False):
    """Days of use, and the gaps between them; a day is a local day, counted since 1970."""

    first_day: int = 0
    last_at: int = 0
    """Begin of the last visit (ms)."""
    days: int = 0
    """Days of use so far."""
    gaps: float = 0.0
    """Gaps between them, the older the less."""
    span: float = 0.0
    """Days those took."""

    @property
    def usual_gap(self) -> float:
        """Give the mean of the gaps in days; 0 while there is none."""
        return self.span / self.gaps if self.gaps else 0.0

    def come(self, at: int, local: LocalTime) -> bool:
        """Note a visit (ms); tell whether it makes another day of use."""
        day, before = local.day(at), local.day(self.last_at)
        self.last_at = max(self.last_at, at)
        if not self.days:
            self.first_day, self.days = day, 1
            return True
        if day <= before:
            return False
        self.days += 1
        self.gaps = RHYTHM_KEPT * self.gaps + 1.0
        self.span = RHYTHM_KEPT * self.span + (day - before)
        return True


class Member(msgspec.Struct, array_like=True, gc=False):
    """What an account knows of one of its customers."""

    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)
    use: float = 0.0
    """Days of use, as of the last of them, the older the less."""
    lately: float = 0.0
    """The same, and fading sooner."""
    left: bool = False

    def come(self, at: int, local: LocalTime, horizon_days: float) -> None:
        """Note a visit (ms)."""
        before = local.day(self.rhythm.last_at)
        self.left = False
        if self.rhythm.come(at, local):
            passed = local.day(self.rhythm.last_at) - before if self.rhythm.days > 1 else 0
            self.use = 1.0 + self.use * fading(passed, USE_HALVES_HORIZONS * horizon_days)
            self.lately = 1.0 + self.lately * fading(passed, LATELY_HALVES_HORIZONS * horizon_days)


class AccountEpisode(msgspec.Struct, array_like=True):
    """One time an account slipped, from its first alert to its last."""

    episode_id: str
    opened_at: int
    trigger: AccountTrigger
    stage: Stage
    changed_at: int
    members_usual: float
    """As it was when the episode opened."""
    top_usual: float
    """The same of the share of use that was the most active member's."""
    told: list[AccountTrigger]
    """What was told of and still is so."""
    champion_id: str = ""
    """Who is missed, where somebody is."""


class Account(msgspec.Struct, array_like=True):
    """Rolling state of one account; times in ms since 1970 UTC."""

    members: dict[str, Member] = msgspec.field(default_factory=dict)
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)
    """Of all members together."""
    members_seen: int = 0
    """The most members there ever were to remember."""
    weeks: int = 0
    """Weeks that what is usual was learned from."""
    members_usual: float = 0.0
    """Running mean, by week, of the members who came within a horizon."""
    members_variance: float = 0.0
    top_usual: float = 0.0
    """The same of the share of late use that was the most active member's, 0 to 1."""
    back_at: int = 0
    """When the last silence that was told of ended (ms); 0: none was."""
    episode: AccountEpisode | None = None
    waiting: list[MemberNews] = msgspec.field(default_factory=list)
    """What is told and not decided, in order; no more than fits between the watermark and the
    latest visit."""
    traits: dict[str, Value] = msgspec.field(default_factory=dict)
    """What it is like itself, whoever of its members told: those the policy asks for."""
    traits_at: int = 0
    """When they were last told (ms)."""

    @property
    def stage(self) -> Stage:
        """Say where the account stands."""
        return self.episode.stage if self.episode else Stage.STEADY

    def come(self, customer_id: str, at: int, local: LocalTime, horizon_days: float) -> None:
        """Note a member's visit (ms)."""
        member = self.members.get(customer_id)
        if member is None:
            member = self.members[customer_id] = Member()
        member.come(at, local, horizon_days)
        self.rhythm.come(at, local)
        if len(self.members) > MEMBERS_MAX:
            del self.members[
                min(self.members, key=lambda one: (self.members[one].rhythm.last_at, one))
            ]
        self.members_seen = max(self.members_seen, len(self.members))

    def describe(self, told: Mapping[str, Value | None], at: int) -> None:
        """Take what is told of its traits at a moment (ms), unless something later is known."""
        if at >= self.traits_at:
            merge_traits(self.traits, told)
            self.traits_at = at

    def stop_watching(self, customer_id: str) -> None:
        """Note that nobody watches a member any more: one fewer is usual from now on."""
        if self.members.pop(customer_id, None) is not None:
            self.members_usual = max(0.0, self.members_usual - 1)

    def erase(self, customer_id: str) -> None:
        """Forget a member, also as the one who is missed."""
        self.stop_watching(customer_id)
        if self.episode and self.episode.champion_id == customer_id:
            self.episode.champion_id = ""

    def forget(self, at: int, horizon_ms: int) -> bool:
        """Forget the members who were silent for very long at a moment (ms); tell of any."""
        oldest = at - FORGOTTEN_HORIZONS * horizon_ms
        gone = [name for name, member in self.members.items() if member.rhythm.last_at < oldest]
        for customer_id in gone:
            del self.members[customer_id]
        return bool(gone)


@lru_cache(maxsize=4_096)
def fading(days: int, halves_in: float) -> float:
    """Give what is left after so many days."""
    return float(0.5 ** (days / halves_in))
