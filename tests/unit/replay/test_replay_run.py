"""The whole replay: the same bytes every time, and nothing from after its time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.detector.events import DAY_MS
from stream.replay.errors import LogError
from stream.replay.run import Outputs, Summary, load_snapshots, replay
from stream.replay.scoring import Ranking
from stream.wire.policy_file import load

ROOT = Path(__file__).parents[3]
POLICY = ROOT / "stream" / "demo" / "policy.toml"
RECEIVED_AT = 4_000_000_000_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a simulated product's events as Segment messages."""
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    events = simulate(customers=120, days=60, seed=5)
    path.write_bytes(b"".join(message(event) + b"\n" for event in events))
    return path


def run(log: Path, folder: Path, **more: object) -> Summary:
    """Replay a log into a folder."""
    folder.mkdir(exist_ok=True)
    outputs = Outputs(
        alerts=folder / "a.jsonl", scores=folder / "s.csv", snapshots=folder / "m.jsonl"
    )
    return replay([str(log)], load(POLICY), received_at=RECEIVED_AT, outputs=outputs, **more)  # type: ignore[arg-type]


def results(folder: Path) -> dict[str, bytes]:
    """Give what a replay wrote."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_size_of_the_batches_changes_no_byte(log: Path, tmp_path: Path) -> None:
    """Not of the alerts, not of the scores, not of the models."""
    run(log, tmp_path / "large")
    run(log, tmp_path / "small", batch_events=97)
    expected = results(tmp_path / "large")
    assert b"opened" in expected["a.jsonl"]
    assert results(tmp_path / "small") == expected


class Heard:
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.bytes = 0
        self.events: list[int] = []
        self.of: set[int] = set()

    def read(self, size: int) -> None:
        """Count the bytes."""
        self.bytes += size

    def decided(self, events: int, of: int) -> None:
        """Keep the events, and of how many."""
        self.events.append(events)
        self.of.add(of)


def test_a_watcher_hears_how_far_the_replay_has_come(log: Path, tmp_path: Path) -> None:
    """Every byte, and from the first batch on how many events there are in all."""
    heard = Heard()
    summary = run(log, tmp_path / "watched", watcher=heard, batch_events=500)
    assert heard.bytes == log.stat().st_size
    assert max(heard.events) == 500
    assert sum(heard.events) == summary.events
    assert heard.of == {summary.events}


@pytest.mark.parametrize("seed", ["0", "1234"])
def test_the_seed_of_pythons_hashes_changes_no_byte(log: Path, tmp_path: Path, seed: str) -> None:
    """No decision hangs on the order of a set."""
    run(log, tmp_path / "here")
    there = tmp_path / "there"
    there.mkdir()
    words: list[str | Path] = ["--alerts", there / "a.jsonl", "--scores", there / "s.csv"]
    words += ["--save-model", there / "m.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "stream", "replay", log, "--policy", POLICY, *words],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert results(there) == results(tmp_path / "here")


def test_pinned_models_give_the_alerts_they_gave_when_they_were_learned(
    log: Path, tmp_path: Path
) -> None:
    """What makes a run reproducible elsewhere: events, policy and snapshots are all of it."""
    run(log, tmp_path / "learned")
    run(log, tmp_path / "pinned", pinned=load_snapshots(tmp_path / "learned" / "m.jsonl"))
    learned, pinned = results(tmp_path / "learned"), results(tmp_path / "pinned")
    assert pinned["a.jsonl"] == learned["a.jsonl"]
    assert pinned["s.csv"] == learned["s.csv"]


def test_no_alert_and_no_score_looks_ahead(log: Path, tmp_path: Path) -> None:
    """Cut the log: everything said before the cut stays as it was."""
    lines = log.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(lines[: len(lines) * 2 // 3]))
    short = run(cut, tmp_path / "short")
    assert short.end is not None
    as_of = short.end // DAY_MS * DAY_MS
    run(cut, tmp_path / "short", ranking=Ranking(as_of=as_of))
    run(log, tmp_path / "long", ranking=Ranking(as_of=as_of))
    before, after = results(tmp_path / "short"), results(tmp_path / "long")
    said = [line for line in before["a.jsonl"].splitlines() if _time(line) < as_of]
    assert len(said) > 10
    assert after["a.jsonl"].splitlines()[: len(said)] == said
    assert before["s.csv"] == after["s.csv"]


def _time(line: bytes) -> int:
    """Give the time of an alert's line (ms)."""
    from stream.wire.alerts import decode_alert  # noqa: PLC0415 - one use

    return decode_alert(line).time


def test_bad_rows_are_counted_and_the_rest_is_as_if_they_were_not_there(
    log: Path, tmp_path: Path
) -> None:
    """Ten bad lines among thousands."""
    lines = log.read_bytes().splitlines(keepends=True)
    dirty = tmp_path / "dirty.jsonl"
    dirty.write_bytes(b"".join([*lines[:500], b"{broken\n" * 10, *lines[500:]]))
    summary = run(dirty, tmp_path / "dirty")
    run(log, tmp_path / "clean")
    assert summary.refusals.counts == {"not_json": 10}
    assert results(tmp_path / "dirty") == results(tmp_path / "clean")


def test_a_clock_in_2099_is_refused_not_believed(log: Path, tmp_path: Path) -> None:
    """One such event would otherwise lapse everybody."""
    lines = log.read_bytes().splitlines(keepends=True)
    future = lines[700].replace(b'"timestamp":"20', b'"timestamp":"22')
    assert future != lines[700]
    dirty = tmp_path / "dirty.jsonl"
    dirty.write_bytes(b"".join([*lines[:700], future, *lines[700:]]))
    summary = run(dirty, tmp_path / "dirty")
    run(log, tmp_path / "clean")
    assert summary.refusals.counts == {"future": 1}
    assert results(tmp_path / "dirty") == results(tmp_path / "clean")


def test_an_empty_log_is_no_error(tmp_path: Path) -> None:
    """Nothing in, nothing out."""
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    summary = run(empty, tmp_path / "out")
    assert summary.events == 0
    assert results(tmp_path / "out")["a.jsonl"] == b""


def test_a_log_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    """Whose fault, and which file."""
    with pytest.raises(LogError, match=r"nowhere\.jsonl"):
        run(tmp_path / "nowhere.jsonl", tmp_path / "out")
