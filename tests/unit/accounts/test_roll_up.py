"""Stories of accounts: what is told of their members, and what is said of them."""

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from stream.detector.accounts.account import MEMBERS_MAX, Account
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.accounts.roll_up import RollUp
from stream.detector.alerts import Kind, Severity
from stream.detector.calendar import Calendar, Holiday, local_time
from stream.detector.events import DAY_MS, HOUR_MS, SECOND_MS
from stream.detector.members import MemberNews, Tidings
from stream.detector.policy import Accounts, Policy
from stream.detector.stages import AccountTrigger
from stream.wire.calendars import calendar_of

POLICY = Policy(accounts=Accounts(enabled=True), version="p")
FIRST = 20_514
"""2026-03-02, a Monday."""
BEGIN = FIRST * DAY_MS
FOUR = {"ann": 1, "bob": 2, "cem": 2, "dia": 3}
"""Members, and every how many days each comes."""
Told = list[tuple[Kind, AccountTrigger, int]]


def at(day: float) -> int:
    """Return the moment (ms) so many days after the first."""
    return BEGIN + round(day * DAY_MS)


def news(day: float, who: str, what: Tidings = Tidings.VISIT) -> MemberNews:
    """Return what the account is told of a member."""
    return MemberNews(at(day), "acme", who, what)


def use(members: dict[str, int], begin: int, end: int) -> list[MemberNews]:
    """Return visits of members between two days."""
    return [
        news(day + 0.4, who)
        for day in range(begin, end)
        for who, every in sorted(members.items())
        if day % every == 0
    ]


def said(told: Iterable[MemberNews], until: float, policy: Policy = POLICY) -> list[AccountAlert]:
    """Return what is said by a day."""
    roll_up = RollUp(policy)
    roll_up.take(told)
    return roll_up.pass_time(at(until))


