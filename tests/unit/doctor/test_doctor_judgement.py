"""What is made of the facts: good, to be warned of, or a failure that says what to do."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from stream.doctor import (
    broker,
    clock,
    group,
    letters,
    model,
    positions,
    retention,
    topics,
    transaction,
)
from stream.doctor.broker import BrokerFacts
from stream.doctor.findings import Fault, Finding, Verdict, as_values, ok, quoted, warning, worst
from stream.doctor.group import GroupFacts, Member
from stream.doctor.letters import Letters
from stream.doctor.positions import PartitionFacts
from stream.doctor.retention import Unread
from stream.doctor.show import lines, summary
from stream.doctor.topics import TopicFacts
from stream.doctor.transaction import Clocks, TransactionFacts
from stream.engine.refusals import Refusal, Whose
from stream.engine.settings import EngineSettings
from stream.settings import load
from stream.worker.topics import specs

ENGINE = EngineSettings()
SETTINGS = load({"topics": {"sources": "raw"}, "partitions": 4})
APIS = {22: (0, 5), 24: (0, 5), 11: (0, 9), 65: (0, 0), 71: (0, 0)}
NOW_MS = 1_760_000_000_000
GOOD = {"max.message.bytes": "1048588", "min.insync.replicas": "2", "segment.ms": "600000"}


def only(findings: Iterator[Finding]) -> Finding:
    """Return the one finding there is."""
    (finding,) = findings
    return finding


# ---------------------------------------------------------------- broker


@pytest.mark.parametrize(
    ("apis", "verdict", "words"),
    [
        (APIS, Verdict.OK, "Kafka 3.7 or later"),
        ({**APIS, 71: (1, 0)}, Verdict.OK, "Kafka 3.0 or later"),
        ({22: (0, 1), 24: (0, 1), 11: (0, 4)}, Verdict.FAILURE, "no static membership"),
        ({11: (0, 5)}, Verdict.FAILURE, "no transactions"),
    ],
)
def test_a_broker_is_as_old_as_what_it_answers(
    apis: dict[int, tuple[int, int]], verdict: Verdict, words: str
) -> None:
    """Kafka tells no version; what a worker needs is told by request."""
    found = only(broker.judge(BrokerFacts("c", ("b:9092",), apis)))
    assert found.verdict is verdict
    assert words in found.reason


def test_one_host_away_is_a_warning_and_all_away_a_failure() -> None:
    """The first is lost redundancy, the second a worker that waits."""
    away = KafkaConnectionError("refused")
    found = only(broker.judge_knocks({"a:1": None, "b:1": away}))
    assert found.verdict is Verdict.WARNING
    assert "b:1" in found.reason
    assert only(broker.judge_knocks({"a:1": away})).verdict is Verdict.FAILURE
    assert list(broker.judge_knocks({"a:1": None})) == []


def test_being_refused_is_not_being_alone() -> None:
    """Another password helps, where another address would not."""
    refusal = Refusal("answers, and refuses us", Whose.CREDENTIALS, "correct the password")
    found = only(broker.judge_knocks({"a:1": refusal}))
    assert found.fault is Fault.CREDENTIALS


# ---------------------------------------------------------------- topics


def about(name: str, **facts: Any) -> list[Finding]:
    """Return what is found about a topic; what is not said of it is good."""
    spec = {spec.name: spec for spec in specs(SETTINGS, {"raw": 4})}.get(name)
    policy = "compact" if spec is not None and spec.compacted else "delete"
    config = {"cleanup.policy": policy, **GOOD, **facts.pop("config", {})}
    count = spec.partitions if spec else 4
    fact = TopicFacts(
        name, **{"partitions": count, "copies": 3, "in_sync": 3, "config": config, **facts}
    )
    raw = TopicFacts("raw", 4, copies=3, in_sync=3, config=GOOD)
    wanted = specs(SETTINGS, {"raw": 4})
    found = topics.judge(SETTINGS, ENGINE, wanted, {"raw": raw, name: fact}, {})
    return [finding for finding in found if finding.check != "topic raw"]


def test_good_topics_are_said_to_be_good() -> None:
    """A check that was made and found nothing is worth a line."""
    assert [finding.verdict for finding in about("slipaway.state")] == [Verdict.OK]


@pytest.mark.parametrize(
    ("name", "config", "verdict", "words"),
    [
        ("slipaway.state", {"cleanup.policy": "delete"}, Verdict.FAILURE, "forget customers"),
        ("slipaway.model", {"cleanup.policy": "compact,delete"}, Verdict.FAILURE, "forget"),
        ("slipaway.usage", {"cleanup.policy": "compact"}, Verdict.FAILURE, "last record of a key"),
        ("slipaway.alerts", {"cleanup.policy": "compact,delete"}, Verdict.WARNING, "vanish"),
        ("slipaway.alerts", {"max.message.bytes": "1000"}, Verdict.FAILURE, "batches of 262144"),
        ("slipaway.dead-letters", {}, Verdict.WARNING, "the 1048588 of raw"),
        ("slipaway.state", {"segment.ms": "604800000"}, Verdict.WARNING, "each restart reads them"),
        ("slipaway.state", {"min.insync.replicas": "1"}, Verdict.WARNING, "lost with one broker"),
    ],
)
def test_a_configuration_is_held_against_what_the_topic_is_for(
    name: str, config: dict[str, str], verdict: Verdict, words: str
) -> None:
    """The same setting is right for one topic and ruin for another."""
    found = [finding for finding in about(name, config=config) if words in finding.reason]
    assert [finding.verdict for finding in found] == [verdict]
    assert found[0].action
    assert name in found[0].action + found[0].reason


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        ({"leaderless": 1}, Verdict.FAILURE, "no leader"),
        ({"in_sync": 1}, Verdict.FAILURE, "nothing can be written"),
        (
            {"copies": 1, "in_sync": 1, "config": {"min.insync.replicas": "1"}},
            "warning",
            "one copy",
        ),
        ({"partitions": 0, "forbidden": "TopicAuthorizationFailedError"}, "failure", "not tell"),
        ({"config": None}, Verdict.WARNING, "may not be read"),
        ({"partitions": 7}, Verdict.FAILURE, "what it speaks of has 4"),
    ],
)
def test_a_topic_that_cannot_be_used_now_is_named(
    facts: dict[str, Any], verdict: str, words: str
) -> None:
    """Whoever deploys reads it here, and not in a restart loop."""
    if facts.get("config", {}) is None:
        fact = TopicFacts("slipaway.state", 4, copies=3, in_sync=3)
        found = list(
            topics.judge(SETTINGS, ENGINE, specs(SETTINGS, {"raw": 4}), {fact.name: fact}, {})
        )
    else:
        found = about("slipaway.state", **facts)
    assert [finding.verdict for finding in found if words in finding.reason] == [verdict]


def test_a_missing_topic_is_fine_if_it_can_be_made_and_is_ours() -> None:
    """A source is somebody else's: a worker would wait for it without end."""
    wanted = specs(SETTINGS, {})
    facts = {name: TopicFacts(name) for name in ("raw", "slipaway.usage", "slipaway.state")}
    refused = {"slipaway.state": "The broker refuses. Operator action: allow it."}
    raw, usage, state = topics.judge(SETTINGS, ENGINE, wanted, facts, refused)
    assert (raw.verdict, usage.verdict, state.verdict) == ("failure", "ok", "failure")
    assert (state.reason, state.action) == ("The broker refuses.", "allow it")


