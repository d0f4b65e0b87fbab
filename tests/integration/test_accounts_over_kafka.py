"""Accounts through Kafka: members in many partitions, workers that die, and the file's alerts.

Members of an account live in different partitions of the usage topic, which are
worked off at different paces; what is said of the account must not show it.
"""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from organisations import BEGIN, BEGIN_DAY, office, visits
from test_replay_equals_worker import Run
from through_kafka import committed, slipaway

from stream.broker import LocalBroker
from stream.detector.events import DAY_MS, HOUR_MS
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

DAYS = 170
GONE = 120
"""The day on which something happens in some of them."""
POLICY = """
[events]
engagement = ["opened"]
ending = ["account_closed"]

[accounts]
enabled = true
seats_bought = { trait = "seats" }

[[account_segment]]
name = "ours"
where = { plan = "internal" }
eligible = false

[[account_segment]]
name = "paying"
value = { trait = "mrr" }
owner = { trait = "csm" }
"""


def traits() -> Iterator[bytes]:
    """Return what members say of their organisations, and contradict: some turn out to be ours."""
    for number in range(16):
        for member in range(4):
            for day in range(member, DAYS, 9 + number % 7):
                ours = number % 5 == 2 and day > GONE + 20
                yield orjson.dumps(
                    {
                        "type": "group",
                        "userId": f"org{number}-{member}",
                        "groupId": f"org{number}",
                        "timestamp": iso(BEGIN + day * DAY_MS + member * HOUR_MS),
                        "messageId": f"g{number}-{member}-{day}",
                        "traits": {
                            "seats": 5 + day % 4,
                            "mrr": 100 * number + member if member else None,
                            "csm": f"csm {member}",
                            "plan": "internal" if ours else "team",
                        },
                    }
                )


def lines() -> list[bytes]:
    """Return the events of some organisations: healthy, shrinking, deserted, and silent."""
    events = []
    for number in range(16):
        name = f"org{number}"
        people = office(name, 4 + number % 5, DAYS, seed=7, keen=0.95 if number % 4 == 1 else 0.0)
        if number % 4 == 1:
            people[0].until = GONE
            for other in people[1:]:
                other.keenness /= 4
        elif number % 4:
            for member in people[1 if number % 4 == 2 else 0 :]:
                member.until = GONE
        told = visits(name, people, DAYS, seed=7)
        events += [(news.at, news.customer_id, name, "opened") for news in told]
        if number % 4 == 1:
            events.append((BEGIN + GONE * DAY_MS, people[0].name, name, "account_closed"))
    return [
        orjson.dumps(
            {
                "type": "track",
                "userId": customer,
                "event": event,
                "timestamp": iso(at),
                "messageId": f"m{number}",
                "context": {"groupId": account},
            }
        )
        for number, (at, customer, account, event) in enumerate(sorted(events))
    ]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the log, its policy, and what a replay of the file says."""
    assert BEGIN == BEGIN_DAY * DAY_MS
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "policy.toml").write_text(POLICY)
    with gzip.open(folder / "events.jsonl.gz", "wb") as file:
        file.writelines(line + b"\n" for line in [*lines(), *traits()])
    outputs = ("--accounts", folder / "accounts.jsonl", "--save-model", folder / "models.jsonl")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPAWAY_")}
    log, policy = folder / "events.jsonl.gz", folder / "policy.toml"
    slipaway(environment, "replay", log, "--policy", policy, *outputs)
    return folder


def said_by_the_file(truth: Path) -> list[bytes]:
    """Return the alerts of the file replay: some of every trigger, and most stages."""
    said = (truth / "accounts.jsonl").read_bytes().splitlines()
    flat = [json.loads(line) for line in said]
    assert {one["trigger"] for one in flat} >= {"silence", "champion", "seats"}
    assert {one["kind"] for one in flat} >= {"opened", "escalated", "lapsed"}
    assert any(one["reason_1"] == "not_eligible" for one in flat)
    assert len({(one["value"], one["owner"], one["seats_bought"]) for one in flat}) > 5
    return said


@pytest.mark.parametrize(
    ("workers", "deaths"), [(1, ()), (2, ("before_commit:3", "after_commit:9"))]
)
async def test_alerts_on_accounts_through_kafka_are_those_of_the_file(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    truth: Path,
    tmp_path: Path,
    workers: int,
    deaths: tuple[str, ...],
) -> None:
    """Each once, ids and contents, whatever the workers, and whether or not they are killed."""
    expected = said_by_the_file(truth)
    run = Run(broker, topic_names, truth / "policy.toml", tmp_path)
    topic = run.environment["SLIPAWAY_TOPICS__ACCOUNT_ALERTS"]
    slipaway(run.environment, "topics", "create")
    sent = ("--policy", run.policy, "--to-topic", run.usage, "--model", truth / "models.jsonl")
    slipaway(run.environment, "replay", truth / "events.jsonl.gz", *sent)
    failpoints = list(deaths)
    processes = [run.worker(0, failpoints[0] if failpoints else "")]
    processes += [run.worker(number) for number in range(1, workers)]
    deadline = time.monotonic() + 300
    try:
        actual: list[bytes] = []
        while failpoints or len(actual) < len(expected):
            await asyncio.sleep(1)
            assert time.monotonic() < deadline, f"{len(actual)} of {len(expected)}\n{run.logs()}"
            if failpoints and processes[0].poll() == -signal.SIGKILL:
                failpoints.pop(0)
                processes[0] = run.worker(0, failpoints[0] if failpoints else "")
            assert not any(process.poll() for process in processes if not failpoints), run.logs()
            actual = await committed(broker, topic)
        while not all(map(run.at_work, range(workers))):  # who is still starting dies of a signal
            assert time.monotonic() < deadline, run.logs()
            await asyncio.sleep(0.5)
        assert stopped(processes) == [0] * workers, run.logs()
        actual = await committed(broker, topic)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    assert Counter(actual) == Counter(expected)


def stopped(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    """Stop workers in order, and return how they ended."""
    codes = []
    for process in processes:
        process.send_signal(signal.SIGTERM)
        codes.append(process.wait(30))
    return codes