def stages(alerts: Sequence[AccountAlert]) -> Told:
    """Return kind, trigger and day of alerts."""
    return [(one.kind, one.trigger, (one.time - BEGIN) // DAY_MS) for one in alerts]


def test_a_silent_account_is_told_of_lapses_and_comes_back() -> None:
    """An account used daily is overdue within days, though each member's silence is nothing."""
    alerts = said([*use(FOUR, 0, 60), news(100.5, "cem")], 110)
    assert stages(alerts) == [
        (Kind.OPENED, AccountTrigger.SILENCE, 67),
        (Kind.LAPSED, AccountTrigger.SILENCE, 90),
        (Kind.RECOVERED, AccountTrigger.SILENCE, 100),
    ]
    opened, lapsed, recovered = alerts
    assert len({one.episode_id for one in alerts}) == 1
    assert len({one.alert_id for one in alerts}) == 3
    assert opened.silent_for_seconds == (at(67) - at(59.4)) // SECOND_MS
    assert opened.reason_1 == "account_silent"
    assert opened.reason_1_text == "Nobody came for 7.6 days; usually it is used every 24 hours."
    assert (lapsed.severity, lapsed.members_active) == (Severity.HIGH, 0)
    assert recovered.reason_1_text == "Somebody came after 41 days of silence."
    assert (recovered.time, recovered.members_active) == (at(100.5), 1)


def test_a_champion_who_stops_is_missed_though_others_come() -> None:
    """After half a horizon, for holidays are shorter; and the return ends it at once."""
    others = {who: every for who, every in FOUR.items() if who != "ann"}
    told = [*use(FOUR, 0, 60), *use(others, 60, 90), news(85.5, "ann")]
    opened, back = said(told, 90)
    assert (opened.kind, opened.trigger) == (Kind.OPENED, AccountTrigger.CHAMPION)
    assert opened.time == at(75)
    assert (opened.champion_id, opened.severity) == ("ann", Severity.MEDIUM)
    assert opened.champion_silent_for_seconds == round(15.6 * DAY_MS / 1000)
    assert "“ann”" in opened.reason_1_text
    assert "and has not for 16 days" in opened.reason_1_text
    assert (back.kind, back.reason_1, back.time) == (Kind.RECOVERED, "champion_back", at(85.5))


def test_others_who_carry_on_end_what_a_champion_began() -> None:
    """An account that does well without somebody is not slipping for ever."""
    others = {who: every for who, every in FOUR.items() if who != "ann"}
    daily = dict.fromkeys(others, 1)
    told = [*use(FOUR, 0, 60), *use(others, 60, 80), *use(daily, 80, 150)]
    opened, over = said(told, 150)
    assert opened.trigger is AccountTrigger.CHAMPION
    assert (over.kind, over.reason_1) == (Kind.RECOVERED, "others_carry_on")
    assert over.champion_id == "ann"


def test_a_champion_who_leaves_is_told_of_at_once() -> None:
    """The policy's ending event needs no silence."""
    told = [*use(FOUR, 0, 60), news(60.2, "ann", Tidings.LEFT)]
    (opened,) = said(told, 61)
    assert (opened.trigger, opened.time) == (AccountTrigger.CHAMPION, at(60.2))
    assert opened.reason_1_text == "“ann”, who used it most, has left."


def test_who_leaves_and_is_no_champion_is_not_told_of() -> None:
    """Members come and go."""
    assert said([*use(FOUR, 0, 60), news(60.2, "dia", Tidings.LEFT)], 61) == []


def test_fewer_seats_are_told_of_and_their_return_ends_it() -> None:
    """Against the account's own usual, as it was when the episode opened."""
    team = {f"m{number}": 2 for number in range(10)}
    few = dict(list(team.items())[:4])
    told = [*use(team, 0, 100), *use(few, 100, 150), *use(team, 150, 180)]
    opened, over = said(told, 180)
    assert (opened.kind, opened.trigger) == (Kind.OPENED, AccountTrigger.SEATS)
    assert (opened.members_active, opened.members_usual) == (4, 10.0)
    assert opened.reason_1_text == "4 members came within 30 days, where 10.0 were usual."
    assert (over.kind, over.reason_1, over.members_usual) == (Kind.RECOVERED, "members_back", 10.0)


def test_one_member_who_carries_it_alone_is_told_of() -> None:
    """The others still come, now and then: no seat is lost."""
    team = {f"m{number}": 1 for number in range(4)}
    rare = {"m0": 1, **{f"m{number}": 24 for number in range(1, 4)}}
    opened, *_ = said([*use(team, 0, 100), *use(rare, 100, 160)], 160)
    assert (opened.trigger, opened.severity) == (AccountTrigger.BREADTH, Severity.LOW)
    assert opened.members_active == 4
    assert "“m0”" in opened.reason_1_text


def test_a_second_finding_escalates() -> None:
    """First the champion, then everybody."""
    others = {who: every for who, every in FOUR.items() if who != "ann"}
    alerts = said([*use(FOUR, 0, 60), *use(others, 60, 80)], 100)
    assert [(one.kind, one.trigger) for one in alerts] == [
        (Kind.OPENED, AccountTrigger.CHAMPION),
        (Kind.ESCALATED, AccountTrigger.SILENCE),
    ]
    assert (alerts[1].reason_1, alerts[1].reason_2) == ("account_silent", "champion_silent")
    assert alerts[1].severity is Severity.HIGH


@pytest.mark.parametrize(
    "members", [{"ann": 1}, {"ann": 1, "bob": 2}], ids=["one member", "two members"]
)
def test_an_account_of_few_is_not_told_of(members: dict[str, int]) -> None:
    """What one or two do, their own alerts say."""
    assert said(use(members, 0, 60), 120) == []


def test_an_account_that_is_new_is_not_told_of() -> None:
    """Three members on one day are no rhythm."""
    assert said(use(FOUR, 0, 4), 60) == []


def test_a_visit_that_is_told_late_takes_back_what_it_disproves() -> None:
    """And one that disproves nothing takes nothing back."""
    roll_up = RollUp(POLICY)
    roll_up.take(use(FOUR, 0, 60))
    (opened,) = roll_up.pass_time(at(70))
    roll_up.take([news(59.3, "bob")])
    assert roll_up.pass_time(at(70)) == []
    roll_up.take([news(62.5, "bob")])
    (retracted,) = roll_up.pass_time(at(70))
    assert (retracted.kind, retracted.episode_id) == (Kind.RETRACTED, opened.episode_id)
    again = roll_up.pass_time(at(75))
    assert stages(again) == [(Kind.OPENED, AccountTrigger.SILENCE, 70)]
    assert again[0].episode_id != opened.episode_id


def test_a_visit_told_late_of_who_was_missed_takes_that_back() -> None:
    """The champion was there all the time."""
    others = {who: every for who, every in FOUR.items() if who != "ann"}
    roll_up = RollUp(POLICY)
    roll_up.take([*use(FOUR, 0, 60), *use(others, 60, 80)])
    (opened,) = roll_up.pass_time(at(80))
    roll_up.take([news(70.1, "ann")])
    (retracted,) = roll_up.pass_time(at(80))
    assert opened.trigger is AccountTrigger.CHAMPION
    assert retracted.kind is Kind.RETRACTED


def test_while_everybody_is_silent_nobody_is_told_of() -> None:
    """And the outage is taken off the silence afterwards."""
    down = MemberNews(at(61), "", "", Tidings.SUSPENDED)
    up = MemberNews(at(71), "", "", Tidings.RESUMED, at(61))
    assert said([*use(FOUR, 0, 60), down], 69) == []
    alerts = said([*use(FOUR, 0, 60), down, up], 80)
    assert stages(alerts) == [(Kind.OPENED, AccountTrigger.SILENCE, 77)]
    back = [*use(FOUR, 0, 60), down, up, *use(FOUR, 71, 90)]
    assert said(back, 90) == []


def test_who_is_not_watched_any_more_is_not_missed() -> None:
    """Neither as a champion nor as a seat."""
    others = {who: every for who, every in FOUR.items() if who != "ann"}
    told = [*use(FOUR, 0, 60), news(60.1, "ann", Tidings.UNOBSERVED), *use(others, 60, 130)]
    assert said(told, 130) == []
    everybody = [news(60.1, who, Tidings.UNOBSERVED) for who in FOUR]
    assert said([*use(FOUR, 0, 60), *everybody], 130) == []


def test_an_account_that_slows_down_gets_used_to_it() -> None:
    """Weekly use is told of once as silence, and is the rhythm later."""
    team = dict.fromkeys(("ann", "bob", "cem"), 1)
    weekly = dict.fromkeys(("ann", "bob", "cem"), 7)
    alerts = said([*use(team, 0, 63), *use(weekly, 63, 400)], 400)
    late = [one for one in alerts if one.time > at(200)]
    assert alerts != []
    assert late == []


def test_an_evening_belongs_to_its_own_day() -> None:
    """In New York, six in the evening is the day after in UTC: one day of use, not two."""
    local = local_time(calendar_of("America/New_York"))
    for clock, days in ((local, 1), (local_time(Calendar()), 2)):
        account = Account()
        for hour in (14.0, 25.0):
            account.come("ann", at(hour / 24), clock, 30.0)
        assert account.rhythm.days == days


def test_accounts_are_judged_when_their_own_day_begins() -> None:
    """Also where that is at a quarter past six in the evening UTC."""
    policy = msgspec.structs.replace(POLICY, calendar=calendar_of("Asia/Kathmandu"))
    (opened,) = said(use(FOUR, 0, 60), 80, policy)
    assert (opened.time + 5 * HOUR_MS + 45 * 60 * SECOND_MS) % DAY_MS == 0


def test_a_holiday_is_no_accounts_silence() -> None:
    """Ten days of closing put the alert off by ten days; an outage within them counts once."""
    (plain,) = said(use(FOUR, 0, 60), 80)
    closing = Calendar(holidays=(Holiday("closed", FIRST + 60, FIRST + 69),))
    closed = msgspec.structs.replace(POLICY, calendar=closing)
    outage = [
        MemberNews(at(62), "", "", Tidings.SUSPENDED),
        MemberNews(at(64), "", "", Tidings.RESUMED, at(61)),
    ]
    for more in ([], outage):
        (opened,) = said([*use(FOUR, 0, 60), *more], 90, closed)
        assert opened.time == plain.time + 10 * DAY_MS


def test_state_is_bounded() -> None:
    """An account of more members than are remembered keeps those who came last."""
    account = Account()
    for number in range(MEMBERS_MAX + 50):
        account.come(f"m{number:05}", at(number / 100), local_time(Calendar()), 30.0)
    assert len(account.members) == account.members_seen == MEMBERS_MAX
    assert "m00049" not in account.members
    assert "m00050" in account.members
    assert account.forget(at(300), 30 * DAY_MS)
    assert account.members == {}


def test_limits_of_the_policy_are_obeyed() -> None:
    """Each knob turns something."""
    few = msgspec.structs.replace(POLICY.accounts, members_min=5)
    assert said(use(FOUR, 0, 60), 80, msgspec.structs.replace(POLICY, accounts=few)) == []
    patient = msgspec.structs.replace(POLICY.accounts, silence_chance=1e-6)
    (opened,) = said(use(FOUR, 0, 60), 89, msgspec.structs.replace(POLICY, accounts=patient))
    assert opened.time > at(70)


def test_an_erased_member_is_forgotten() -> None:
    """It is missed no longer, though it was the champion; one fewer is usual."""
    roll_up = RollUp(POLICY)
    team = {"ann": 1, "bob": 4, "cem": 4, "dia": 5}
    roll_up.take([*use(team, 0, 80), *use({"bob": 4, "cem": 4, "dia": 5}, 80, 140)])
    roll_up.take([news(110, "ann", Tidings.ERASED)])
    before = roll_up.pass_time(at(109))
    account = roll_up.accounts["acme"]
    assert account.episode is not None
    assert account.episode.champion_id == "ann"
    usual = account.members_usual
    after = roll_up.pass_time(at(111))
    assert "ann" not in account.members
    assert account.members_usual <= usual
    assert not account.episode or not account.episode.champion_id
    assert all(alert.champion_id != "ann" for alert in after)
    assert before[0].champion_id == "ann"