# ---------------------------------------------------------------- transaction and clock


@pytest.mark.parametrize(
    ("facts", "verdict", "fault"),
    [
        (TransactionFacts("t", seconds=0.02), Verdict.OK, Fault.NOBODY),
        (TransactionFacts("t"), Verdict.OK, Fault.NOBODY),
        (TransactionFacts("t", seconds=2.0), Verdict.WARNING, Fault.BROKER),
        (TransactionFacts("t", seconds=20.0), Verdict.FAILURE, Fault.BROKER),
        (TransactionFacts("t", refused="no answer"), Verdict.FAILURE, Fault.BROKER),
        (
            TransactionFacts("t", refused="no", forbidden=True),
            Verdict.FAILURE,
            Fault.PERMISSION,
        ),
        (TransactionFacts("t", failed="disk"), Verdict.FAILURE, Fault.BROKER),
    ],
)
def test_a_transaction_is_possible_and_fast_or_it_is_said_why_not(
    facts: TransactionFacts, verdict: Verdict, fault: Fault
) -> None:
    """A worker gives up after its deadline, and its alerts are as late as its transactions."""
    found = only(transaction.judge(facts, ENGINE))
    assert (found.verdict, found.fault) == (verdict, fault)


def test_a_topic_that_may_not_be_written_is_named() -> None:
    """Beside what else was found of transactions."""
    facts = TransactionFacts("t", unwritable={"alerts": "TopicAuthorizationFailedError"})
    denied, _ = transaction.judge(facts, ENGINE)
    assert (denied.check, denied.verdict) == ("topic alerts", Verdict.FAILURE)


