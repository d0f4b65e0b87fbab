"""Alerts ahead of the customers' rows: whoever is killed in between, each comes once."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from faust.types import TP
from test_detect import (
    END,
    Make,
    events,
    make,  # noqa: F401 - a fixture
    models,  # noqa: F401 - a fixture
    snapshot,
)

from models.protocol import Hour
from stream.detector.events import DAY_MS, HOUR_MS
from stream.engine.checkpoint import Holding
from stream.engine.flow import Flow, Output
from stream.engine.position import pack_position, unpack_position
from stream.wire import snapshots
from stream.wire.events import Heartbeat, encode_heartbeat, encode_usage
from stream.wire.lessons import decode_lesson
from stream.worker import detect
from stream.worker.model_log import ModelLog


class Topics:
    """What is committed: outputs in their order, and the rows a compacted topic keeps."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.outputs: list[Output] = []
        self.rows: dict[bytes, bytes | None] = {}
        self.position = b""
        self.alone = 0  # how often outputs came without rows

    def commit(self, holding: Holding, *, whole: bool) -> None:
        """Do what a transaction does."""
        taken = None if whole else holding._outputs_alone()
        self.alone += taken is not None
        outputs, rows, said = taken or holding._everything()
        if taken:
            # Written even where nothing is to be published: a moment that is nowhere written has
            # not passed for whoever comes next, and the runs would not compare.
            said = holding.lead.ahead(holding.position)
        self.outputs += outputs
        self.rows |= dict(rows)
        self.position = pack_position(said)

    def restore(self, fold: detect.DetectFold) -> Holding:
        """Return a partition as a worker restores it."""
        for key, value in self.rows.items():
            fold.load(key, value)
        holding = Holding(TP("usage", 0), Flow("usage", "state", lambda _: fold), 1)
        if self.position:
            holding.restore(unpack_position(self.position))
        else:
            holding.position = 0
            fold.begin(None)
        return holding


def published(topics: Topics) -> dict[str, list[tuple[bytes | None, bytes | None]]]:
    """Return the outputs of each topic, in order."""
    found: dict[str, list[tuple[bytes | None, bytes | None]]] = {}
    for output in topics.outputs:
        found.setdefault(output.topic, []).append((output.key, output.value))
    return found


def without_hours(
    found: dict[str, list[tuple[bytes | None, bytes | None]]], clock: str
) -> dict[str, list[tuple[bytes | None, bytes | None]]]:
    """Leave out the hours where the wall clock closes them: after a kill it ticks otherwise."""
    if clock == "wall":
        lessons = found["examples"]
        found["examples"] = [
            pair for pair in lessons if not isinstance(decode_lesson(pair[1])[1], Hour)
        ]
    return found


def run(
    fold: Callable[[], detect.DetectFold], inputs: Sequence[Any], draw: random.Random, kills: float
) -> Topics:
    """Let workers take the inputs, saving and dying at random; give what is committed in the end.

    An input is a record, a moment of the wall clock, or something to be called;
    the last two come once, whoever is killed: they are nowhere to be read again.
    """
    topics = Topics()
    holding = topics.restore(fold())
    number = 0
    seen = 0
    while number < len(inputs):
        what = inputs[number]
        if callable(what) or isinstance(what, int):
            if number >= seen and not holding.lead.owed(holding.position):
                seen = number + 1
                if callable(what):
                    what()
                else:
                    holding.tick(what, caught_up=True)
                    topics.commit(holding, whole=False)  # else it never was
        else:
            holding.apply([what], what.offset + 1)
        number += 1
        if holding.unsaved and draw.random() < 0.2:
            topics.commit(holding, whole=draw.random() < 0.2)
        if draw.random() < kills:
            holding = topics.restore(fold())
            number = next(n for n, i in enumerate(inputs) if at(i) >= holding.position)
    topics.commit(holding, whole=True)
    return topics


def at(what: Any) -> int:
    """Return a record's offset; what is no record has none."""
    return getattr(what, "offset", -1)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("clock", ["event", "wall"])
