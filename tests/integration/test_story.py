"""One story over a real Kafka, told from events alone, by the policy in examples/saas.toml.

A product for teams in the spring of 2026.  A hundred and fifty customers come and go as
they do; among them are some whose stories are told here, and every alert that their
events lead to is read as a subscriber would.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any

import jsonschema
import pytest
import yaml
from worker_process import TOPICS, create, producer, read_all, worker

from stream.broker import LocalBroker
from stream.detector.events import DAY_MS
from stream.detector.holdout import held_out
from stream.replay.run import Outputs, replay
from stream.settings import Settings
from stream.wire.policy_file import load
from stream.wire.times import iso
from stream.worker.feed import publish

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SAAS = Path(__file__).parents[2] / "examples" / "saas.toml"
CONTRACT = Path(__file__).parents[2] / "deploy" / "contract"
BEGIN = 1_761_955_200_000  # 2025-11-01, 00:00 UTC: day 0
LAST_DAY = 160
THREE_YEARS = 1_095
"""Days."""
HELD = "vic"
"""Whom the policy's salt puts into the holdout."""
SPRING = 120
"""The day around which the stories are told: 2026-03-01."""

Message = dict[str, Any]


def at(day: float) -> str:
    """Give a moment as text."""
    return iso(BEGIN + round(day * DAY_MS))


def did(who: str, day: float, event: str = "board_opened", **more: object) -> Message:
    """Give what somebody did."""
    return {
        "type": "track",
        "messageId": f"{who}-{event}-{day:.4f}",
        "userId": who,
        "event": event,
        "timestamp": at(day),
        **more,
    }


def told(who: str, day: float, **traits: object) -> Message:
    """Give who somebody is."""
    return did(who, day) | {"type": "identify", "traits": traits, "messageId": f"{who}-is-{day}"}


def population() -> Iterator[Message]:
    """Give customers as there are many: each with a rhythm of its own, every fifth leaves."""
    for number in range(150):
        chance, who = Random(number), f"customer-{number}"
        usual = chance.uniform(0.8, 4.0)
        leaves = chance.uniform(30, 130) if number % 5 == 0 else LAST_DAY
        day = chance.uniform(0, 20)
        while day < leaves:
            yield did(who, day)
            day += chance.expovariate(1 / usual)


def daily(who: str, begin: float, end: float) -> list[Message]:
    """Give somebody who comes every day, at about the same time."""
    chance, count = Random(who), round(end - begin)
    return [did(who, begin + n + chance.uniform(-0.1, 0.1)) for n in range(count)]


def heroes() -> list[Message]:
    """Give what the people of the story did."""
    trial = [told("tina", SPRING, plan="trial")]
    trial += [did("tina", SPRING + day) for day in (0.01, 1, 2.2, 4)]
    key = [
        told("vera", 60, plan="enterprise", mrr=4_200, csm="dana"),
        did("vera", 60) | {"type": "group", "groupId": "acme", "traits": {"seats": 80}},
        *daily("vera", 61, SPRING),
        did("vera", SPRING - 0.5, "ticket_opened", context={"active": False}),
    ]
    waiting = [*daily("walt", 61, SPRING), did("walt", SPRING - 0.4, "ticket_opened")]
    left = [*daily("lea", 61, SPRING), did("lea", SPRING, "subscription_cancelled")]
    back = [*daily("rick", 61, SPRING), *daily("rick", SPRING + 15, LAST_DAY)]
    # Six people of one office, of whom four stop coming; nobody's account is theirs.
    office = [
        message | {"context": {"groupId": "olive"}}
        for number in range(6)
        for message in daily(f"olive-{number}", 2, SPRING if number < 4 else LAST_DAY)
    ]
    # Another member says what has been agreed upon; what the first one said is over.
    bought = [
        did(f"olive-{number}", day)
        | {"type": "group", "groupId": "olive", "traits": {"seats": seats, "mrr": 640, "csm": csm}}
        for number, day, seats, csm in ((0, 3.2, 4, "eve"), (5, 90.2, 8, "dana"))
    ]
    return [
        *trial,
        *office,
        *bought,
        *key,
        *waiting,
        *left,
        *back,
        *daily("dora", SPRING - THREE_YEARS, SPRING),
        *daily("laura", 61, SPRING),
        *daily(HELD, 61, SPRING),
    ]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Message], list[bytes]]:
    """Give all messages in their order, and the models that are learned from them."""
    product = load(SAAS)
    messages = [*population(), *heroes()]
    messages.sort(key=lambda message: (message["timestamp"], message["messageId"]))
    folder = tmp_path_factory.mktemp("story")
    log, models = folder / "events.jsonl", folder / "models.jsonl"
    log.write_text("\n".join(map(json.dumps, messages)))
    outputs = Outputs(snapshots=models)
    replay([str(log)], product, received_at=BEGIN + 999 * DAY_MS, outputs=outputs)
    return messages, models.read_bytes().splitlines()


