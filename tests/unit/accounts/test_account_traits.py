"""What an account itself is like: told by any of its members, and used in what is said of it."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from stream.detector.accounts.account import MEMBERS_MAX, Account
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.accounts.roll_up import RollUp
from stream.detector.alerts import Kind
from stream.detector.events import DAY_MS
from stream.detector.members import MemberNews, Tidings
from stream.detector.plays import AccountPlay
from stream.detector.policy import Accounts, Policy
from stream.detector.segments import AccountSegment, Condition, FromTrait
from stream.detector.stages import AccountTrigger
from stream.wire.state import StateCodec

BEGIN = 20_514 * DAY_MS
"""2026-03-02, a Monday."""
POLICY = Policy(
    accounts=Accounts(enabled=True, seats_bought=FromTrait("seats")),
    account_segments=(
        AccountSegment(
            name="ours",
            where=(Condition(trait="plan", one_of=("internal",)),),
            eligible=False,
        ),
        AccountSegment(
            name="enterprise",
            where=(Condition(trait="plan", one_of=("enter*",)),),
            value=FromTrait("mrr"),
            owner=FromTrait("csm"),
        ),
        AccountSegment(name="others", value=10.0, owner="team"),
    ),
    account_plays=(
        AccountPlay(name="visit them", segments=("enterprise",), kinds=(Kind.OPENED,), say="Go."),
        AccountPlay(name="call", triggers=(AccountTrigger.SEATS,)),
        AccountPlay(name="ask", reasons=("champion_left",)),
    ),
    version="p",
)
TEAM = {f"m{number}": 2 for number in range(10)}
"""Members, and every how many days each comes."""
FEW = dict(list(TEAM.items())[:4])


def at(day: float) -> int:
    """Return the moment (ms) so many days after the first."""
    return BEGIN + round(day * DAY_MS)


def use(members: dict[str, int], begin: int, end: int) -> list[MemberNews]:
    """Return visits of members between two days."""
    return [
        MemberNews(at(day + 0.4), "acme", who, Tidings.VISIT)
        for day in range(begin, end)
        for who, every in sorted(members.items())
        if day % every == 0
    ]


def told(day: float, who: str = "m9", **traits: Any) -> MemberNews:
    """Return what a member's message says of the account."""
    text = msgspec.json.encode(traits, order="sorted").decode()
    return MemberNews(at(day), "acme", who, Tidings.TRAITS, traits=text)


def said(news: Iterable[MemberNews], until: float, policy: Policy = POLICY) -> list[AccountAlert]:
    """Return what is said by a day."""
    roll_up = RollUp(policy)
    roll_up.take(news)
    return roll_up.pass_time(at(until))


SHRINKS = [*use(TEAM, 0, 100), *use(FEW, 100, 150)]


def test_seats_that_come_are_held_against_those_bought() -> None:
    """In words and as a number."""
    (opened,) = said([*SHRINKS, told(5, seats=50)], 150)
    assert opened.reason_1_text == (
        "4 of 50 seats bought came within 30 days, where 10.0 were usual."
    )
    assert (opened.seats_bought, opened.members_active) == (50, 4)


@pytest.mark.parametrize("seats", ["fifty", True, 0, -3, None, 3, MEMBERS_MAX + 1])
def test_seats_that_say_nothing_are_not_said(seats: object) -> None:
    """No number, fewer than came, or more than are counted."""
    (opened,) = said([*SHRINKS, told(5, seats=seats)], 150)
    assert opened.reason_1_text == "4 members came within 30 days, where 10.0 were usual."
    assert opened.seats_bought in (None, 3, MEMBERS_MAX + 1)


def test_an_alert_says_what_the_account_is_and_what_to_do() -> None:
    """By the traits as of its moment, whichever member told them."""
    large = told(5, "m1", plan="enterprise", mrr=9_000, csm="dana")
    (opened,) = said([*SHRINKS, large], 150)
    assert (opened.segment, opened.value, opened.owner) == ("enterprise", 9_000.0, "dana")
    assert (opened.play, opened.play_text) == ("visit them", "Go.")
    (opened,) = said([*SHRINKS, large, told(60, "m2", plan="team")], 150)
    assert (opened.segment, opened.value, opened.owner) == ("others", 10.0, "team")
    assert (opened.play, opened.play_text) == ("call", "")
    leaves = MemberNews(at(60.2), "acme", "ann", Tidings.LEFT)
    (opened,) = said([*use({"ann": 1, "bob": 2, "cem": 2}, 0, 60), leaves], 61)
    assert opened.play == "ask"


