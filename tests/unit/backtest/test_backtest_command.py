"""The command: a log in, what its alerts would have been worth out."""

import os
import sys
from html import unescape
from pathlib import Path
from typing import NamedTuple

import jsonschema
import msgspec
import orjson
import pytest
from needs import ROOT
from typer.testing import CliRunner, Result

from stream.backtest import sentences
from stream.backtest.curve import RATES
from stream.backtest.findings import BY_DIAL, SLIPAWAY, Findings, encode
from stream.cli import cli
from stream.demo.feed import message
from stream.demo.simulate import simulate

POLICY = '[events]\nignore = ["background_sync"]\n[slipping]\nhorizon = "14d"\n'


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SLIPAWAY_"):
            monkeypatch.delenv(name)


def slipaway(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


class Run(NamedTuple):
    """One backtest through the command."""

    result: Result
    findings: Findings
    page: str


def run(folder: Path, policy: str, *, customers: int, more: tuple[str, ...] = ()) -> Run:
    """Backtest a simulated product."""
    log, product = folder / "events.jsonl", folder / "policy.toml"
    product.write_text(policy)
    events = simulate(customers=customers, days=75, seed=7)
    log.write_bytes(b"nonsense\n" + b"".join(message(event) + b"\n" for event in events))
    out, page = folder / "out.json", folder / "out.html"
    result = slipaway(
        *("backtest", log, "--policy", product, "--json", out, "--report", page), *more
    )
    assert result.exit_code == 0, result.output
    findings = msgspec.json.decode(out.read_bytes(), type=Findings)
    return Run(result, findings, page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def backtested(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return one backtest, for all who look at it."""
    return run(tmp_path_factory.mktemp("backtest"), POLICY, customers=150)


def test_the_tables_are_data_and_plain(backtested: Run) -> None:
    """On standard output, no escape in it, and no line wider than a hundred."""
    said = backtested.result.stdout
    for words in ("Mean delay in days", "The dial", "0.05 (policy)", "slipaway, by its dial"):
        assert words in said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 100


def test_a_pipe_gets_the_figures_in_place_of_the_tables(
    backtested: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same findings, which are not worked out once more."""
    monkeypatch.setattr("stream.backtest.run.backtest", lambda *_, **__: backtested.findings)
    log = tmp_path / "events.jsonl"
    log.touch()
    done = slipaway("backtest", log, "--json", "-")
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(done.stdout, type=Findings)
    assert (found.data, found.dial) == (backtested.findings.data, backtested.findings.dial)


def test_what_could_not_be_used_is_said_as_a_replay_says_it(backtested: Run) -> None:
    """On standard error, by example; and counted in the findings."""
    assert "not_json 1" in backtested.result.stderr
    assert backtested.findings.data.refused == {"not_json": 1}


def test_figures_are_as_their_schema_has_them(backtested: Run, threshold: Run) -> None:
    """Which stands in the repository, for programs."""
    schema = orjson.loads((ROOT / "deploy/contract/backtest.v1.schema.json").read_bytes())
    for run_ in (backtested, threshold):
        jsonschema.validate(orjson.loads(encode(run_.findings)), schema)


def test_the_report_answers_first_and_tells_of_customers(backtested: Run) -> None:
    """By the findings' own figures; the terminal answers with the same words."""
    findings, page = backtested.findings, unescape(backtested.page)
    first, *_ = sentences.answer(findings)
    assert first in page
    assert page.index(first) < page.index("What was in the log")
    assert first.split(",")[0].replace("\N{NO-BREAK SPACE}", " ") in " ".join(
        backtested.result.stdout.replace("\N{NO-BREAK SPACE}", " ").split()
    )
    (own,) = (setting for setting in findings.dial if setting.own)
    answer = findings.answer
    assert (answer.right, answer.false) == (own.right, own.false)
    assert answer.named / answer.lapses == pytest.approx(own.recall)
    assert answer.mean_delay_days == pytest.approx(own.mean_delay_days)
    assert findings.stories
    for story in findings.stories:
        assert story.customer_id in page
    assert sum(bucket.events for bucket in findings.log.buckets) == findings.log.events
    assert findings.log.events == findings.data.events
    assert findings.cost is not None
    assert list(findings.cost.phases) == ["reading and deciding", "rules", "intervals"]


def test_a_file_is_named_without_its_folder(backtested: Run) -> None:
    """A report is passed on: it does not tell where it was made."""
    assert backtested.findings.data.files == ["events.jsonl"]
    assert "pytest-of" not in backtested.page


def test_later_time_is_scored_unless_said_otherwise(backtested: Run) -> None:
    """From the middle of the log."""
    data = backtested.findings.data
    assert (data.first[:10], data.begin[:10]) == ("2025-01-06", "2025-02-12")


def test_every_method_is_read_at_every_rate(backtested: Run) -> None:
    """With all of its settings."""
    methods = backtested.findings.everybody.methods
    assert [method.name for method in methods[:2]] == [SLIPAWAY, BY_DIAL]
    for method in methods:
        assert tuple(found.false_per_customer_month for found in method.readings) == RATES
        assert len(method.settings) >= 8


def test_thresholds_reach_from_hardly_any_alert_to_all(backtested: Run) -> None:
    """Else the curve would be flat where a rule is not."""
    slipaway_, *_ = backtested.findings.everybody.methods
    rates = [setting.false_per_customer_month for setting in slipaway_.settings]
    assert min(rates) < RATES[0]
    assert max(rates) > RATES[-1]


def test_the_dials_ratio_is_measured_over_set(backtested: Run) -> None:
    """After the begin, and before it."""
    dial = backtested.findings.dial
    assert [setting.dial for setting in dial if setting.own] == [0.05]
    assert {0.05, 0.1, 0.2} <= {setting.dial for setting in dial}
    for setting in dial:
        assert setting.dial
        assert setting.ratio == pytest.approx((setting.measured or 0) / setting.dial)
        assert setting.warm_up_ratio == pytest.approx(
            (setting.warm_up_measured or 0) / setting.dial
        )
    assert any(setting.warm_up_measured for setting in dial)


def test_every_rule_that_is_as_early_is_named(backtested: Run) -> None:
    """And none that is not."""
    findings = backtested.findings
    expected = {
        (f"{group.by}: {group.name}" if group.by else group.name, comparison.rule, found.days)
        for group in (findings.everybody, *findings.groups)
        for comparison in group.comparisons
        for found in comparison.differences
        if found.days >= 0
    }
    assert expected
    assert {(case.group, case.rule, case.days) for case in findings.as_good} == expected


def test_groups_of_one_kind_are_parts_of_everybody(backtested: Run) -> None:
    """Nobody is in two of them."""
    findings = backtested.findings
    assert findings.groups
    for by in {group.by for group in findings.groups}:
        parts = [group for group in findings.groups if group.by == by]
        assert sum(group.lapses for group in parts) <= findings.everybody.lapses
        assert sum(group.customers for group in parts) <= findings.everybody.customers


@pytest.fixture(scope="module")
def threshold(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a backtest by a policy with a fixed threshold, beside boosted trees."""
    policy = f"{POLICY}notice_days_per_false_alarm = 9.0\n"
    more = ("--begin", "2025-02-20", "--boosting")
    return run(tmp_path_factory.mktemp("threshold"), policy, customers=80, more=more)


def test_a_policy_may_fix_the_threshold(threshold: Run) -> None:
    """Then the rate is what it comes to, and there is no ratio to it."""
    (own,) = (setting for setting in threshold.findings.dial if setting.own)
    assert (own.dial, own.ratio) == (None, None)
    assert own.measured is not None
    assert threshold.findings.data.begin == "2025-02-20T00:00:00Z"
    assert "9 days of notice" in " ".join(threshold.result.stdout.split())


def test_boosted_trees_are_compared_and_are_no_simple_rule(threshold: Run) -> None:
    """They stand in every table, and not among the rules that are as good."""
    group = threshold.findings.everybody
    assert "boosted" in {method.name for method in group.methods}
    assert "boosted" in {comparison.rule for comparison in group.comparisons}
    assert "boosted" not in {case.rule for case in threshold.findings.as_good}
    assert "Boosted trees took" in threshold.result.stdout
    assert "boosted trees" in threshold.page


def test_boosting_without_its_library_is_said_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And how to come by it."""
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    done = slipaway("backtest", "none.csv", "--boosting")
    assert done.exit_code == 2
    assert "slipaway[boosting]" in done.stderr


def test_a_log_without_use_is_refused(tmp_path: Path) -> None:
    """It says where use is named."""
    log = tmp_path / "empty.jsonl"
    log.write_text("")
    done = slipaway("backtest", log)
    assert done.exit_code == 1
    assert "engagement" in done.stderr


def test_a_log_that_is_too_short_is_refused(tmp_path: Path) -> None:
    """It says how long it would have to be."""
    log = tmp_path / "short.jsonl"
    days = (b"2025-01-01", b"2025-02-01")
    log.write_bytes(
        b"".join(
            b'{"type":"track","userId":"a","event":"opened","timestamp":"%s"}\n' % day
            for day in days
        )
    )
    done = slipaway("backtest", log)
    assert done.exit_code == 1
    assert "covers 31d" in done.stderr
    assert "two horizons of 30d" in done.stderr


def test_a_begin_after_which_nothing_can_be_known_is_refused(tmp_path: Path) -> None:
    """It says what to do."""
    log = tmp_path / "long.jsonl"
    log.write_bytes(
        b"".join(
            b'{"type":"track","userId":"a","event":"opened","timestamp":"2025-%02d-01"}\n' % month
            for month in range(1, 12)
        )
    )
    done = slipaway("backtest", log, "--begin", "2025-10-20")
    assert done.exit_code == 1
    assert "--begin" in done.stderr


def test_garbage_is_refused_as_a_replay_does(tmp_path: Path) -> None:
    """At once, and by the same words."""
    log = tmp_path / "garbage.jsonl"
    log.write_text("nonsense\n" * 20)
    done, replayed = slipaway("backtest", log), slipaway("replay", log)
    assert done.exit_code == 1
    assert done.stderr == replayed.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--begin", "soon"], "--begin"),
        (["--json", "nowhere/out.json"], "--json"),
        (["--report", "nowhere/out.html"], "--report"),
    ],
)
def test_wrong_usage_is_said_before_the_work(arguments: list[str], problem: str) -> None:
    """The log is not even opened."""
    done = slipaway("backtest", "none.csv", *arguments)
    assert done.exit_code == 2
    assert problem in done.stderr