async def send(broker: LocalBroker, raw: str, messages: Sequence[Message]) -> None:
    """Send messages in their order."""
    async with producer(broker) as sender:
        for message in messages:
            await sender.send(raw, json.dumps(message).encode())
        await sender.flush()


async def said(broker: LocalBroker, topic: str) -> list[Message]:
    """Give the alerts of a topic, by their times."""
    alerts = [json.loads(record.value) for record in await read_all(broker, topic)]
    return sorted(alerts, key=lambda alert: str(alert["time"]))


def worklist(settings: Settings) -> list[Message]:
    """Give what `slipaway worklist` says."""
    sets = [f"--set=topics.customers={settings.topics.customers}"]
    command = [sys.executable, "-m", "stream", "worklist", "--policy", str(SAAS), *sets]
    brokers = ["--bootstrap-servers", settings.bootstrap_servers]
    done = subprocess.run([*command, *brokers], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def said_of(broker: LocalBroker, topic: str, who: str, kind: str) -> None:
    """Wait until an alert on somebody can be read."""
    deadline = time.monotonic() + 60
    while not any(
        (alert["customer_id"], alert["kind"]) == (who, kind) for alert in await said(broker, topic)
    ):
        assert time.monotonic() < deadline, f"nothing of {who}, {kind}"
        await asyncio.sleep(0.5)


async def any_said(broker: LocalBroker, topic: str) -> None:
    """Wait until there is an alert in a topic."""
    deadline = time.monotonic() + 60
    while not await said(broker, topic):
        assert time.monotonic() < deadline, f"nothing in {topic}"
        await asyncio.sleep(0.5)


@pytest.fixture(scope="module")
def told_of(
    learned: tuple[list[Message], list[bytes]],
    broker: LocalBroker,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Let a worker hear the whole story; give its alerts by topic, and what it counted."""
    return asyncio.run(_tell(learned, broker, tmp_path_factory.mktemp("worker")))


async def _tell(
    learned: tuple[list[Message], list[bytes]],
    broker: LocalBroker,
    folder: Path,
) -> dict[str, Any]:
    messages, models = learned
    run = token_hex(4)
    raw, names = f"raw-{run}", {name: f"{name}-{run}" for name in TOPICS}
    await create(broker, raw, {"retention.ms": "-1"})
    settings = Settings(bootstrap_servers=broker.bootstrap, topics={"sources": [raw], **names})
    noticed = at(SPRING + 10)
    first = [message for message in messages if message["timestamp"] < noticed]
    late = did("laura", SPRING + 3)
    with worker(broker, names, raw, folder, POLICY=str(SAAS)) as process:
        await process.ready()
        await publish(settings, models)
        await asyncio.sleep(1)
        await send(broker, raw, first)
        for who in ("dora", "laura", "rick", "vera"):
            await said_of(broker, names["alerts"], who, "opened")
        work = await asyncio.to_thread(worklist, settings)
        await send(broker, raw, [late, *messages[len(first) :]])
        for who in ("dora", "laura", "tina", "vera", "walt"):
            await said_of(broker, names["alerts"], who, "lapsed")
        await any_said(broker, names["account_alerts"])
        withheld = process.counted("alerts_withheld_total", reason="ticket")
        assert process.stop() == 0
    return {
        "withheld": withheld,
        "worklist": work,
        **{
            name: await said(broker, names[name])
            for name in ("alerts", "holdout", "customers", "account_alerts", "accounts")
        },
    }


def of(told_of: dict[str, Any], who: str, topic: str = "alerts") -> list[Message]:
    """Give what was said of somebody."""
    return [alert for alert in told_of[topic] if alert["customer_id"] == who]


def test_a_trial_that_stalls_gets_help(told_of: dict[str, Any]) -> None:
    """On the seventh day, though it came four times."""
    opened = of(told_of, "tina")[0]
    assert (opened["kind"], opened["trigger"], opened["segment"]) == (
        "opened",
        "onboarding",
        "trial",
    )
    assert opened["time"] == at(SPRING + 7.01)
    assert opened["play_text"] == "Offer half an hour to share the first board together."


def test_a_daily_user_of_three_years_goes_silent(told_of: dict[str, Any]) -> None:
    """Told of within a week, with numbers; a lapse a month after the last visit."""
    opened, *_, last = of(told_of, "dora")
    assert (opened["kind"], opened["trigger"]) == ("opened", "silence")
    assert opened["reason_1_text"] == "Usually back every 24 hours, silent for 7.7 days."
    assert opened["reason_2_text"] == "Has come 1095 times so far, over 1094 days."
    assert (opened["play"], opened["whats_new"]) == ("digest", "Timeline: boards by date")
    assert (last["kind"], last["phase"], last["play"]) == ("lapsed", "dormant", "survey")


def test_a_key_account_that_waits_for_an_answer_is_not_asked_to_log_in(
    told_of: dict[str, Any],
) -> None:
    """Its ticket makes it urgent, its owner is told what it is worth."""
    opened = of(told_of, "vera")[0]
    assert (opened["severity"], opened["segment"]) == ("high", "key account")
    assert (opened["value"], opened["owner"]) == (4200.0, "dana")
    assert opened["play_text"] == "Answer the open ticket, then call. Do not ask them to log in."
    assert opened["reason_2_text"] == "Has waited for support for 7.2 days."


def test_anybody_else_who_waits_is_left_to_support(told_of: dict[str, Any]) -> None:
    """Until the silence is a fact; what was withheld is counted."""
    assert [alert["kind"] for alert in of(told_of, "walt")] == ["lapsed"]
    assert told_of["withheld"] >= 1


def test_an_account_that_loses_seats_is_told_of(told_of: dict[str, Any]) -> None:
    """Four of six do not come any more; those who do say nothing of it."""
    opened = told_of["account_alerts"][0]
    assert (opened["account_id"], opened["kind"], opened["trigger"]) == ("olive", "opened", "seats")
    assert opened["members_active"] < opened["members_usual"]
    active = opened["members_active"]
    assert opened["reason_1_text"].startswith(f"{active} of 8 seats bought came within 30 days")
    assert (opened["segment"], opened["owner"], opened["value"]) == ("paying", "dana", 640.0)
    assert opened["play"] == "review seats"
    missing = 1 - active / opened["members_usual"]
    assert opened["quiet_share"] == pytest.approx(missing, abs=0.002)
    assert at(SPRING) < opened["time"] < at(LAST_DAY)
    assert not of(told_of, "olive-5")
    latest = {alert["account_id"]: alert for alert in told_of["accounts"]}
    assert latest["olive"] == told_of["account_alerts"][-1]
    assert not opened["holdout"]


def test_who_left_is_thanked_and_left_alone(told_of: dict[str, Any]) -> None:
    """One alert, at the moment."""
    (left,) = of(told_of, "lea")
    assert (left["kind"], left["trigger"], left["phase"]) == ("lapsed", "ending", "left")
    assert (left["time"], left["play"]) == (at(SPRING), "thank")


def test_the_holdout_is_recorded_and_not_delivered(told_of: dict[str, Any]) -> None:
    """Nor does the latest status tell of it."""
    assert held_out(HELD, load(SAAS).policy.holdout)
    assert of(told_of, HELD, "holdout")[0]["kind"] == "opened"
    assert not of(told_of, HELD)
    assert not of(told_of, HELD, "customers")
    assert all(alert["holdout"] is False for alert in told_of["alerts"])


def test_who_comes_back_has_recovered(told_of: dict[str, Any]) -> None:
    """After fifteen days away; the latest that is known of it says so."""
    *_, back = of(told_of, "rick")
    assert (back["kind"], back["play"]) == ("recovered", "welcome back")
    assert back["reason_1_text"].startswith("Back after 1")
    assert of(told_of, "rick", "customers")[-1] == back


def test_a_late_event_takes_an_alert_back(told_of: dict[str, Any]) -> None:
    """The visit had been there all the time; the silence after it is another one."""
    opened, retracted, *later = of(told_of, "laura")
    assert (opened["kind"], retracted["kind"]) == ("opened", "retracted")
    assert retracted["episode_id"] == opened["episode_id"]
    assert all(alert["episode_id"] != opened["episode_id"] for alert in later)


def test_every_alert_is_said_once(told_of: dict[str, Any]) -> None:
    """Whatever happens."""
    ids = [alert["alert_id"] for alert in [*told_of["alerts"], *told_of["holdout"]]]
    assert len(ids) == len(set(ids)) > 100


def test_the_worklist_has_what_is_open_owner_by_owner(told_of: dict[str, Any]) -> None:
    """Before anybody came back; who is in the holdout is on nobody's list."""
    owners: dict[str, list[str]] = {}
    for alert in told_of["worklist"]:
        owners.setdefault(alert["owner"], []).append(alert["customer_id"])
    assert owners["dana"] == ["vera"]
    assert {"dora", "laura", "rick"} <= set(owners["success team"])
    assert not {HELD, "walt", "lea"} & set(owners["success team"])
    risks = [alert["risk"] for alert in told_of["worklist"] if alert["owner"] == "success team"]
    assert risks == sorted(risks, reverse=True)


def test_every_alert_is_as_the_contract_says(told_of: dict[str, Any]) -> None:
    """A reader who knows the document and nothing else understands them all."""
    contract = yaml.safe_load((CONTRACT / "asyncapi.yaml").read_text())
    alerts = [*told_of["alerts"], *told_of["holdout"], *told_of["customers"]]
    kinds = {alert["kind"] for alert in alerts}
    assert {"opened", "escalated", "recovered", "lapsed", "retracted"} <= kinds
    for alert in alerts:
        payload = contract["components"]["messages"][alert["kind"]]["payload"]
        schema = {**payload.get("schema", payload), "components": contract["components"]}
        jsonschema.validate(alert, schema, format_checker=jsonschema.FormatChecker())
