"""Advice: what the policy adds to an alert on an account, by the account's traits."""

from collections.abc import Collection
from typing import NamedTuple

from stream.detector.accounts.account import Account
from stream.detector.plays import AccountSituation, choose_for_account
from stream.detector.policy import Policy
from stream.detector.segments import (
    AccountSegment,
    account_segment_of,
    number_of,
    owner_of,
    worth,
)
from stream.detector.stages import AccountTrigger, Kind


class AccountAdvice(NamedTuple):
    """What is added to one alert."""

    segment: str
    play: str
    play_text: str
    value: float | None
    owner: str


def segment(account: Account, policy: Policy) -> AccountSegment:
    """Give the segment of an account, as of its traits now."""
    return account_segment_of(policy.account_segments, account.traits)


def seats_bought(account: Account, policy: Policy) -> int | None:
    """Give how many members an account has paid for; None where nobody said, or not a number."""
    told = policy.accounts.seats_bought
    seats = None if told is None else number_of(account.traits, told.trait)
    return None if seats is None or seats < 1 else int(seats)


def advise(
    account: Account,
    kind: Kind,
    trigger: AccountTrigger,
    reasons: Collection[str],
    policy: Policy,
) -> AccountAdvice:
    """Advise on a stage that an account's episode has come to; `reasons` are the alert's codes."""
    found = segment(account, policy)
    situation = AccountSituation(segment=found.name, kind=kind, trigger=trigger, reasons=reasons)
    play = choose_for_account(policy.account_plays, situation)
    return AccountAdvice(
        segment=found.name,
        play=play.name if play else "",
        play_text=play.say if play else "",
        value=worth(found.value, account.traits),
        owner=owner_of(found.owner, account.traits),
    )
