"""The command: logs in, who stayed and who left out."""

from pathlib import Path

import orjson
from typer.testing import CliRunner, Result

from stream.cli import cli


def retention(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["retention", *map(str, arguments)])


def log(folder: Path) -> Path:
    """Write a log of two customers over half a year; one of them stops in March."""
    file, policy = folder / "log.csv", folder / "policy.toml"
    rows = [f"a,2025-{month:02}-{day:02},open" for month in range(1, 7) for day in (1, 15)]
    rows += [f"b,2025-{month:02}-{day:02},open" for month in range(1, 4) for day in (2, 16)]
    file.write_text("\n".join(["who,when,what", *rows]))
    policy.write_text(
        '[slipping]\nhorizon = "30d"\n'
        '[[mapping]]\ncustomer = "who"\ntime = "when"\nevent = "what"\n'
    )
    return file


def test_a_month_is_a_line_with_words_below(tmp_path: Path) -> None:
    """March 16 and thirty days are in April."""
    result = retention(log(tmp_path), "--policy", tmp_path / "policy.toml")
    assert result.exit_code == 0, result.output
    april = next(line for line in result.stdout.splitlines() if line.startswith("2025-04-01"))
    assert april.split() == ["2025-04-01", "2", "0", "0", "1", "0", "1", "50.0%", "50.0%"]
    assert "active in the 30 days before" in result.stdout


def test_json_is_data_alone(tmp_path: Path) -> None:
    """Machines read standard output whole."""
    result = retention(
        log(tmp_path), "--policy", tmp_path / "policy.toml", "--every", "quarter", "--json"
    )
    found = orjson.loads(result.stdout)
    assert [period["begin"] for period in found["periods"]] == ["2025-01-01"]
    assert found["cohorts"] == [{"begin": "2025-01-01", "size": 2, "kept": [1.0]}]
