"""One truth: a log replayed from a file, and the same log through Kafka and real workers.

The models are the file replay's own, pinned: learned there, published to the model
topic with the event times from which they are in force, and used as they are.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from through_kafka import DEMO, RETAIL, Run, replay_file, slipaway, through_kafka

from stream.broker import LocalBroker
from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.detector.events import DAY_MS, UsageEvent
from stream.wire.times import iso

TRIAL = """
[[segment]]
name = "trial"
where = { plan = "trial" }
horizon = "7d"
false_alarms_per_customer_month = 0.3
"""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


async def compare(run: Run, log: Path, truth: Path, *, workers: int, kills: int) -> None:
    """Send the log through Kafka, and hold the alerts against the file replay's."""
    expected = (truth / "alerts.jsonl").read_bytes().splitlines()
    assert len(expected) > 100
    slipaway(run.environment, "topics", "create")
    models = truth / "models.jsonl"
    arguments = ("--policy", run.policy, "--to-topic", run.usage, "--model", models)
    slipaway(run.environment, "replay", log, *arguments)
    actual = await through_kafka(run, expected, workers=workers, kills=kills)
    assert Counter(actual) == Counter(expected)
    assert len({json.loads(value)["alert_id"] for value in actual}) == len(actual)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Give a policy, a simulated log, and the folder of its file replay.

    Every third customer is on trial, which lapses sooner; of these some pay from some day on.
    """
    folder = tmp_path_factory.mktemp("simulated")
    policy, log = folder / "policy.toml", folder / "events.jsonl.gz"
    policy.write_text(DEMO.read_text() + TRIAL)
    events = simulate(300, 60, seed=3)
    first: dict[str, UsageEvent] = {}
    for event in events:
        first.setdefault(event.customer_id, event)
    told = [
        (event.occurred_at + day * DAY_MS, event.customer_id, plan)
        for number, event in enumerate(first.values())
        for day, plan in ((0, "trial"), (20 + number % 17, "paid"))
        if number % 3 == 0 and (plan == "trial" or number % 2)
    ]
    lines = [(event.occurred_at, message(event)) for event in events]
    lines += [(at, identified(at, customer_id, plan)) for at, customer_id, plan in told]
    with gzip.open(log, "wb") as file:
        file.writelines(line + b"\n" for _, line in sorted(lines))
    return policy, log, replay_file(folder, log, policy)


def identified(at: int, customer_id: str, plan: str) -> bytes:
    """Write what is told of a customer, as a product would."""
    told = {"type": "identify", "messageId": f"{customer_id}-{plan}", "userId": customer_id}
    return orjson.dumps(told | {"timestamp": iso(at), "traits": {"plan": plan}})


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[Path, Path]:
    """Give the Online Retail log, and the folder of its file replay."""
    log = shared_data / "online_retail" / "online_retail.csv.gz"
    return log, replay_file(tmp_path_factory.mktemp("retail"), log, RETAIL)


@pytest.mark.parametrize(("workers", "kills"), [(1, 0), (2, 2)])
async def test_a_simulated_log_through_kafka_gives_the_alerts_of_the_file(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    simulated: tuple[Path, Path, Path],
    tmp_path: Path,
    workers: int,
    kills: int,
) -> None:
    """The same law for who has no real log: decline, warnings, endings, another horizon."""
    policy, log, truth = simulated
    lapsed = {
        alert["silent_for_seconds"] // 86_400
        for alert in map(json.loads, (truth / "alerts.jsonl").read_bytes().splitlines())
        if alert["kind"] == "lapsed" and alert["trigger"] == "silence"
    }
    assert {7, 20} <= lapsed
    await compare(
        Run(broker, topic_names, policy, tmp_path), log, truth, workers=workers, kills=kills
    )


@pytest.mark.parametrize(("workers", "kills"), [(1, 0), (1, 1), (3, 3)])
@pytest.mark.shared
async def test_online_retail_through_kafka_gives_the_alerts_of_the_file(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    retail: tuple[Path, Path],
    tmp_path: Path,
    workers: int,
    kills: int,
) -> None:
    """Whatever the number of workers, and whether or not they are killed: the same, each once."""
    run = Run(broker, topic_names, RETAIL, tmp_path)
    await compare(run, *retail, workers=workers, kills=kills)
