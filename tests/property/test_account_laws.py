"""The laws of the roll-up: what no interleaving, batch or restart may change."""

from collections.abc import Sequence
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detector.accounts.account import Account
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.accounts.roll_up import AccountsProgress, RollUp
from stream.detector.alerts import Kind
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.members import MemberNews, Tidings
from stream.detector.policy import Accounts, Policy
from stream.detector.segments import AccountSegment, Condition, FromTrait
from stream.wire.state import StateCodec

START = 1_699_228_800_000
"""2023-11-06, a Monday."""
POLICY = Policy(
    horizon_ms=8 * DAY_MS,
    accounts=Accounts(
        enabled=True,
        members_min=2,
        silence_chance=0.2,
        champion_share=0.3,
        seats_ratio=0.7,
        seats_bought=FromTrait("n"),
    ),
    account_segments=(
        AccountSegment(
            name="ours", where=(Condition(trait="plan", one_of=("ours",)),), eligible=False
        ),
        AccountSegment(name="others", value=FromTrait("n")),
    ),
)
END = START + 120 * DAY_MS
PARTITIONS = 3
ROW, PROGRESS = StateCodec(Account), StateCodec(AccountsProgress)


@st.composite
def stories(draw: st.DrawFn) -> list[MemberNews]:
    """Draw what two accounts are told, in order: eager beginnings, and whatever comes then."""
    told = [
        MemberNews(START + day * DAY_MS + hour * HOUR_MS, account, f"{account}{who}", Tidings.VISIT)
        for day in range(40)
        for account in "ab"
        for who, hour in enumerate((9, 11, 15))
        if (day + who) % (1 + who) == 0
    ]
    for _ in range(draw(st.integers(0, 25))):
        account = draw(st.sampled_from("ab"))
        who = f"{account}{draw(st.integers(0, 3))}"
        what = draw(st.sampled_from([Tidings.VISIT] * 6 + [Tidings.LEFT, Tidings.UNOBSERVED]))
        told.append(
            MemberNews(START + draw(st.integers(40, 115 * 24)) * HOUR_MS, account, who, what)
        )
    for _ in range(draw(st.integers(0, 6))):
        at = START + draw(st.integers(0, 115 * 24)) * HOUR_MS
        account = draw(st.sampled_from("ab"))
        traits = draw(st.sampled_from(['{"plan":"ours"}', '{"plan":null}', '{"plan":"x","n":4}']))
        told.append(MemberNews(at, account, f"{account}0", Tidings.TRAITS, traits=traits))
    if draw(st.booleans()):
        begin = START + draw(st.integers(40, 80)) * DAY_MS
        end = begin + draw(st.integers(1, 20)) * DAY_MS
        told.append(MemberNews(begin, "", "", Tidings.SUSPENDED))
        told.append(MemberNews(end, "", "", Tidings.RESUMED, begin))
    return sorted(told)


def straight(told: Sequence[MemberNews]) -> list[AccountAlert]:
    """Return what is said if all is told before time passes at all."""
    roll_up = RollUp(POLICY)
    roll_up.take(told)
    return roll_up.pass_time(END)


def restored(roll_up: RollUp) -> RollUp:
    """Return a roll-up that has been written, and read by somebody else."""
    rows = {name: ROW.encode(account) for name, account in roll_up.accounts.items()}
    progress = PROGRESS.decode(PROGRESS.encode(roll_up.progress))
    return RollUp(POLICY, {name: ROW.decode(row) for name, row in rows.items()}, progress)


@settings(max_examples=60, deadline=None)
@given(stories(), st.integers(0, 1 << 32))
def test_neither_partitions_nor_batches_nor_restarts_change_anything(
    told: list[MemberNews], seed: int
) -> None:
    """Each partition of customers tells in order, at its own pace; time is the slowest one's."""
    chance = Random(seed)
    queues = [
        [news for news in told if news.customer_id and hash_of(news) == number]
        for number in range(PARTITIONS)
    ]
    queues[0] = sorted([*queues[0], *(news for news in told if not news.customer_id)])
    roll_up, said = RollUp(POLICY), []
    done = [0] * PARTITIONS
    while any(done[number] < len(queue) for number, queue in enumerate(queues)):
        number = chance.randrange(PARTITIONS)
        step = chance.randint(1, 30)
        roll_up.take(queues[number][done[number] : done[number] + step])
        done[number] += step
        come_to = [
            queue[done[place]].at if done[place] < len(queue) else END
            for place, queue in enumerate(queues)
        ]
        said += roll_up.pass_time(min(come_to))
        if chance.random() < 0.2:
            roll_up = restored(roll_up)
    said += roll_up.pass_time(END)
    assert said == straight(told)


@settings(max_examples=60, deadline=None)
@given(stories())
def test_an_episode_opens_once_and_ends_before_the_next(told: list[MemberNews]) -> None:
    """One alert a stage; whatever happens, the stages are in their order."""
    before: dict[str, Kind | None] = {}
    follows = {
        None: {Kind.OPENED, Kind.LAPSED},
        Kind.OPENED: {Kind.ESCALATED, Kind.RECOVERED, Kind.LAPSED, Kind.RETRACTED},
        Kind.ESCALATED: {Kind.RECOVERED, Kind.LAPSED, Kind.RETRACTED},
        Kind.LAPSED: {Kind.RECOVERED, Kind.RETRACTED},
    }
    alerts = straight(told)
    assert len({alert.alert_id for alert in alerts}) == len(alerts)
    assert [alert.time for alert in alerts] == sorted(alert.time for alert in alerts)
    for alert in alerts:
        assert alert.kind in follows[before.get(alert.account_id)]
        ended = alert.kind in (Kind.RECOVERED, Kind.RETRACTED)
        before[alert.account_id] = None if ended else alert.kind


@settings(max_examples=40, deadline=None)
@given(stories(), st.integers(1, 119))
def test_what_happens_later_changes_nothing_said_before(told: list[MemberNews], days: int) -> None:
    """No decision sees the future."""
    cut = START + days * DAY_MS
    early = [alert for alert in straight(told) if alert.time < cut]
    assert [
        alert for alert in straight([n for n in told if n.at < cut]) if alert.time < cut
    ] == early


def hash_of(news: MemberNews) -> int:
    """Return the partition that a member lives in."""
    return sum(news.customer_id.encode()) % PARTITIONS


def test_the_stories_are_eventful() -> None:
    """Laws about nothing hold: the plainest of these stories is told of."""
    told = [
        MemberNews(START + day * DAY_MS + 9 * HOUR_MS, "a", f"a{who}", Tidings.VISIT)
        for day in range(40)
        for who in range(3)
    ]
    assert [alert.kind for alert in straight(told)] == [Kind.OPENED, Kind.LAPSED]
    assert msgspec.structs.asdict(straight(told)[0])["account_id"] == "a"
