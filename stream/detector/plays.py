"""Plays: what the policy suggests to do about an alert, and what is new to tell.

The right word depends on who it is (segment), where they are (phase), what gave
them away (trigger) and why (reasons): the policy's plays are asked in order, and the
first that fits is suggested.  Nobody who waits for support is asked to log in, and
who has left is thanked, because the policy says so.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from stream.detector.life import Phase
from stream.detector.stages import AccountTrigger, Kind, Trigger

RELEASES_TOLD: Final = 3


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """A suggestion, and whom it is for; what is empty or None is for all."""

    name: str
    say: str = ""
    """What to do, for people."""
    segments: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = ()
    kinds: tuple[Kind, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    reasons: tuple[str, ...] = ()
    """Codes, one of which has to be among the alert's."""
    ticket: bool | None = None
    """Whether the customer has a ticket open."""


class AccountPlay(msgspec.Struct, frozen=True, kw_only=True):
    """The same for accounts, which have no phase and no tickets of their own."""

    name: str
    say: str = ""
    segments: tuple[str, ...] = ()
    """Of accounts."""
    kinds: tuple[Kind, ...] = ()
    triggers: tuple[AccountTrigger, ...] = ()
    reasons: tuple[str, ...] = ()


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Something that came to the product."""

    name: str
    at: int
    """When (ms since 1970 UTC); nobody is told of it before."""
    new: str = ""
    """What it brings, in a few words."""
    segments: tuple[str, ...] = ()
    """Whom it is for; empty: everybody."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What a play is chosen by."""

    segment: str
    phase: Phase
    kind: Kind
    trigger: Trigger
    reasons: Collection[str]
    ticket: bool


class AccountSituation(msgspec.Struct, frozen=True, kw_only=True):
    """The same of an account."""

    segment: str
    kind: Kind
    trigger: AccountTrigger
    reasons: Collection[str]


def choose(plays: Sequence[Play], situation: Situation) -> Play | None:
    """Give the first play that fits; None: none does."""
    for play in plays:
        if (
            _fits(play, situation)
            and (not play.phases or situation.phase in play.phases)
            and (play.ticket is None or play.ticket == situation.ticket)
        ):
            return play
    return None


def choose_for_account(
    plays: Sequence[AccountPlay], situation: AccountSituation
) -> AccountPlay | None:
    """Give the first play that fits; None: none does."""
    return next((play for play in plays if _fits(play, situation)), None)


def _fits(play: Play | AccountPlay, situation: Situation | AccountSituation) -> bool:
    """Tell whether a play is for such an alert, as far as customers and accounts have in common."""
    return (
        (not play.segments or situation.segment in play.segments)
        and (not play.kinds or situation.kind in play.kinds)
        and (not play.triggers or situation.trigger in play.triggers)
        and (not play.reasons or any(code in situation.reasons for code in play.reasons))
    )


def whats_new(releases: Sequence[Release], segment: str, since: int, until: int) -> str:
    """Say what came after `since` and by `until` (ms), the newest first, at most three."""
    told = sorted(
        (
            release
            for release in releases
            if since < release.at <= until and (not release.segments or segment in release.segments)
        ),
        key=lambda release: (-release.at, release.name),
    )
    said = [f"{one.name}: {one.new}" if one.new else one.name for one in told[:RELEASES_TOLD]]
    return "; ".join(said)
