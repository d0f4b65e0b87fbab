"""Commands: exit codes, data on standard output, talk on standard error."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from stream.cli import cli


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SLIPAWAY_"):
            monkeypatch.delenv(name)


def slipaway(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Return a policy file that is right."""
    file = tmp_path / "policy.toml"
    file.write_text('[slipping]\nhorizon = "20d"\n')
    return file


def test_a_right_policy_is_named_by_its_version(policy: Path) -> None:
    """The version is what alerts will carry."""
    result = slipaway("validate", policy)
    assert result.exit_code == 0
    assert "valid, version " in result.stdout
    assert result.stderr == ""


def test_everything_that_is_wrong_with_a_policy_is_said_at_once(policy: Path) -> None:
    """Exit code 2: a configuration to correct, not a finding."""
    policy.write_text('[slipping]\nhorizonn = "20d"\nvisits_min = "three"\n')
    result = slipaway("validate", policy)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "horizonn" in result.stderr
    assert "visits_min" in result.stderr


def test_a_policy_is_checked_for_programs_too(policy: Path) -> None:
    """Also what is wrong is on standard output then; the exit code is the same."""
    right = slipaway("validate", policy, "--json")
    found = orjson.loads(right.stdout)
    assert (right.exit_code, found["valid"], found["errors"]) == (0, True, [])
    assert f"version {found['version']}" in slipaway("validate", policy).stdout
    policy.write_text('[slipping]\nhorizonn = "20d"\n')
    wrong = slipaway("validate", policy, "--json")
    found = orjson.loads(wrong.stdout)
    assert (wrong.exit_code, found["valid"], found["version"]) == (2, False, None)
    assert [error["line"] for error in found["errors"]] == [2]
    assert "horizonn" in found["errors"][0]["key"] + found["errors"][0]["message"]


@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["topics", "create"],
        ["config", "show"],
        ["replay", "log.csv", "--to-topic", "t"],
    ],
)
def test_wrong_settings_are_exit_code_2_everywhere(command: list[str]) -> None:
    """Every command that reads settings tells all that is wrong with them."""
    result = slipaway(*command, "--set", "partitions=x", "--set", "clock=moon")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "setting partitions:" in result.stderr
    assert "setting clock:" in result.stderr


def test_a_worker_does_not_start_on_a_wrong_policy(policy: Path) -> None:
    """Nothing connects before the policy is known to be right."""
    policy.write_text("[nonsense]\n")
    result = slipaway("run", "--policy", policy)
    assert result.exit_code == 2
    assert "nonsense" in result.stderr


def test_a_release_to_come_and_a_segment_of_nobody_are_said(policy: Path, tmp_path: Path) -> None:
    """Neither is an error; both are mostly a slip of the pen."""
    policy.write_text(
        """
[[segment]]
name = "key account"
where = { plan = "enterprise" }

[[segment]]
name = "others"

[[release]]
name = "Boards"
date = 2999-01-31
"""
    )
    valid = slipaway("validate", policy)
    assert valid.exit_code == 0
    assert "Boards is of 2999-01-31: nobody is told of it before" in valid.stderr
    log = tmp_path / "log.jsonl"
    row = {"type": "track", "userId": "c", "event": "opened", "timestamp": "2026-01-01T10:00:00Z"}
    log.write_bytes(orjson.dumps(row) + b"\n")
    replayed = slipaway("replay", log, "--policy", policy)
    assert replayed.exit_code == 0
    assert "nobody was in the segment key account" in replayed.stderr
    assert "nobody was in the segment others" not in replayed.stderr


def test_config_show_is_a_settings_file_without_secrets(tmp_path: Path) -> None:
    """What it prints can be read again, and pasted into a ticket."""
    file = tmp_path / "slipaway.toml"
    file.write_text('app_id = "shop"\n[security]\nsasl_password = "hunter2"\n')
    shown = slipaway("config", "show", "--config", file, "--set", "partitions=3")
    assert shown.exit_code == 0
    assert "hunter2" not in shown.stdout
    values = tomllib.loads(shown.stdout)
    assert (values["app_id"], values["partitions"]) == ("shop", 3)
    file.write_text(shown.stdout)
    assert slipaway("config", "show", "--config", file).stdout == shown.stdout
    as_json = slipaway("config", "show", "--config", file, "--json")
    assert orjson.loads(as_json.stdout)["partitions"] == 3


