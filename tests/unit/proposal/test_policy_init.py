"""The command: a log in, a policy out that reads that log."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from stream.cli import cli
from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.wire.policy_file import parse

SHOP = [
    {
        "customer no": f"c{n % 7}",
        "bought at": f"2025-0{1 + n // 60}-{1 + n // 2 % 28:02} 10:{n % 60:02}",
    }
    for n in range(240)
]


def init(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["policy", "init", *map(str, arguments)])


def test_our_own_form_needs_no_mapping_and_names_are_sorted(tmp_path: Path) -> None:
    """What is noise, what warns and what ends, by name."""
    log = tmp_path / "events.jsonl"
    log.write_bytes(b"".join(message(e) + b"\n" for e in simulate(100, 90, seed=1)))
    result = init(log)
    assert result.exit_code == 0, result.output
    file = parse(result.stdout)
    assert file.mappings == ()
    assert file.policy.ending == ("subscription_cancelled",)
    assert file.policy.warning == ("cancel_page_viewed",)
    assert file.policy.ignore == ("identify", "group", "alias", "background_sync")


def written(folder: Path, form: str) -> Path:
    """Write the shop's table in one of many forms."""
    names = list(SHOP[0])
    text = "\n".join([";".join(names), *(";".join(row.values()) for row in SHOP)])
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(SHOP), folder / "log.parquet")
        return folder / "log.parquet"
    if form == "jsonl":
        (folder / "log.jsonl").write_text(
            "\n".join(f'{{"at": {{"x": "{r[names[1]]}"}}, "user": "{r[names[0]]}"}}' for r in SHOP)
        )
        return folder / "log.jsonl"
    if form == "tsv":
        (folder / "log.tsv").write_text(text.replace(";", "\t"))
        return folder / "log.tsv"
    (folder / "log.csv.gz").write_bytes(gzip.compress(text.encode("utf-8-sig")))
    return folder / "log.csv.gz"


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_the_proposal_reads_the_log_it_was_made_from(tmp_path: Path, form: str) -> None:
    """Without a row refused, in whatever form it came."""
    log, policy = written(tmp_path, form), tmp_path / "policy.toml"
    result = init(log, "--out", policy)
    assert result.exit_code == 0, result.output
    alerts = tmp_path / "alerts.jsonl"
    arguments = ["replay", str(log), "--policy", str(policy), "--alerts", str(alerts)]
    replayed = CliRunner().invoke(cli, arguments)
    assert replayed.exit_code == 0, replayed.output
    assert "240 events of 7 customers" in replayed.stderr
    assert "could not be used" not in replayed.stderr


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    """Somebody may have worked on it."""
    log, policy = written(tmp_path, "csv"), tmp_path / "policy.toml"
    policy.write_text("# mine\n")
    result = init(log, "--out", policy)
    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert policy.read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "a,b\n1,2\n3,4\n", "no column holds times"),
        ("a.csv", "", "has no rows"),
        ("a.jsonl", "nonsense\n" * 3, "neither JSON lines nor a table"),
    ],
)
def test_a_log_that_says_nothing_is_refused(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    """With what to do about it."""
    (tmp_path / name).write_text(text)
    result = init(tmp_path / name)
    assert result.exit_code == 1, result.output
    assert words in result.stderr


@pytest.mark.shared
@pytest.mark.parametrize(
    ("log", "horizon", "customer"),
    [
        ("online_retail/online_retail.csv.gz", 90, "CustomerID"),
        ("cdnow/CDNOW_master.txt.gz", 180, "customer_id"),
    ],
)
def test_real_shops_get_what_was_written_for_them_by_hand(
    shared_data: Path, log: str, horizon: int, customer: str
) -> None:
    """The horizon of the examples, and the columns."""
    file = parse(init(shared_data / log).stdout)
    assert file.policy.horizon_ms == horizon * 86_400_000
    assert file.policy.visit_gap_ms == 12 * 3_600_000
    assert [mapping.customer for mapping in file.mappings] == [customer]