def test_of_traits_the_latest_counts_and_what_is_not_named_stays() -> None:
    """A trait without a value is taken back; what is told late is no news."""
    roll_up = RollUp(POLICY)
    roll_up.take([told(1, plan="enterprise", mrr=5), told(2, mrr=7, seats=9), told(3, seats=None)])
    roll_up.pass_time(at(10))
    traits = roll_up.accounts["acme"].traits
    assert traits == {"plan": "enterprise", "mrr": 7}
    roll_up.take([told(2.5, mrr=1)])
    assert traits["mrr"] == 7
    roll_up.take([told(4, mrr=8)])
    assert traits["mrr"] == 8


def test_an_account_that_is_not_eligible_is_not_told_of() -> None:
    """One that becomes so has its episode taken back, and its lapse stays said."""
    silent = use(dict.fromkeys(("ann", "bob", "cem"), 1), 0, 60)
    assert [one.kind for one in said(silent, 120)] == [Kind.OPENED, Kind.LAPSED]
    assert said([*silent, told(5, plan="internal")], 120) == []
    leaves = MemberNews(at(60.2), "acme", "ann", Tidings.LEFT)
    assert said([*silent, told(5, plan="internal"), leaves], 61) == []
    opened, retracted = said([*silent, told(75, plan="internal")], 120)
    assert (retracted.kind, retracted.time) == (Kind.RETRACTED, at(75))
    assert retracted.episode_id == opened.episode_id
    assert retracted.reason_1 == "not_eligible"
    assert retracted.reason_1_text == "Is in “ours” now, of which no account is alerted on."
    assert retracted.quiet_share == 0
    kinds = [one.kind for one in said([*silent, told(110, plan="internal")], 120)]
    assert kinds == [Kind.OPENED, Kind.LAPSED]


def test_a_policy_that_lets_an_account_be_takes_back_what_is_open() -> None:
    """At the next midnight: no message has to come."""
    before = msgspec.structs.replace(POLICY, account_segments=())
    roll_up = RollUp(before)
    silent = use(dict.fromkeys(("ann", "bob", "cem"), 1), 0, 60)
    roll_up.take([*silent, told(5, plan="internal")])
    (opened,) = roll_up.pass_time(at(75.5))
    after = RollUp(POLICY, roll_up.accounts, roll_up.progress)
    (retracted,) = after.pass_time(at(76.5))
    assert (retracted.kind, retracted.time) == (Kind.RETRACTED, at(76))
    assert (opened.policy_version, retracted.episode_id) == ("p", opened.episode_id)


def test_what_has_gone_quiet_is_a_share_that_can_be_checked() -> None:
    """All of a silent account, six of ten seats, the missed champion's part of use."""
    (opened,) = said(SHRINKS, 150)
    assert opened.quiet_share == 0.6
    silent = said(use(dict.fromkeys(("ann", "bob", "cem"), 1), 0, 60), 120)
    assert [one.quiet_share for one in silent] == [1.0, 1.0]
    four = {"ann": 1, "bob": 2, "cem": 2, "dia": 2}
    leaves = MemberNews(at(60.2), "acme", "ann", Tidings.LEFT)
    (opened,) = said([*use(four, 0, 60), leaves], 61)
    assert opened.quiet_share == pytest.approx(0.4, abs=0.01)
    alone = {"m0": 1, **{f"m{number}": 24 for number in range(1, 4)}}
    four = {f"m{number}": 1 for number in range(4)}
    opened, *_ = said([*use(four, 0, 100), *use(alone, 100, 160)], 160)
    assert opened.trigger is AccountTrigger.BREADTH
    assert 0.3 <= opened.quiet_share <= 0.75


def test_an_account_is_not_described_by_who_was_erased_any_less() -> None:
    """Its traits are the organisation's."""
    erased = MemberNews(at(20), "acme", "m9", Tidings.ERASED)
    (opened,) = said([*SHRINKS, told(5, "m9", plan="enterprise", mrr=3), erased], 150)
    assert opened.value == 3


class Earlier(msgspec.Struct, array_like=True):
    """An account as releases before traits wrote it, with something waiting."""

    members: dict[str, Any]
    rhythm: list[int]
    members_seen: int
    weeks: int
    members_usual: float
    members_variance: float
    top_usual: float
    back_at: int
    episode: None
    waiting: list[tuple[int, str, str, int, int]]


def test_a_row_of_an_earlier_release_is_read() -> None:
    """Its account is of no known traits, and what waited still does."""
    row = Earlier({}, [1, 2, 3], 4, 5, 6.0, 0.5, 0.25, 7, None, [(at(3), "acme", "ann", 0, 0)])
    account = StateCodec(Account).decode(StateCodec(Earlier).encode(row))
    assert (account.members_seen, account.back_at, account.traits) == (4, 7, {})
    assert account.waiting == [MemberNews(at(3), "acme", "ann", Tidings.VISIT)]
