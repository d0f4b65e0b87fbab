"""The diff: what is the same, what is not, and in what, whichever order alerts come in."""

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import orjson
import pytest
from said import alert as an_alert
from typer.testing import CliRunner

from stream.cli import cli
from stream.detector.alerts import Alert, Kind, Severity
from stream.detector.events import DAY_MS
from stream.diff.compare import Counts, What, compare
from stream.diff.show import lines
from stream.wire.alerts import encode_alert

WITHIN = 7 * DAY_MS
AT = 1_767_225_600_000


def alert(customer: str, day: int, kind: Kind = Kind.OPENED, **more: Any) -> Alert:
    """Return an alert on a customer, decided on a day."""
    return an_alert(customer_id=customer, time=AT + day * DAY_MS, kind=kind, **more)


THEN = [alert("same", 1), alert("moved", 2), alert("gone", 3), alert("raised", 4)]
NOW = [
    alert("same", 1, policy_version="another", backfill=True, alert_id="x"),
    alert("moved", 5),
    alert("raised", 4, severity=Severity.LOW, risk=0.3),
    alert("come", 6),
]


def test_each_alert_is_said_to_be_one_thing() -> None:
    """By customer, kind and time; whose alerts they are by name is no difference."""
    found = compare(THEN, NOW, within_ms=WITHIN)
    assert found.all == Counts(same=1, missing=1, new=1, moved=1, changed=1)
    assert [(d.what, d.customer_id) for d in found.differences] == [
        (What.MOVED, "moved"),
        (What.MISSING, "gone"),
        (What.CHANGED, "raised"),
        (What.NEW, "come"),
    ]
    assert found.fields == {"time": 1, "severity": 1, "risk": 1}
    assert (found.customers, found.equal) == (4, False)
    assert compare(THEN, THEN, within_ms=WITHIN).equal


def test_what_is_too_far_away_is_another_decision() -> None:
    """It was not sent, and something else was."""
    found = compare([alert("a", 1)], [alert("a", 9)], within_ms=WITHIN)
    assert found.all == Counts(missing=1, new=1)
    assert compare([alert("a", 1)], [alert("a", 8)], within_ms=WITHIN).all == Counts(moved=1)


def test_every_alert_counts_once_in_any_order() -> None:
    """Of several of one customer those of one moment belong together, and then the nearest."""
    then = [alert("a", day) for day in (1, 5, 9)]
    now = [alert("a", day) for day in (2, 5, 9, 9)]
    for seed in range(5):
        Random(seed).shuffle(then)
        Random(seed + 1).shuffle(now)
        found = compare(then, now, within_ms=WITHIN)
        assert found.all == Counts(same=2, moved=1, new=1)
        assert (found.then, found.now) == (3, 4)


def test_ids_cannot_command_a_terminal() -> None:
    """They come from outside."""
    found = compare([alert("a\x1b[2J", 1)], [alert("a\x1b[2J", 1, owner="\x9b2J")], within_ms=1)
    assert all(line.isprintable() for line in lines(found))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 1),
        (("--since", "2026-01-02", "--until", "2026-01-03"), 0),
        (("--strict", "--until", "2026-01-03"), 1),
        (("--ignore", "nonsense"), 2),
        (("--within", "soon"), 2),
    ],
)
def test_the_exit_code_says_whether_they_differ(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    """For a pipeline: 1 differs, 2 was asked wrongly."""
    files = [tmp_path / name for name in ("then.jsonl", "now.jsonl")]
    for file, alerts in zip(files, (THEN, NOW), strict=True):
        file.write_bytes(b"".join(encode_alert(one) + b"\n" for one in alerts))
    done = CliRunner().invoke(cli, ["diff", *map(str, files), *arguments])
    assert done.exit_code == code, done.output
    if code != 2:
        said = CliRunner().invoke(cli, ["diff", *map(str, files), "--json", *arguments])
        counts = orjson.loads(said.stdout)["all"]
        assert sum(counts.values()) == sum(msgspec.structs.astuple(msgspec.convert(counts, Counts)))
        assert said.exit_code == code
