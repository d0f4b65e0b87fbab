"""The figures' own test: that each can still be taken.  What they come to is not judged."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import orjson
import pytest
from needs import lacking

from stream.broker import LocalBroker
from stream.detector.events import UsageEvent
from stream.wire.events import Decoder
from tests.bench import console, customers, file_replay, landmarks, memory, metering, mix, worker
from tests.bench.child import ROOT, YARDSTICK
from tests.bench.figure import Figure, Size, line
from tests.bench.tracks import START_MS, Stencils, Tracks, stamp_of


def here(function: Callable[..., dict[str, Any]], /, **arguments: object) -> dict[str, Any]:
    """Call a measurement in this process: starting one for each would take most of the time."""
    return {YARDSTICK: 1.0, **function(**arguments)}


def in_turns_here(kind: Callable[..., Any], *arguments: object) -> AbstractContextManager[Any]:
    """Make what takes turns in this process."""
    return nullcontext(kind(*arguments))


def check(figures: list[Figure]) -> None:
    """Hold what any figure must be."""
    assert figures
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert math.isfinite(figure.value), figure
        assert json.loads(line(figure, 0.5))["name"] == figure.name


@pytest.mark.parametrize(
    "module",
    [customers, file_replay, landmarks, memory, metering, mix],
    ids=lambda module: module.__name__,
)
def test_a_figure_without_a_broker_can_still_be_taken(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They reach into what they measure: a change there must not leave them behind."""
    monkeypatch.setattr(module, "call", here, raising=False)
    monkeypatch.setattr(module, "apart", in_turns_here, raising=False)
    check(list(module.measure(Size.TINY)))


@pytest.mark.integration
def test_the_console_can_still_be_looked_at() -> None:
    """A browser opens it, chooses, scrolls and sees a change."""
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        lacking("Chromium is not installed: apt-get install chromium")
    check(list(console.measure(Size.TINY)))


@pytest.mark.integration
def test_the_worker_can_still_be_held_against_the_raw_loop(broker: LocalBroker) -> None:
    """A worker that is watched works off a topic, every event applied, and ends in order."""
    check(list(worker.measure(Size.TINY, broker.bootstrap)))


@pytest.mark.integration
def test_the_contestant_keeps_to_what_the_peers_ask_of_it(
    broker: LocalBroker, topic_names: Callable[[str], str]
) -> None:
    """Its last line on standard output is the result, and its end is a good one."""
    events = 1_000
    environment = {
        "BOOTSTRAP": broker.bootstrap,
        "TOPIC": worker.filled(broker.bootstrap, events, partitions=2),
        "N": str(events),
        "RUN_ID": topic_names("contestant"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.contestant"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["events"] == events
    assert said["results"] == {"applied": events}
    assert {"peer", "wall_s", "cpu_s", "events_per_s", "drain_s"} <= said.keys()


def test_stencils_write_what_tracks_write_but_for_the_id_and_the_time() -> None:
    """A faster sender must not make the reader's work another."""
    stencils, decoder = Stencils(20, seed=1), Decoder()
    ids = set()
    for number in range(20):
        key, value = stencils.write(number, stamp_of(START_MS + 1_234))
        track = Tracks(1).write(number, START_MS + 1_234)
        event = decoder.decode(value, START_MS + 5_000)
        assert isinstance(event, UsageEvent)
        assert (key, event.customer_id, event.occurred_at) == (
            track.key,
            track.key.decode(),
            START_MS + 1_234,
        )
        ids.add(event.message_id)
        mine, theirs = orjson.loads(value), orjson.loads(track.value)
        assert mine.keys() == theirs.keys()
        assert mine["context"] == theirs["context"]
    assert len(ids) == 20
