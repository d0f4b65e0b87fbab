"""Alerts on accounts from a file: the same bytes whatever the batches, and only where wanted."""

from pathlib import Path

import orjson
import pytest
from organisations import BEGIN, office, visits
from typer.testing import CliRunner

from stream.cli import cli
from stream.detector.events import DAY_MS
from stream.replay.run import Outputs, Replay, replay
from stream.wire.policy_file import PolicyFile, parse
from stream.wire.times import iso

DAYS = 130
RECEIVED_AT = 4_000_000_000_000
POLICY = "[accounts]\nenabled = true\n"
PRODUCT: PolicyFile = parse(POLICY)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the events of some organisations, of which some are deserted."""
    lines = []
    for number in range(8):
        people = office(f"org{number}", 4, DAYS, seed=5)
        for member in people[number % 4 :]:
            member.until = 90
        for news in visits(f"org{number}", people, DAYS, seed=5):
            said = {
                "type": "track",
                "userId": news.customer_id,
                "event": "opened",
                "timestamp": iso(news.at),
                "context": {"groupId": news.account_id},
            }
            lines.append((news.at, orjson.dumps(said)))
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for _, line in sorted(lines)))
    return path


def test_the_size_of_the_batches_changes_no_byte(log: Path, tmp_path: Path) -> None:
    """Members' visits are told in other portions then."""
    said = []
    for size in (10_000, 501, 97):
        out = tmp_path / f"{size}.jsonl"
        outputs = Outputs(accounts=out)
        summary = replay(
            [str(log)], PRODUCT, received_at=RECEIVED_AT, outputs=outputs, batch_events=size
        )
        said.append(out.read_bytes())
        assert sum(summary.account_alerts.values()) == said[0].count(b"\n")
    assert said[0] == said[1] == said[2]
    read = [orjson.loads(line) for line in said[0].splitlines()]
    assert {one["trigger"] for one in read} >= {"silence", "champion"}
    assert {one["policy_version"] for one in read} == {PRODUCT.policy.version}
    assert [one["time"] for one in read] == sorted(one["time"] for one in read)
    assert min(one["time"] for one in read) > iso(BEGIN + 90 * DAY_MS)


def test_the_command_writes_them_and_says_how_many(log: Path, tmp_path: Path) -> None:
    """Beside the others, in a file of their own."""
    policy, out = tmp_path / "policy.toml", tmp_path / "accounts.jsonl"
    kinds = [
        f'[[account_segment]]\nname = "{name}"\nwhere = {{ plan = "{plan}" }}\n'
        for name, plan in (("large", "large"), ("trial", "x"))
    ]
    policy.write_text(POLICY + "".join(kinds))
    said = {"type": "group", "userId": "org1-0", "groupId": "org1", "traits": {"plan": "large"}}
    told = tmp_path / "told.jsonl"
    told.write_bytes(orjson.dumps(said | {"timestamp": iso(BEGIN + DAY_MS)}) + b"\n")
    arguments = ["replay", str(log), str(told), "--policy", str(policy), "--accounts", str(out)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    assert "alerts on accounts: " in result.stderr
    assert "accounts by segment: large 1, (none) 7" in result.stderr
    assert "nobody was in the account segment trial: do its traits come" in result.stderr
    assert out.read_bytes().startswith(b'{"account_id":"org')


def test_a_policy_that_looks_at_no_accounts_has_no_such_alerts(log: Path, tmp_path: Path) -> None:
    """Asked for all the same, they are refused with what to do: an empty file would mislead."""
    out = tmp_path / "accounts.jsonl"
    result = CliRunner().invoke(cli, ["replay", str(log), "--accounts", str(out)])
    assert result.exit_code == 2
    assert "set enabled = true in [accounts]" in result.stderr
    assert not out.exists()


def test_who_does_not_ask_for_them_pays_nothing() -> None:
    """A backtest has no use for accounts."""
    assert Replay(PRODUCT.policy, alerts=None)._roll_up is None
