"""The tap: what is shown, to whom, and how it ends."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
import pytest
from said import alert
from typer.testing import CliRunner

from stream.cli import cli, out
from stream.detector.alerts import Alert, Kind, Trigger
from stream.tap import follow
from stream.tap.line import line, shown
from stream.tap.wanted import Wanted
from stream.wire.alerts import decode_alert, encode_alert


@dataclass(frozen=True)
class Published:
    """A record of the topic of alerts."""

    value: bytes | None
    topic: str = "alerts"
    partition: int = 3
    offset: int = 7


async def published(*values: bytes | None) -> AsyncIterator[Published]:
    """Give records with these values."""
    for value in values:
        yield Published(value)


async def shown_of(
    *values: bytes | None, wanted: Wanted | None = None, limit: int | None = None
) -> tuple[list[bytes], list[str]]:
    """Return the lines shown of these records, and what was complained of."""
    lines: list[bytes] = []
    complaints: list[str] = []

    def show(_: Alert, one: bytes) -> None:
        lines.append(one)

    count = await follow.tap(published(*values), wanted or Wanted(), show, complaints.append, limit)
    assert count == len(lines)
    return lines, complaints


ANN, BOB = encode_alert(alert()), encode_alert(alert(customer_id="bob", kind=Kind.LAPSED))


def test_an_alert_is_one_line_that_says_when_who_what_and_why() -> None:
    """A viewer who never saw the schema understands it."""
    text = line(alert(customer_id="mia-0001")).plain

    assert "\n" not in text
    for part in ("2024-10-04 12:00", "mia-0001", "opened", "silence", "high", "risk 0.83"):
        assert part in text
    assert "silent for 7.4 days. Used less" in text


def test_a_notice_is_about_everybody() -> None:
    """It has no customer, and no risk of one."""
    notice = alert(customer_id="", kind=Kind.SUSPENDED, trigger=Trigger.POPULATION)
    text = line(notice).plain
    assert "everybody    suspended" in text
    assert "risk" not in text


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("ann", "ann"),
        ("zoë 🌊", "zoë 🌊"),
        ("\x1b[2Jann", r"\x1b[2Jann"),
        ("ann\nbob", r"ann\nbob"),
        ("ann\u202egro", r"ann\u202egro"),
        ("\x9b31mann", r"\x9b31mann"),
    ],
)
def test_no_text_of_a_customer_commands_the_terminal(sent: str, seen: str) -> None:
    """An id is whatever a stranger typed into a form."""
    assert shown(sent) == seen
    assert seen in line(alert(customer_id=sent, reason_1_text="x")).plain
    assert seen in line(alert(reason_1_text=sent)).plain


async def test_what_is_shown_is_what_was_published() -> None:
    """A pipe gets the bytes of the topic, with what a newer version added."""
    newer = ANN[:-1] + b',"mood":"sad"}'
    lines, complaints = await shown_of(ANN, None, b'{\n"new":1}', newer)
    assert lines == [ANN, newer]
    assert len(complaints) == 1
    assert "partition 3, offset 7" in complaints[0]


async def test_the_tap_ends_at_its_limit() -> None:
    """The limit counts what was shown, not what was read."""
    wanted = Wanted(customers=frozenset({"bob"}))
    lines, _ = await shown_of(ANN, BOB, ANN, BOB, BOB, wanted=wanted, limit=2)
    assert lines == [BOB, BOB]


@pytest.mark.parametrize(
    ("wanted", "customers"),
    [
        (Wanted(), ["ann", "bob"]),
        (Wanted(kinds=frozenset({Kind.LAPSED, Kind.RECOVERED})), ["bob"]),
        (Wanted(triggers=frozenset({Trigger.WARNING})), []),
        (Wanted(customers=frozenset({"ann"}), kinds=frozenset({Kind.LAPSED})), []),
    ],
)
async def test_an_alert_is_all_that_was_asked_for(wanted: Wanted, customers: list[str]) -> None:
    """One of each thing asked for; nothing asked for is everything."""
    lines, _ = await shown_of(ANN, BOB, wanted=wanted)
    assert [decode_alert(one).customer_id for one in lines] == customers


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the values that a tap will find, instead of Kafka's."""
    values: list[bytes] = []
    monkeypatch.setattr(follow, "records", lambda *_, **__: published(*values))
    return values


def test_a_pipe_gets_json_and_nothing_else(topic: list[bytes]) -> None:
    """Standard output is data."""
    topic += [ANN, BOB, ANN]
    result = CliRunner().invoke(
        cli, ["tap", "--limit", "2", "--kind", "lapsed", "--kind", "opened"]
    )
    assert result.exit_code == 0, result.stderr
    assert [orjson.loads(one)["customer_id"] for one in result.stdout.splitlines()] == [
        "ann",
        "bob",
    ]


def test_a_terminal_gets_words(topic: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    """As the demo's screen does."""
    assert topic == []
    out._in_words()(alert(customer_id="a\x1bb"), ANN)
    assert "Usually back every 2.1 days" in (said := capsys.readouterr().out)
    assert r"a\x1bb" in said


def test_words_that_are_none_are_exit_code_2() -> None:
    """All of them at once, with what there is."""
    result = CliRunner().invoke(cli, ["tap", "--kind", "open", "--kind", "gone"])
    assert result.exit_code == 2
    assert "open: there is only opened" in result.stderr
    assert "gone" in result.stderr


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell script that is interrupted there should end, too."""

    async def interrupted() -> AsyncIterator[Published]:
        yield Published(ANN)
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "records", lambda *_, **__: interrupted())
    result = CliRunner().invoke(cli, ["tap"])
    assert result.exit_code == 130
    assert "Traceback" not in result.output


ENDLESS = """
import asyncio
from stream.tap import follow
from stream.cli import cli

class Published:
    value = {value!r}

async def endless(*_, **__):
    while True:
        yield Published
        await asyncio.sleep(0)

follow.records = endless
cli(["tap"])
"""


def test_a_pipe_that_closes_ends_the_tap_quietly() -> None:
    """`slipaway tap | head -1` is no error."""
    reading, writing = os.pipe()
    command = [sys.executable, "-c", ENDLESS.format(value=ANN)]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.readline() == ANN + b"\n"
        _, talk = process.communicate(timeout=60)
    assert (process.returncode, talk) == (0, b"")
