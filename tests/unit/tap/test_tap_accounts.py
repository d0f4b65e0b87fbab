"""The tap on alerts on accounts: a line each, or JSON, and what was asked for."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import orjson
import pytest
from typer.testing import CliRunner

from stream.cli import cli
from stream.contract.account_examples import account_examples
from stream.detector.alerts import Kind
from stream.tap import follow
from stream.tap.account_line import account_line
from stream.wire.account_alerts import encode_account_alert

SAID = account_examples()


@dataclass(frozen=True)
class Published:
    """A record of the topic."""

    value: bytes
    topic: str = "account-alerts"
    partition: int = 0
    offset: int = 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the tap find an alert of every kind; return which topics it asked for."""
    topics: list[str] = []

    async def published() -> AsyncIterator[Published]:
        for alert in SAID.values():
            yield Published(encode_account_alert(alert))

    def records(_: object, topic: str, **__: object) -> AsyncIterator[Published]:
        topics.append(topic)
        return published()

    monkeypatch.setattr(follow, "records", records)
    return topics


def tapped(*arguments: str) -> list[str]:
    """Return account and kind of what a pipe gets."""
    result = CliRunner().invoke(cli, ["tap", *arguments])
    assert result.exit_code == 0, result.stderr
    read = [orjson.loads(line) for line in result.stdout.splitlines()]
    return [f"{one['account_id']} {one['kind']}" for one in read]


def test_a_tap_on_accounts_reads_their_topic(asked: list[str]) -> None:
    """And shows what it finds as it is."""
    expected = [f"{one.account_id} {one.kind.value}" for one in SAID.values()]
    assert tapped("--accounts") == expected
    assert asked == ["slipaway.account-alerts"]


@pytest.mark.parametrize(
    ("asked_for", "shown"),
    [
        (("--account", "globex"), ["globex recovered"]),
        (("--accounts", "--kind", "lapsed"), ["initech lapsed"]),
        (("--accounts", "--trigger", "champion"), ["acme opened"]),
    ],
)
def test_a_tap_shows_what_was_asked_for(
    asked: list[str], asked_for: tuple[str, ...], shown: list[str]
) -> None:
    """One of each thing; an account alone asks for accounts."""
    assert tapped(*asked_for) == shown
    assert len(asked) == 1


def test_words_of_customers_are_none_of_accounts() -> None:
    """Said with what there is."""
    result = CliRunner().invoke(cli, ["tap", "--accounts", "--trigger", "decline"])
    assert result.exit_code == 2
    assert "decline: there is only silence, champion, seats, breadth" in result.stderr
    both = CliRunner().invoke(cli, ["tap", "--accounts", "--customer", "ann"])
    assert both.exit_code == 2


def test_a_line_is_safe_to_show() -> None:
    """Ids come from outside."""
    alert = msgspec.structs.replace(SAID[Kind.OPENED], account_id="\x1b[2Jacme")
    text = account_line(alert).plain
    assert "\x1b" not in text
    parts = (r"\x1b[2Jacme", "opened", "champion", "medium", "who used it most, has left")
    for part in (*parts, "3 of 5 seats bought", "(paying · worth 900 · dana)", "→ Call whoever"):
        assert part in text