def test_a_replay_writes_alerts_scores_and_models(policy: Path, tmp_path: Path) -> None:
    """A log and a policy are all it needs."""
    log = tmp_path / "log.jsonl"
    with log.open("wb") as file:
        for day in range(1, 29):
            for customer in range(day % 3 + 1):
                event = {
                    "type": "track",
                    "userId": f"c{customer}",
                    "event": "opened",
                    "timestamp": f"2026-01-{day:02}T10:00:00Z",
                }
                file.write(orjson.dumps(event) + b"\n")
        file.write(b"nonsense\n")
    out = {name: tmp_path / name for name in ("alerts.jsonl", "scores.csv", "models.jsonl")}
    result = slipaway(
        *("replay", log, "--policy", policy, "--as-of", "2026-01-29"),
        *("--alerts", out["alerts.jsonl"], "--scores", out["scores.csv"]),
        *("--save-model", out["models.jsonl"]),
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "1 of 57 rows could not be used" in result.stderr
    assert "not_json 1" in result.stderr
    assert out["scores.csv"].read_text().startswith("customer_id,risk\nc")
    moments = tmp_path / "moments.csv"
    moments.write_text("customer_id,time\nc0,2026-01-14\n", encoding="utf-8")
    asked = slipaway(
        *("replay", log, "--policy", policy, "--scores", out["scores.csv"]),
        *("--moments", moments, "--ahead", "60d"),
    )
    assert asked.exit_code == 0, asked.output
    header, row = out["scores.csv"].read_text().splitlines()
    assert header == "customer_id,risk,as_of"
    assert (row[:3], row[-20:]) == ("c0,", "2026-01-15T00:00:00Z")
    first = out["alerts.jsonl"].read_bytes()
    pinned = slipaway(
        *("replay", log, "--policy", policy, "--model", out["models.jsonl"]),
        *("--alerts", out["alerts.jsonl"]),
    )
    assert pinned.exit_code == 0
    assert out["alerts.jsonl"].read_bytes() == first


def test_a_log_that_is_not_there_is_exit_code_1(tmp_path: Path) -> None:
    """Found something wrong, and says what."""
    result = slipaway("replay", tmp_path / "none.csv")
    assert result.exit_code == 1
    assert "none.csv" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--as-of", "tomorrow"], "--as-of"),
        (["--as-of", "2026-01-31", "--weekly"], "exclude each other"),
        (["--ahead", "soon"], "--ahead"),
        (["--moments", "none.csv"], "cannot be read"),
        (["--to-topic", "t", "--ahead", "30d"], "exclude each other"),
        (["--to-topic", "t", "--weekly"], "exclude each other"),
        (["--to-topic", "t", "--alerts", "out.jsonl"], "exclude each other"),
    ],
)
def test_wrong_usage_of_replay_is_exit_code_2(arguments: list[str], problem: str) -> None:
    """Before any log is opened."""
    result = slipaway("replay", "log.csv", *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_only_snapshots_are_published(tmp_path: Path) -> None:
    """A file of anything else would be refused by every worker, one by one."""
    file = tmp_path / "models.jsonl"
    file.write_text('{"not": "a snapshot"}\n')
    result = slipaway("model", "publish", file)
    assert result.exit_code == 2
    assert "line 1" in result.stderr


def test_the_command_line_starts_without_kafkas_libraries() -> None:
    """Help must be quick, and `validate` must run where no broker ever will."""
    code = (
        "import sys, stream.cli; "
        "print(*sorted({'faust', 'aiokafka', 'river', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


def test_python_m_stream_is_slipaway() -> None:
    """Containers and tests start it so."""
    command = [sys.executable, "-m", "stream", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "slipping away" in done.stdout


def test_an_output_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    """An hour of replay must not end in a missing folder."""
    log = tmp_path / "log.jsonl"
    log.write_text("")
    nowhere = tmp_path / "nowhere" / "a.jsonl"
    done = slipaway("replay", log, "--alerts", nowhere, "--scores", tmp_path)
    assert done.exit_code == 2
    assert "--alerts" in done.stderr
    assert "--scores" in done.stderr


def test_pinned_models_that_are_not_there_are_said_plainly(tmp_path: Path) -> None:
    """Whose fault, and which file."""
    log = tmp_path / "log.jsonl"
    log.write_text("")
    done = slipaway("replay", log, "--model", tmp_path / "models.jsonl")
    assert done.exit_code == 2
    assert "models.jsonl: cannot be read" in done.stderr
