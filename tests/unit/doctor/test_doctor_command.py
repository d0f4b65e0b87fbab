"""`slipaway doctor` as a command: exit codes, and findings on standard output."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream.broker.local import HOST, _free_port
from stream.cli import cli


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SLIPAWAY_"):
            monkeypatch.delenv(name)


def doctor(*arguments: str) -> Result:
    """Ask the doctor about a broker that is not there."""
    nowhere = f"{HOST}:{_free_port()}"
    return CliRunner().invoke(cli, ["doctor", "--bootstrap-servers", nowhere, *arguments])


def test_settings_that_cannot_be_read_are_exit_code_2() -> None:
    """There is nothing to examine: as for every command, they are to be corrected first."""
    result = doctor("--set", "partitions=x")
    assert result.exit_code == 2
    assert "setting partitions:" in result.stderr
    assert result.stdout == ""


def test_a_failure_is_exit_code_1_and_says_what_to_do() -> None:
    """A broker that is away fails a deployment."""
    result = doctor()
    assert result.exit_code == 1
    assert "failure  broker: " in result.stdout
    assert "to do: correct bootstrap_servers" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 failed, 0 to be warned of, 1 ok"


def test_findings_are_json_for_machines() -> None:
    """And nothing else is on standard output."""
    result = doctor("--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert said["verdict"] == "failure"
    assert [finding["check"] for finding in said["findings"]] == ["policy", "broker"]


def test_a_wrong_policy_keeps_nothing_else_from_being_examined(tmp_path: Path) -> None:
    """All that is wrong is said at once."""
    policy = tmp_path / "policy.toml"
    policy.write_text("[nonsense]\n")
    result = doctor("--json", "--policy", str(policy))
    failed = {
        finding["check"]: finding["reason"]
        for finding in json.loads(result.stdout)["findings"]
        if finding["verdict"] == "failure"
    }
    assert failed.keys() == {"policy", "broker"}
    assert "nonsense" in failed["policy"]


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """Before anybody is asked: no answer would tell as much."""
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    result = doctor("--set", "security.protocol=SSL", "--set", f"security.ca_file={file}")
    assert result.exit_code == 1
    assert "security: the certificates cannot be used" in result.stdout
