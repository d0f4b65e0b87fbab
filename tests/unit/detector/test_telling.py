"""Telling: which account a visit counts for, and what is told of members."""

import msgspec
import pytest

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.identity import alias_event
from stream.detector.members import MemberNews, Tidings
from stream.detector.policy import Accounts, Policy
from stream.detector.segments import AccountSegment, Condition, FromTrait, Segment, Value

START = 1_700_000_000_000
ASKED = {
    "accounts": Accounts(enabled=True, seats_bought=FromTrait("seats")),
    "account_segments": (AccountSegment(name="all", owner=FromTrait("csm")),),
}
POLICY = Policy(
    ending=("closed",),
    unobserved=("watch_ended",),
    allowed_lateness_ms=HOUR_MS,
    accounts=Accounts(enabled=True),
)


def event(at: int, account: str = "acme", name: str = "open", who: str = "ann") -> UsageEvent:
    """Return an event so many ms after the start."""
    return UsageEvent(who, name, START + at, START + at, account_id=account)


def told(events: list[UsageEvent], batch: int = 1, policy: Policy = POLICY) -> list[MemberNews]:
    """Return what is told in the course of some events, taken so many at a time."""
    detector = Detector(policy, Timeline(OnlineModel(cold(30.0, 2.5))))
    members: list[MemberNews] = []
    for begin in range(0, len(events), batch):
        members += detector.on_events(events[begin : begin + batch]).members
    return [*members, *detector.on_tick(events[-1].occurred_at + DAY_MS).members]


def test_a_visit_is_told_once_whatever_its_events() -> None:
    """A record a visit, not an event."""
    events = [event(minute * MINUTE_MS) for minute in range(60)]
    assert told(events) == [MemberNews(START, "acme", "ann", Tidings.VISIT)]


def test_nothing_is_told_unless_the_policy_looks_at_accounts() -> None:
    """Nor of who has no account."""
    assert told([event(0)], policy=Policy()) == []
    assert told([event(0, account="")]) == []


@pytest.mark.parametrize("batch", [1, 2, 3, 1_000])
def test_a_visit_counts_for_the_account_of_its_time(batch: int) -> None:
    """Not for that which a later event has named by the time it is decided."""
    days = [("acme", 0), ("zeta", 2), ("acme", 3), ("", 4), ("zeta", 5)]
    events = [event(day * 6 * HOUR_MS, account) for account, day in days]
    events += [event(7 * 6 * HOUR_MS, who=f"w{number}") for number in range(100)]
    assert [news.account_id for news in told(events, batch) if news.customer_id == "ann"] == [
        "acme",
        "zeta",
        "acme",
        "acme",
        "zeta",
    ]


def test_moves_are_remembered_only_until_they_are_decided_upon() -> None:
    """State does not grow with them."""
    detector = Detector(POLICY, Timeline(OnlineModel(cold(30.0, 2.5))))
    for day in range(50):
        detector.on_events([event(day * DAY_MS, f"account{day}")])
    assert len(detector.customers["ann"].moved) <= 2


@pytest.mark.parametrize(
    ("name", "what"), [("closed", Tidings.LEFT), ("watch_ended", Tidings.UNOBSERVED)]
)
def test_who_leaves_is_told_of(name: str, what: Tidings) -> None:
    """After the visit of the same moment."""
    events = [event(0), event(DAY_MS), event(DAY_MS, name=name)]
    assert told(events)[1:] == [
        MemberNews(START + DAY_MS, "acme", "ann", Tidings.VISIT),
        MemberNews(START + DAY_MS, "acme", "ann", what),
    ]


def test_an_erased_member_is_told_of() -> None:
    """Its account forgets it."""
    detector = Detector(POLICY, Timeline(OnlineModel(cold(30.0, 2.5))))
    detector.on_events([event(0)])
    detector.on_tick(START + DAY_MS)
    (news,) = detector.erase("ann").members
    assert (news.account_id, news.customer_id, news.what) == ("acme", "ann", Tidings.ERASED)
    assert detector.erase("ann").members == []


