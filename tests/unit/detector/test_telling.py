"""Telling: which account a visit counts for, and what is told of members."""

import pytest

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.members import MemberNews, Tidings
from stream.detector.policy import Accounts, Policy

START = 1_700_000_000_000
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