@pytest.mark.parametrize(
    ("clocks", "apart"),
    [
        (Clocks(1_000, 1_000, 1_000), 0),
        (Clocks(1_000, 4_000, 5_000), 0),
        (Clocks(1_000, 5_500, 5_000), 500),
        (Clocks(1_000, 400, 5_000), -600),
    ],
)
def test_clocks_are_apart_only_as_far_as_it_is_sure(clocks: Clocks, apart: int) -> None:
    """A slow network between the two readings must not pass for a wrong clock."""
    assert clocks.apart_ms == apart


@pytest.mark.parametrize(
    ("apart", "verdict", "words"),
    [
        (1_000, Verdict.OK, "agree"),
        (-1_001, Verdict.WARNING, "behind us"),
        (1_001, Verdict.WARNING, "ahead of us"),
        (300_001, Verdict.FAILURE, "max_future_skew"),
    ],
)
def test_clocks_apart_are_warned_of_and_beyond_the_policy_refused(
    apart: int, verdict: Verdict, words: str
) -> None:
    """Beyond it, events of now are refused as from the future."""
    found = only(clock.judge(Clocks(0, apart, 0), 300_000))
    assert found.verdict is verdict
    assert words in found.reason


def test_a_clock_that_cannot_be_read_is_said() -> None:
    """Silence would pass for agreement."""
    assert only(clock.judge(None, 300_000)).verdict is Verdict.WARNING


# ---------------------------------------------------------------- group


def members(*names: str, partitions: int = 0, protocol: str = "faust") -> GroupFacts:
    """Return a settled group; the first member holds so many partitions of usage."""
    held = frozenset(("usage", number) for number in range(partitions))
    people = tuple(
        Member(name, "10.0.0.1", held if name == names[0] else frozenset()) for name in names
    )
    return GroupFacts("app", "Stable", protocol, people)


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (GroupFacts("app", "Dead"), Verdict.OK, "nobody in it"),
        (members("w1", "w2", partitions=2), Verdict.OK, "2 members: w1, w2"),
        (members("w0", partitions=2), Verdict.WARNING, "w0 is in use by a worker on 10.0.0.1"),
        (members("x", protocol="range"), Verdict.FAILURE, "other software"),
        (GroupFacts("app", forbidden=True), Verdict.FAILURE, "may not join"),
    ],
)
def test_a_worker_joins_a_group_of_its_own_kind_under_a_name_of_its_own(
    facts: GroupFacts, verdict: Verdict, words: str
) -> None:
    """Two of one name end each other in turns; other software divides the work otherwise."""
    found = only(group.judge(facts, "w0", {"usage": 2}))
    assert found.verdict is verdict
    assert words in found.reason


def test_partitions_that_nobody_reads_are_found() -> None:
    """A topic that grew, or a source that was added, while names stayed in the group."""
    _, found = group.judge(members("w1", partitions=2), "w0", {"usage": 3, "raw": 1})
    assert found.verdict is Verdict.WARNING
    assert "raw/0, usage/2" in found.reason
    rebalancing = GroupFacts("app", "PreparingRebalance", "", members("w1").members)
    assert only(group.judge(rebalancing, "w0", {"usage": 3})).verdict is Verdict.OK


# ---------------------------------------------------------------- positions and retention


def test_a_position_that_a_worker_would_refuse_is_said_in_its_words() -> None:
    """The same sentence as in the log of the worker that was spared."""
    fine = PartitionFacts("usage", 0, 0, 10, saved=4, rows=3)
    lost = PartitionFacts("usage", 1, 5, 9, saved=1, refusal="Lost. Operator action: start anew.")
    (found,) = positions.judge([fine, lost])
    assert (found.verdict, found.reason, found.action) == ("failure", "Lost.", "start anew")
    (found,) = positions.judge([fine, PartitionFacts("usage", 1, 5, 9)])
    assert found.reason == "saved of 1 of 2 partitions, with 3 rows; 10 offsets to go"


