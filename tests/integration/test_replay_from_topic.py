"""A topic read again: what a worker said of it, a replay of it says; another policy says another.

The models are those of the model topic, as the worker used them.
"""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from through_kafka import DEMO, PARTITIONS, ROOT, Run, replay_file, slipaway, through_kafka
from worker_process import create

from stream.broker import LocalBroker
from stream.demo.feed import message
from stream.demo.simulate import simulate

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def ask(run: Run, *arguments: object) -> tuple[int, Any]:
    """Run a command with the application's settings; give its exit code, and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "stream", *map(str, arguments)],
        env=run.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode < 2, done.stderr
    return done.returncode, json.loads(done.stdout) if "--json" in arguments else done.stderr


def explains_what_it_said(run: Run, sent: Sequence[bytes]) -> None:
    """See that the state the worker left explains its alerts, as a replay of the topic does."""
    latest = {alert["customer_id"]: alert for alert in map(json.loads, sent)}
    alert = next(
        one for one in latest.values() if (one["kind"], one["trigger"]) == ("opened", "silence")
    )
    asked = ("explain", alert["customer_id"], "--json")
    replayed = ("--from-topic", run.usage, "--model-topic")
    _, by_state = ask(run, *asked, "--alert", "last")
    assert by_state["alert"]["alert_id"] == alert["alert_id"]
    assert (round(by_state["risk"], 6), by_state["at"]) == (alert["risk"], alert["time"])
    _, by_replay = ask(run, *asked, "--alert", alert["alert_id"], *replayed)
    assert by_replay == by_state
    _, now = ask(run, *asked)
    _, then = ask(run, *asked, "--as-of", now["at"], *replayed)
    assert then == now
    assert "No second alert" in now["verdict"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a simulated log, and the folder of its file replay."""
    folder = tmp_path_factory.mktemp("simulated")
    file = folder / "events.jsonl.gz"
    with gzip.open(file, "wb") as written:
        written.writelines(message(event) + b"\n" for event in simulate(200, 60, seed=5))
    return file, replay_file(folder, file, DEMO)


async def test_a_topic_read_again_says_what_was_said_of_it(
    broker: LocalBroker,
    topic_names: Callable[[str], str],
    log: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    """Then, and now: the same, to the last field; by another policy, what differs and for whom."""
    run = Run(broker, topic_names, DEMO, tmp_path)
    events, truth = log
    expected = (truth / "alerts.jsonl").read_bytes().splitlines()
    _, made = ask(run, "topics", "create", "--json")
    assert (made["partitions"][run.usage], made["absent_sources"]) == (PARTITIONS, [])
    models = ("--model", truth / "models.jsonl")
    slipaway(run.environment, "replay", events, "--to-topic", run.usage, *models)
    sent = await through_kafka(run, expected, workers=1, kills=0)
    topic = f"topic:{run.alerts},{topic_names('holdout')}"

    again = tmp_path / "again.jsonl"
    slipaway(
        *(run.environment, "replay", "--from-topic", run.usage, "--model-topic"),
        *("--alerts", again),
    )
    assert Counter(again.read_bytes().splitlines()) == Counter(sent)
    code, found = ask(run, "diff", topic, again, "--json", "--strict")
    assert (code, found["all"]["same"], found["then"]) == (0, len(sent), len(sent))
    explains_what_it_said(run, sent)

    policy = tmp_path / "other.toml"
    text = DEMO.read_text()
    policy.write_text(text + "\n[holdout]\nshare = 0.3\n")
    slipaway(
        *(run.environment, "replay", "--from-topic", run.usage, "--model-topic"),
        *("--alerts", again, "--policy", policy),
    )
    code, found = ask(run, "diff", topic, again, "--json")
    held = {
        json.loads(a)["customer_id"]
        for a in again.read_bytes().splitlines()
        if b'"holdout":true' in a
    }
    assert (code, set(found["fields"])) == (1, {"holdout"})
    assert 0 < found["customers"] == len(held - {""})

    # The topic into another application's: the same log, for its workers.
    other = topic_names("usage2")
    await create(broker, other, {}, partitions=3)
    _, said = ask(run, "replay", "--from-topic", run.usage, "--to-topic", other, *models)
    slipaway(run.environment, "replay", "--from-topic", other, "--model-topic", "--alerts", again)
    assert Counter(again.read_bytes().splitlines()) == Counter(sent)
    assert f"events sent to {other}" in said

    # A part of it, by partition and offset: fewer events, and it is said how many.
    _, whole = ask(run, "replay", "--from-topic", run.usage, "--model-topic")
    _, part = ask(run, "replay", "--from-topic", run.usage, "--offsets", "0:0-100,1:5-50")
    assert int(whole.split()[0].replace(",", "")) > 145
    assert part.split()[0] == "145"
    code, _ = ask(run, "replay", "--from-topic", run.usage, "--since", "2099-01-01")
    assert code == 0


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """Before anything is connected to."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPAWAY_")}
    for arguments in (
        ["replay"],
        ["replay", "log.csv", "--from-topic", "t"],
        ["replay", "log.csv", "--since", "2026-01-01"],
        ["replay", "--from-topic", "t", "--to-topic", "t"],
        ["replay", "--from-topic", "t", "--offsets", "0:5"],
        ["replay", "--from-topic", "t", "--offsets", "0:5-", "--since", "2026-01-01"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "stream", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2, arguments