def group(at: int, account: str = "acme", who: str = "ann", **traits: Value | None) -> UsageEvent:
    """Return what a `group` message becomes."""
    named = {f"account.{name}": value for name, value in traits.items()}
    at += START
    return UsageEvent(who, "group", at, at, account_id=account, traits=named)


def described(
    events: list[UsageEvent], policy: Policy, batch: int = 1
) -> list[tuple[int, str, str]]:
    """Return what accounts are told of themselves: when, which, and what."""
    found = [news for news in told(events, batch, policy) if news.what is Tidings.TRAITS]
    return [(news.at - START, news.account_id, news.traits) for news in found]


WITH_TRAITS = msgspec.structs.replace(POLICY, **ASKED)


@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_an_account_is_told_what_it_is_like(batch: int) -> None:
    """What the policy asks for, once a message, whoever sent it: use or not."""
    events = [
        event(0),
        group(1, seats=50, csm="dana", industry="shoes"),
        group(2, seats=None),
        group(3, industry="hats"),
        group(4, account="", seats=1),
        group(5, who="bob", csm="eve"),
        *(event(HOUR_MS + number, who=f"w{number}") for number in range(100)),
    ]
    assert described(events, WITH_TRAITS, batch) == [
        (1, "acme", '{"csm":"dana","seats":50}'),
        (2, "acme", '{"seats":null}'),
        (5, "acme", '{"csm":"eve"}'),
    ]
    assert described(events, POLICY, batch) == []
    off = msgspec.structs.replace(WITH_TRAITS, accounts=Accounts(seats_bought=FromTrait("seats")))
    assert described(events, off, batch) == []


def test_each_account_is_told_its_own_in_whatever_order_they_came() -> None:
    """A member of two accounts: the message names whose traits they are."""
    events = [group(20, "zeta", seats=2), group(10, "acme", seats=1)]
    expected = [(10, "acme", '{"seats":1}'), (20, "zeta", '{"seats":2}')]
    assert described(events, WITH_TRAITS) == expected
    assert described(events[::-1], WITH_TRAITS) == expected


def test_a_customer_has_the_accounts_traits_that_its_own_segments_ask_for() -> None:
    """And does not remember what only accounts are asked for."""
    large = (Condition(trait="account.plan", one_of=("large",)),)
    policy = msgspec.structs.replace(WITH_TRAITS, segments=(Segment(name="large", where=large),))
    detector = Detector(policy, Timeline(OnlineModel(cold(30.0, 2.5))))
    detector.on_events([event(0), group(1, seats=50, plan="large")])
    news = detector.on_tick(START + DAY_MS).members
    life = detector.customers["ann"].life
    assert life is not None
    assert life.traits == {"account.plan": "large"}
    assert [one.traits for one in news if one.traits] == ['{"seats":50}']
    assert policy.traits == {"account.plan", "account.seats", "account.csm"}


def test_what_an_old_id_says_of_its_account_is_told() -> None:
    """It is sent on to the id that goes on, which says it in its own name."""
    events = [
        event(0),
        alias_event("device", "ann", START + 1, START + 1),
        group(2, who="device", seats=4),
        event(HOUR_MS + 3),
    ]
    found = [news for news in told(events, policy=WITH_TRAITS) if news.traits]
    assert found == [
        MemberNews(START + 2, "acme", "ann", Tidings.TRAITS, traits='{"seats":4}'),
    ]


def test_who_looks_at_accounts_no_longer_tells_them_nothing() -> None:
    """Not even what had been said before, and waits for its moment."""
    models = Timeline(OnlineModel(cold(30.0, 2.5)))
    before = Detector(WITH_TRAITS, models)
    before.on_events([event(0), group(1, seats=50)])
    now = msgspec.structs.replace(WITH_TRAITS, accounts=Accounts(), version="later")
    after = Detector(now, models, customers=before.customers, progress=before.progress)
    assert after.on_tick(START + DAY_MS).members == []
    assert after.customers["ann"].signals == []
