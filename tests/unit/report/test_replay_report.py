"""A replay's report through the command: the page, its figures, and what they are of."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import jsonschema
import msgspec
import orjson
import pytest
from needs import ROOT
from typer.testing import CliRunner, Result

from stream.cli import cli
from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.report.replay_page import answer, page
from stream.report.replayed import Replayed


def slipaway(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


class Run(NamedTuple):
    """One replay through the command."""

    folder: Path
    log: Path
    policy: Path
    found: Replayed
    alerts: list[dict[str, object]]
    page: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return one replay, for all who look at it."""
    folder = tmp_path_factory.mktemp("replay")
    log, policy = folder / "events.jsonl", folder / "policy.toml"
    policy.write_text('[events]\nwarning = ["cancel_page_viewed"]\n[slipping]\nhorizon = "14d"\n')
    events = simulate(customers=30, days=60, seed=7)
    log.write_bytes(b"nonsense\n" + b"".join(message(event) + b"\n" for event in events))
    out = {name: folder / f"out.{name}" for name in ("jsonl", "json", "html")}
    done = slipaway(
        *("replay", log, "--policy", policy, "--alerts", out["jsonl"]),
        *("--save-model", folder / "models.jsonl"),
        *("--figures", out["json"], "--report", out["html"]),
    )
    assert done.exit_code == 0, done.output
    return Run(
        folder,
        log,
        policy,
        msgspec.json.decode(out["json"].read_bytes(), type=Replayed),
        [orjson.loads(line) for line in out["jsonl"].read_bytes().splitlines()],
        out["html"].read_text(encoding="utf-8"),
    )


def test_figures_are_of_the_alerts_that_were_written(run: Run) -> None:
    """Every one of them is counted, and where it belongs."""
    opened = [one for one in run.alerts if one["kind"] == "opened"]
    raised = run.found.raised
    assert opened
    assert raised.opened == len(opened)
    assert raised.customers == len({one["customer_id"] for one in opened})
    assert raised.kinds == Counter(one["kind"] for one in run.alerts)
    for field, told in (
        ("trigger", raised.triggers),
        ("reason_1", raised.reasons),
    ):
        assert {one.name: one.opened for one in told} == Counter(one[field] for one in opened)
    assert sum(raised.in_buckets) == len(opened)
    assert raised.severities == Counter(one["severity"] for one in opened)


def test_figures_are_of_the_log_that_was_read(run: Run) -> None:
    """Its rows, and who was in it."""
    log, lines = run.found.log, run.log.read_bytes().splitlines()
    customers = {orjson.loads(line)["userId"] for line in lines[1:]}
    assert (log.rows, log.events, log.customers) == (len(lines), len(lines) - 1, len(customers))
    assert sum(bucket.events for bucket in log.buckets) == log.events
    assert sum(band.customers for band in log.bands) == log.customers
    assert [found.code for found in log.refused] == ["not_json"]
    assert run.found.source == ["events.jsonl"]


def test_figures_are_as_their_schema_has_them(run: Run) -> None:
    """Which stands in the repository, for programs."""
    schema = orjson.loads((ROOT / "deploy/contract/replay.v1.schema.json").read_bytes())
    jsonschema.validate(orjson.loads((run.folder / "out.json").read_bytes()), schema)


def test_it_says_what_it_took(run: Run) -> None:
    """Of the clock and of the machine."""
    cost = run.found.cost
    assert cost is not None
    assert 0 < cost.phases["reading and deciding"] <= cost.seconds
    assert cost.events_per_second == pytest.approx(run.found.log.events / cost.seconds)
    assert cost.peak_memory_bytes > 10_000_000
    assert cost.cpus >= 1


def test_the_page_begins_with_the_answer(run: Run) -> None:
    """And ends with what is not said."""
    first, *_ = answer(run.found)
    assert f"{run.found.raised.opened} alerts would have been raised" in first
    assert run.page.index(first) < run.page.index("What was in the log")
    assert "slipaway backtest" in run.page
    assert str(run.folder) not in run.page


def test_given_models_learn_nothing_so_nobody_knows_how_far_to_believe_them(run: Run) -> None:
    """The page says so."""
    models, figures = run.folder / "models.jsonl", run.folder / "pinned.json"
    done = slipaway(
        *("replay", run.log, "--policy", run.policy, "--model", models, "--figures", figures)
    )
    assert done.exit_code == 0, done.output
    pinned = msgspec.json.decode(figures.read_bytes(), type=Replayed)
    assert pinned.reliability is None
    assert "Nobody knows" in page(pinned)
    assert pinned.raised == run.found.raised
    assert run.found.reliability is not None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--report", "nowhere/out.html"], "--report"),
        (["--figures", "nowhere/out.json"], "--figures"),
        (["--report", "out.html", "--to-topic", "usage"], "--report and --to-topic"),
        (["--figures", "out.json", "--to-topic", "usage"], "--figures and --to-topic"),
    ],
)
def test_wrong_usage_is_said_before_the_work(arguments: list[str], problem: str) -> None:
    """The log is not even opened."""
    done = slipaway("replay", "none.csv", *arguments)
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.split())
