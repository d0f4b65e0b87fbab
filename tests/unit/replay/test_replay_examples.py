"""Laws of the example policies: on the real logs they read exactly what a neutral reader reads."""

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pytest
from needs import ROOT

from stream.detector.events import UsageEvent
from stream.detector.policy import EventClass
from stream.replay.read import read_log
from stream.replay.refusals import Refusals
from stream.wire.events import Decoder
from stream.wire.policy_file import PolicyFile, load

NOW = 1_790_000_000_000
EXAMPLES = ["cdnow", "kdd-courses", "online-retail"]
LOGS = {
    "cdnow": ("cdnow", ["cdnow/CDNOW_master.txt.gz"]),
    "kdd-courses": ("kdd2015", ["kdd2015/usage.csv.gz", "kdd2015/outcomes.csv.gz"]),
    "online-retail": ("online_retail", ["online_retail/online_retail.csv.gz"]),
}
WINDOW_ENDS = "observation_ended"

Usage = Counter[tuple[str, int, str]]
"""(customer, time in ms, event name) -> volume"""


def example(name: str) -> PolicyFile:
    """Return an example's policy."""
    return load(ROOT / "examples" / f"{name}.toml")


@cache
def neutral_reader(folder: Path) -> Any:
    """Return the module that the evaluation reads its logs with."""
    spec = importlib.util.spec_from_file_location("neutral_datasets", folder / "datasets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


@cache
def neutral_log(data: Path, dataset: str) -> Any:
    """Return a log as the evaluation reads it."""
    return neutral_reader(data.parent / "eval").load(dataset)


def usage(events: Iterable[UsageEvent]) -> Usage:
    """Add volumes up by customer, time and name."""
    total: Usage = Counter()
    for event in events:
        total[event.customer_id, event.occurred_at, event.name] += int(event.volume)
    return total


def read(name: str, files: Iterable[Path]) -> tuple[Usage, Refusals]:
    """Read files by an example's policy."""
    policy, refusals = example(name), Refusals()
    decoder = Decoder(policy.mappings)
    paths = [str(file) for file in files]
    batches = read_log(paths, policy.log, decoder, received_at=NOW, refusals=refusals)
    return usage(chain.from_iterable(batches)), refusals


def expected(log: Any) -> Usage:
    """Return the neutral reader's rows, and the ends of observation it knows."""
    total: Usage = Counter()
    for time, customer, event, count in log.rows():
        total[customer, time * 1_000, event] += int(count)
    for customer, (_, end, _) in log.outcomes.items():
        total[customer, end * 1_000, WINDOW_ENDS] += 1
    return total


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_policy(name: str) -> None:
    """Examples are copied: a wrong one would be wrong everywhere."""
    policy = example(name).policy
    assert policy.classify("outcome") is EventClass.IGNORED
    assert policy.classify("identify") is EventClass.IGNORED


def test_the_end_of_a_course_is_the_end_of_watching() -> None:
    """Silence after it means nothing."""
    assert example("kdd-courses").policy.classify(WINDOW_ENDS) is EventClass.UNOBSERVED


@pytest.mark.shared
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_its_log_as_the_neutral_reader_does(name: str, shared_data: Path) -> None:
    """Every customer, time and volume: else two evaluations would compare two logs."""
    dataset, files = LOGS[name]
    found, refusals = read(name, [shared_data / file for file in files])
    log = neutral_log(shared_data, dataset)
    assert refusals.refused == 0
    assert found == expected(log)
    policy = example(name).policy
    assert policy.horizon_ms == log.horizon_days * 86_400_000
    assert {policy.classify(event) for event in log.events} == {EventClass.ENGAGEMENT}


@pytest.mark.shared
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_converted_messages_alike(
    name: str, shared_data: Path, tmp_path: Path
) -> None:
    """The same policy reads the log as Segment messages: no mapping fits, so they are known."""
    log = neutral_log(shared_data, LOGS[name][0])
    path = tmp_path / "messages.jsonl"
    with path.open("wb") as file:
        for message in neutral_reader(shared_data.parent / "eval").messages(log):
            file.write(orjson.dumps(message) + b"\n")
    found, refusals = read(name, [path])
    assert refusals.refused == 0
    without_outcomes = {key: volume for key, volume in found.items() if key[2] != "outcome"}
    assert without_outcomes == expected(log)