def test_whoever_is_killed_between_alerts_and_rows_changes_nothing(
    make: Make,  # noqa: F811
    record: Any,
    models: ModelLog,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    clock: str,
) -> None:
    """Nor does a model that comes meanwhile, or time that passes in short turns."""
    models.take(snapshots.encode(snapshot(0)))
    if seed % 2:
        monkeypatch.setattr(detect, "TICK_SECONDS", 0.0)
    draw = random.Random(seed)
    inputs: list[Any] = []
    for offset, event in enumerate(events()):
        inputs.append(record(encode_usage(event), offset=3 * offset))
        if clock == "wall" and draw.random() < 0.2:
            inputs.append(event.occurred_at + draw.choice([0, HOUR_MS, DAY_MS // 3]))
    inputs.append(record(encode_heartbeat(Heartbeat(END)), offset=3 * len(inputs)))

    def make_fold() -> detect.DetectFold:
        fold = make(wall=clock == "wall")
        fold._models = models
        fold._desk = replace(fold._desk, publish_backfill=True)  # old news are news here
        return fold

    straight = run(make_fold, inputs, random.Random(seed), 0.0)
    killed = run(make_fold, inputs, random.Random(seed + 100), 0.05)
    assert len(published(straight)["alerts"]) > 5
    assert killed.alone > 10
    assert without_hours(published(killed), clock) == without_hours(published(straight), clock)
    assert killed.rows == straight.rows
    assert unpack_position(killed.position).progress == unpack_position(straight.position).progress


def test_a_model_takes_over_together_with_the_rows(
    make: Make,  # noqa: F811
    record: Any,
    models: ModelLog,  # noqa: F811
) -> None:
    """When it did is written there; and who repeats what was before does so by the one before."""
    models.take(snapshots.encode(snapshot(0)))
    records = [record(encode_usage(e), offset=n) for n, e in enumerate(events())]
    records.append(record(encode_heartbeat(Heartbeat(END)), offset=len(records)))
    topics = Topics()
    holding = topics.restore(make())
    holding.apply(records[:10], 10)
    topics.commit(holding, whole=False)
    assert topics.alone == 0  # nothing was saved yet
    holding.apply(records[10:], len(records))
    topics.commit(holding, whole=False)
    assert topics.alone == 1
    before = list(topics.outputs)
    assert before

    models.take(snapshots.encode(snapshot(60, threshold=9.0)))
    again = topics.restore(make())
    again.apply(records[10:], len(records))
    topics.commit(again, whole=False)
    assert topics.outputs == before
    rows = {key: value for key, value in topics.rows.items() if key.startswith(detect.SWITCH_KEY)}
    assert len(rows) == 1
    again.apply([record(encode_heartbeat(Heartbeat(END + DAY_MS)), offset=len(records))], 10_000)
    assert again.fold.publish() is None
    topics.commit(again, whole=False)
    assert topics.alone == 2
    rows = {key: value for key, value in topics.rows.items() if key.startswith(detect.SWITCH_KEY)}
    assert len(rows) == 2
    assert again.fold.publish() == []


def test_time_of_an_idle_partition_is_repeated(
    make: Make,  # noqa: F811
    record: Any,
    models: ModelLog,  # noqa: F811
) -> None:
    """Silence comes due by the wall clock alone, and its alerts are out before any row."""
    models.take(snapshots.encode(snapshot(0)))
    records = [record(encode_usage(e), offset=n) for n, e in enumerate(events())]
    topics = Topics()
    holding = topics.restore(make(wall=True))
    holding.apply(records, len(records))
    topics.commit(holding, whole=True)
    count = len(topics.outputs)
    holding.tick(END, caught_up=True)
    topics.commit(holding, whole=False)
    assert topics.alone == 1
    assert len(topics.outputs) > count
    after = list(topics.outputs)

    again = topics.restore(make(wall=True))
    assert not again.lead.owed(again.position)
    topics.commit(again, whole=True)
    assert topics.outputs == after
    topics.commit(holding, whole=True)
    assert again.fold.collect().progress == holding.fold.collect().progress
