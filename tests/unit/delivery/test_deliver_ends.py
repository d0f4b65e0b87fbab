"""How delivering ends when something of Kafka's goes wrong: in words, and with an exit code."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from typer.testing import CliRunner

from stream.cli import cli
from stream.delivery import run
from stream.delivery.standing import disabled

ENDPOINTS = """
[[endpoint]]
name = "channel"
template = "slack"
url = "https://hooks.example/x"
"""


@pytest.fixture
def endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of endpoints, for a broker that is only played."""

    async def nothing(*_: object, **__: object) -> dict[str, int]:
        return {}

    @asynccontextmanager
    async def producer(_: object) -> AsyncIterator[None]:
        yield None

    monkeypatch.setattr(run, "ensure", nothing)
    monkeypatch.setattr(run, "require", nothing)
    monkeypatch.setattr(run, "read_standings", nothing)
    monkeypatch.setattr(run, "_producer", producer)
    file = tmp_path / "endpoints.toml"
    file.write_text(ENDPOINTS)
    return file


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KafkaConnectionError(), 75, "Starting again is safe"),
        (TopicAuthorizationFailedError(), 70, "allow it on the broker"),
        (RuntimeError("what is this"), 70, "report this bug"),
    ],
)
def test_a_way_that_fails_ends_the_process_in_words(
    endpoints: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, words: str
) -> None:
    """A supervisor reads the code, a person the last line."""

    async def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(run.Way, "run", fails)
    result = CliRunner().invoke(cli, ["deliver", str(endpoints)])
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_disabled_endpoint_is_not_delivered_to(
    endpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its URL is another one, and the exit code says that something is wrong."""
    tried = []

    async def known(*_: object) -> dict[str, object]:
        return {"channel": disabled("channel", "https://hooks.example/x", "status 410", 0)}

    async def notes(way: run.Way, *_: object) -> None:
        tried.append(way)
        way.courier = type("Courier", (), {"gone": ""})()

    monkeypatch.setattr(run, "read_standings", known)
    monkeypatch.setattr(run.Way, "run", notes)
    assert CliRunner().invoke(cli, ["deliver", str(endpoints)]).exit_code == 1
    assert tried == []
    endpoints.write_text(ENDPOINTS.replace("/x", "/y"))
    assert CliRunner().invoke(cli, ["deliver", str(endpoints)]).exit_code == 0
    assert len(tried) == 1
