"""From a log to its alerts, and from those to what acting on them brought."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from stream.cli import cli
from stream.demo.feed import message
from stream.demo.simulate import simulate

POLICY = """
[events]
ignore = ["background_sync"]
[slipping]
horizon = "20d"
own_gaps_min = 1.0
false_alarms_per_customer_month = 0.4
[holdout]
share = 0.4
salt = "first"
"""


def slipaway(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Replay a product on whose alerts nobody acts."""
    folder = tmp_path_factory.mktemp("uplift")
    log, policy, out = folder / "log.jsonl", folder / "policy.toml", folder / "alerts.jsonl"
    policy.write_text(POLICY)
    log.write_bytes(b"".join(message(e) + b"\n" for e in simulate(400, 90, seed=2)))
    result = slipaway("replay", log, "--policy", policy, "--alerts", out)
    assert result.exit_code == 0, result.output
    return out


def test_a_replay_says_who_is_held_out_and_alerts_as_ever(alerts: Path) -> None:
    """Being held out is about delivery, not about being seen."""
    said = [orjson.loads(line) for line in alerts.read_bytes().splitlines()]
    held = {alert["customer_id"] for alert in said if alert["holdout"]}
    others = {alert["customer_id"] for alert in said if not alert["holdout"]}
    assert not held & others
    assert 0.25 < len(held) / (len(held) + len(others)) < 0.55


def test_where_nobody_acted_there_is_no_effect_to_be_seen(alerts: Path) -> None:
    """The honest answer of a replay."""
    policy = alerts.parent / "policy.toml"
    result = slipaway("uplift", alerts, "--policy", policy)
    assert result.exit_code == 0, result.output
    assert "Not enough to tell" in result.stdout
    found = orjson.loads(slipaway("uplift", alerts, "--policy", policy, "--json").stdout)
    assert found["all"]["low"] < 0 < found["all"]["high"]
    assert found["all"]["holdout"]["episodes"] >= 20
    assert "silence" in found["by_trigger"]


def test_what_is_no_alert_is_refused_with_its_line(tmp_path: Path) -> None:
    """Somebody gave the log instead."""
    file = tmp_path / "log.jsonl"
    file.write_text('\n{"userId": "a"}\n')
    result = slipaway("uplift", file)
    assert result.exit_code == 2
    assert "line 2: is no alert" in result.stderr
    assert slipaway("uplift", tmp_path / "nothing").exit_code == 2
