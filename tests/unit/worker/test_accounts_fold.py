"""The work on a partition of accounts: time is the slowest teller's; restarts change nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import orjson
import pytest
from faust.types import TP
from organisations import BEGIN, office, visits
from said import alert

from stream.delivery.endpoints import Endpoint
from stream.delivery.templates.of_accounts import ACCOUNT_TEMPLATES
from stream.detector.accounts.roll_up import RollUp
from stream.detector.alerts import Kind, Trigger
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.holdout import held_out
from stream.detector.members import MemberNews, Tidings
from stream.detector.policy import Accounts, Holdout, Policy
from stream.engine.exits import Fatal
from stream.engine.flow import Batch, Output
from stream.wire.account_alerts import decode_account_alert, encode_account_alert
from stream.wire.members import MemberNewsError, decode_member, encode_member
from stream.worker.accounts import AccountDesk, AccountsFold
from stream.worker.metrics import Metrics
from stream.worker.telling import BEAT_MS, Teller

POLICY = Policy(accounts=Accounts(enabled=True))
DAYS = 150
END = BEGIN + DAYS * DAY_MS
Make = Callable[..., AccountsFold]


@pytest.fixture
def make(metrics: Metrics) -> Make:
    """Return what makes the work on one partition, told by two partitions of customers."""

    def fold(*, wall_ms: int = 0, publish_backfill: bool = False) -> AccountsFold:
        desk = AccountDesk(
            topic="account-alerts",
            holdout_topic="account-holdout",
            accounts="accounts",
            wall_clock=bool(wall_ms),
            max_age_ms=DAY_MS,
            publish_backfill=publish_backfill,
            metrics=metrics,
            clock=lambda: wall_ms,
        )
        made = AccountsFold(TP("members", 0), policy=POLICY, desk=desk, metrics=metrics, origins=2)
        made.begin(None)
        return made

    return fold


def story() -> list[MemberNews]:
    """Return what some organisations are told: some of them are deserted."""
    told = []
    for number in range(4):
        people = office(f"org{number}", 4, DAYS, seed=3)
        for member in people[number % 2 :]:
            member.until = 100
        told += visits(f"org{number}", people, DAYS, seed=3)
    return sorted(told)


def outputs() -> list[Output]:
    """Return the records that two partitions of customers send in the course of it."""
    tellers = [Teller(topic="members", partitions=1, origin=n, origins=2) for n in range(2)]
    sent: list[Output] = []
    for day in range(0, DAYS, 10):
        begin, end = BEGIN + day * DAY_MS, BEGIN + (day + 10) * DAY_MS
        for number, teller in enumerate(tellers):
            mine = [
                news
                for news in story()
                if begin <= news.at < end and sum(news.customer_id.encode()) % 2 == number
            ]
            sent += [*teller.outputs(mine, []), *teller.beats(end)]
    return sent


def records(record: Callable[..., Any]) -> list[Any]:
    """Return them as they are read."""
    return [record(sent.value, sent.key, offset) for offset, sent in enumerate(outputs())]


def expected() -> list[bytes]:
    """Return what the pure roll-up says."""
    roll_up = RollUp(POLICY)
    roll_up.take(story())
    said = [encode_account_alert(alert) for alert in roll_up.pass_time(END)]
    assert len(said) > 3
    return said


def values(sent: Sequence[Output]) -> list[bytes]:
    """Return the values of alerts."""
    return [one.value or b"" for one in sent if one.topic == "account-alerts"]


def test_alerts_are_those_of_the_pure_roll_up(make: Make, record: Callable[..., Any]) -> None:
    """The worker decides nothing itself."""
    fold = make()
    fold.apply(records(record))
    batch = fold.collect()
    assert values(batch.outputs) == expected()
    assert {one.key for one in batch.outputs} <= {b"org0", b"org1", b"org2", b"org3"}
    assert dict(batch.outputs[0].headers or ())["ce_type"].startswith(b"slipaway.account.")
    assert fold.pending == 0


@pytest.mark.parametrize("every", [1, 7, 100])
def test_who_is_restored_goes_on_as_if_nothing_was(
    make: Make, record: Callable[..., Any], every: int
) -> None:
    """From rows and position, after any record; what was published ahead is dropped."""
    fold, said = make(), list[bytes]()
    kept: dict[bytes, bytes | None] = {}
    all_records = records(record)
    for begin in range(0, len(all_records), every):
        fold.apply(all_records[begin : begin + every])
        if begin // every % 3:
            ahead = fold.publish()
            assert ahead is not None
            said += values(ahead)
            continue
        batch: Batch = fold.collect()
        kept |= dict(batch.rows)
        said += values(batch.outputs)
        fold = make()
        for key, row in kept.items():
            fold.load(key, row)
        fold.begin(batch.progress)
    said += values(fold.collect().outputs)
    assert said == expected()


def test_time_waits_for_the_slowest(make: Make, record: Callable[..., Any]) -> None:
    """While one partition of customers is silent, no account is."""
    fold = make()
    first = Teller(topic="members", partitions=1, origin=0, origins=2)
    sent = [*first.outputs(story(), []), *first.beats(END)]
    fold.apply([record(one.value, one.key, n) for n, one in enumerate(sent)])
    assert values(fold.collect().outputs) == []
    second = Teller(topic="members", partitions=1, origin=1, origins=2)
    fold.apply([record(one.value, one.key) for one in second.beats(END)])
    assert values(fold.collect().outputs) == expected()


def test_old_news_is_held_back_by_the_wall_clock(
    make: Make, record: Callable[..., Any], metrics: Metrics
) -> None:
    """Unless it is asked for; and what is new is no backfill."""
    last = orjson.loads(expected()[-1])
    fold = make(wall_ms=END)
    fold.apply(records(record))
    live = [orjson.loads(one) for one in values(fold.collect().outputs)]
    assert len(live) < len(expected())
    assert all(not one["backfill"] for one in live)
    held_back = metrics.alerts_held_back.labels("opened")._value.get()
    assert held_back > 0
    everything = make(wall_ms=END, publish_backfill=True)
    everything.apply(records(record))
    said = [orjson.loads(one) for one in values(everything.collect().outputs)]
    assert len(said) == len(expected())
    assert said[-1]["alert_id"] == last["alert_id"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"{",
        b'{"slipaway":"member.v2","at":1}',
        b'{"slipaway":"member.v1","at":1,"what":"danced","account_id":"a","customer_id":"b"}',
        b'{"slipaway":"member.v1","at":1,"what":"traits","account_id":"a","customer_id":"b"}',
        b'{"slipaway":"member.v1","at":1,"what":"traits","account_id":"a","customer_id":"","traits":"["}',
        b'{"slipaway":"heartbeat"}',
        b"[]",
    ],
)
def test_what_somebody_else_has_written_ends_the_worker(
    make: Make, record: Callable[..., Any], value: bytes | None
) -> None:
    """The topic is ours alone: going on would lose members without a word."""
    with pytest.raises(Fatal, match="members, offset 7"):
        make().apply([record(value, b"a", 7)])
    with pytest.raises(MemberNewsError):
        decode_member(value)


def test_what_is_told_survives_the_wire() -> None:
    """All of it, whatever the names."""
    assert b"traits" not in encode_member(MemberNews(BEGIN, "acme", "ann", Tidings.VISIT))
    for what in Tidings:
        news = MemberNews(BEGIN, "zoë 🌊", 'a"b\n', what, 7, '{"plan":"größer 🌊"}')
        assert decode_member(encode_member(news)) == news


def test_a_partition_says_every_day_that_it_passes() -> None:
    """A year of backlog is no single record, and news of nothing is none."""
    teller = Teller(topic="members", partitions=3, origin=1, origins=2)
    assert teller.owes(0)
    assert len(teller.beats(BEGIN + HOUR_MS)) == 3
    assert not teller.owes(BEGIN + HOUR_MS + BEAT_MS - 1)
    assert teller.owes(BEGIN + HOUR_MS + BEAT_MS)
    assert teller.beats(BEGIN + HOUR_MS) == []
    days = teller.beats(BEGIN + 3 * DAY_MS)
    moments = [orjson.loads(beat.value or b"")["watermark"] for beat in days]
    assert moments[::3] == [BEGIN + day * DAY_MS for day in (1, 2, 3)]
    again = Teller(topic="members", partitions=1, origin=1, origins=2)
    again.begin(BEGIN)
    assert len(again.beats(BEGIN + DAY_MS // 2)) == 1


def test_the_guards_notices_reach_every_partition_of_accounts() -> None:
    """As the time in which silence says nothing."""
    notice: dict[str, Any] = {
        "customer_id": "",
        "trigger": Trigger.POPULATION,
        "time": BEGIN + HOUR_MS,
        "silent_for_seconds": 3_600,
    }
    said = [alert(kind=kind, **notice) for kind in (Kind.SUSPENDED, Kind.RESUMED)]
    teller = Teller(topic="members", partitions=2, origin=0, origins=1)
    read = [decode_member(sent.value) for sent in teller.outputs([], said)]
    assert read == [
        *[MemberNews(BEGIN + HOUR_MS, "", "", Tidings.SUSPENDED)] * 2,
        *[MemberNews(BEGIN + HOUR_MS, "", "", Tidings.RESUMED, BEGIN)] * 2,
    ]


def of(sent: Sequence[Output], topic: str) -> dict[bytes | None, bytes | None]:
    """Return what a compacted topic would hold."""
    return {one.key: one.value for one in sent if one.topic == topic}


def test_the_latest_of_each_account_is_kept_in_a_topic(
    make: Make, record: Callable[..., Any]
) -> None:
    """In the same transaction; also what is too old to be news."""
    fold = make()
    fold.apply(records(record))
    sent = fold.collect().outputs
    assert of(sent, "accounts") == of(sent, "account-alerts") != {}
    old = make(wall_ms=END + 30 * DAY_MS)
    old.apply(records(record))
    assert {one.topic for one in old.collect().outputs} == {"accounts"}


def test_alerts_on_held_out_accounts_are_recorded_and_not_delivered(
    make: Make, record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the customers' own assignment, and nobody's latest tells of them."""
    everybody = {orjson.loads(one)["account_id"] for one in expected()}
    holdout = next(
        found
        for found in (Holdout(share=0.5, salt=f"salt-{n}") for n in range(99))
        if 0 < sum(held_out(one, found) for one in everybody) < len(everybody)
    )
    held = {one for one in everybody if held_out(one, holdout)}
    monkeypatch.setitem(globals(), "POLICY", msgspec.structs.replace(POLICY, holdout=holdout))
    fold = make()
    fold.apply(records(record))
    sent = fold.collect().outputs
    for topic, wanted in (
        ("account-holdout", held),
        ("account-alerts", everybody - held),
        ("accounts", everybody - held),
    ):
        said = [orjson.loads(one.value or b"") for one in sent if one.topic == topic]
        assert {alert["account_id"] for alert in said} == wanted
        assert {alert["holdout"] for alert in said} == {topic == "account-holdout"}
    endpoint = Endpoint(name="e", url="https://e", template=ACCOUNT_TEMPLATES["plain"])
    (alert, *_) = [
        decode_account_alert(one.value or b"") for one in sent if one.topic == "account-holdout"
    ]
    live = msgspec.structs.replace(alert, backfill=False)
    assert not endpoint.wants(live)
    assert endpoint.wants(msgspec.structs.replace(live, holdout=False))


def test_no_latest_names_who_was_erased(make: Make, record: Callable[..., Any]) -> None:
    """The account's next alert says anew how it stands."""
    fold = make()
    fold.apply(records(record))
    latest = of(fold.collect().outputs, "accounts")
    key, value = next(iter(latest.items()))
    assert key
    who = orjson.loads(value or b"")["champion_id"]
    erased = MemberNews(END + HOUR_MS, key.decode(), who, Tidings.ERASED)
    tellers = [Teller(topic="members", partitions=1, origin=n, origins=2) for n in range(2)]
    sent = tellers[0].outputs([erased], [])
    for teller in tellers:
        sent += teller.beats(END + DAY_MS)
    fold.apply([record(one.value, one.key) for one in sent])
    assert of(fold.collect().outputs, "accounts")[key] is None