DAY = 86_400_000


@pytest.mark.parametrize(
    ("config", "unread", "verdict", "words"),
    [
        ({"retention.ms": "-1", "retention.bytes": "-1"}, Unread(9, 0, 0), "ok", "for ever"),
        ({"retention.ms": str(9 * DAY)}, Unread(9, 0, 0), "ok", "for 9 days"),
        ({"retention.ms": str(9 * DAY)}, Unread(9, 5, 2), "warning", "2 records that are still"),
        ({"retention.ms": str(9 * DAY)}, Unread(9, 5, 0), "warning", "half of"),
        ({"retention.ms": "3600000"}, Unread(0, 0, 0), "warning", "less than a day"),
        ({"retention.ms": "-1", "retention.bytes": "9"}, Unread(9, 0, 0), "warning", "by size"),
        ({"retention.ms": "-1", "retention.bytes": "9"}, Unread(0, 0, 0), "ok", "for ever"),
    ],
)
def test_what_may_be_deleted_before_it_is_read_is_warned_of(
    config: dict[str, str], unread: Unread, verdict: str, words: str
) -> None:
    """Once it is gone, all that a worker can do is to say so."""
    found = only(retention.judge(TopicFacts("usage", 1, config=config), unread))
    assert found.verdict == verdict
    assert words in found.reason


# ---------------------------------------------------------------- findings


def test_the_worst_finding_is_the_verdict() -> None:
    """Warnings do not fail a deployment."""
    fine, doubt = ok("a", "b"), warning("a", "b", Fault.TOPIC, "c")
    bad = quoted("a", "b. Operator action: c.", Fault.SAVED)
    assert worst([]) is worst([fine]) is Verdict.OK
    assert worst([doubt, fine]) is Verdict.WARNING
    assert worst([doubt, bad, fine]) is Verdict.FAILURE
    assert as_values([doubt]) == {
        "verdict": "warning",
        "findings": [
            {
                "check": "a",
                "verdict": "warning",
                "reason": "b",
                "fault": "the topic's configuration",
                "action": "c",
            }
        ],
    }


def test_a_finding_is_shown_with_its_cause_and_what_to_do() -> None:
    """In two lines at most, the first of which says how good it is."""
    bad = quoted("topic x", "It is gone. Operator action: make it.", Fault.TOPIC)
    assert list(lines(bad)) == [
        "failure  topic x: It is gone.",
        "         cause: the topic's configuration; to do: make it",
    ]
    assert list(lines(ok("topic x", "there"))) == ["ok       topic x: there"]
    assert summary([bad, ok("a", "b")]) == "1 failed, 0 to be warned of, 1 ok"


# ---------------------------------------------------------------- dead letters, the model


def test_dead_letters_are_told_by_what_most_of_them_are() -> None:
    """The code says whose they are; one of them says it in a sentence."""
    assert only(letters.judge(Letters())).verdict is Verdict.OK
    codes = Counter({("no_customer", "raw"): 30, ("future", "raw"): 10})
    words = {"no_customer": "There is no userId.", "future": "It is of tomorrow."}
    found = only(letters.judge(Letters(40, codes, words)))
    assert found.verdict is Verdict.WARNING
    assert found.fault is Fault.SENDER
    assert found.reason == (
        "40 in the last hour: no_customer of raw 75%, future of raw 25%;"
        " no_customer: There is no userId."
    )
    assert "40 or more" in only(letters.judge(Letters(400, codes, words))).reason


@pytest.mark.parametrize(
    ("days", "more", "verdict"),
    [
        (1, {}, Verdict.OK),
        (4, {}, Verdict.WARNING),
        (4, {"model": "pinned"}, Verdict.OK),
        (4, {"clock": "event"}, Verdict.OK),
    ],
)
def test_an_old_model_says_that_nobody_trains(
    days: int, more: dict[str, str], verdict: Verdict
) -> None:
    """Unless it is meant to be old: pinned, or in a replay."""
    newest = model.Newest("warm-1", NOW_MS - days * 86_400_000)
    found = only(model.judge(load(more), newest, NOW_MS))
    assert found.verdict is verdict
    assert f"warm-1, in force for {days}.0 days" in found.reason
    assert only(model.judge(load(more), None, NOW_MS)).verdict is Verdict.OK
