"""Outputs ahead of their rows: what is done again after a restore, and what is not."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from stream.engine.checkpoint import Holding
from stream.engine.flow import Batch, Flow, Fold, Output, Record
from stream.engine.lead import Lead
from stream.engine.position import Passed, Position

HERE = TP("usage", 0)


class Noting(Fold):
    """A fold that notes what it is asked for; each record and each moment is one output."""

    pending = 0

    def __init__(self) -> None:
        """Begin with nothing."""
        self.asked: list[tuple[str, Any]] = []
        self.outputs: list[Output] = []

    def begin(self, progress: bytes | None) -> None:
        """Note the progress."""
        self.asked.append(("begin", progress))

    def apply(self, records: Sequence[Record]) -> None:
        """Note the offsets."""
        self._note("apply", [record.offset for record in records])

    def repeat(self, records: Sequence[Record]) -> None:
        """Note the offsets."""
        self._note("repeat", [record.offset for record in records])

    def repeat_time(self, moment: int) -> None:
        """Note the moment."""
        self._note("time", [moment])

    def tick(self, now_ms: int, caught_up: bool) -> int | None:  # noqa: FBT001
        """Let time pass if the partition is caught up."""
        return now_ms if caught_up else None

    def publish(self) -> list[Output]:
        """Give the outputs."""
        outputs, self.outputs = self.outputs, []
        return outputs

    def collect(self) -> Batch:
        """Give the outputs, and no rows."""
        return Batch([], self.publish(), b"so far")

    def _note(self, what: str, values: Sequence[int]) -> None:
        self.asked += [(what, value) for value in values]
        self.outputs += [Output("alerts", 0, None, b"%d" % value) for value in values]


def records(*offsets: int) -> list[Any]:
    """Return bare records."""
    return [SimpleNamespace(offset=offset) for offset in offsets]


def holding_at(position: Position) -> tuple[Holding, Noting]:
    """Return a partition restored at `position`, and its fold."""
    fold = Noting()
    holding = Holding(HERE, Flow("usage", "state", lambda _: fold), 1)
    holding.restore(position)
    return holding, fold


AHEAD = Position(10, b"so far", 4, published=16, passed=(Passed(12, 700), Passed(16, 900)))


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_what_was_published_is_repeated_to_no_effect(size: int) -> None:
    """Records and moments in the order they had; the last offsets are a transaction's marker."""
    holding, fold = holding_at(AHEAD)
    offsets = [10, 11, 12, 14, 17, 18]
    for start in range(0, len(offsets), size):
        part = offsets[start : start + size]
        assert not (holding.unsaved and holding.lead.owed(holding.position))
        holding.apply(records(*part), part[-1] + 1)
    assert fold.asked == [
        ("begin", b"so far"),
        *[("repeat", 10), ("repeat", 11), ("time", 700), ("repeat", 12), ("repeat", 14)],
        *[("time", 900), ("apply", 17), ("apply", 18)],
    ]
    assert [output.value for output in fold.outputs] == [b"17", b"18"]
    assert holding.position == 19
    assert holding.unsaved


def test_nothing_is_saved_and_no_time_passes_before_all_is_repeated() -> None:
    """The rows are behind what is published: saved now, they would say they were not."""
    holding, fold = holding_at(AHEAD)
    holding.apply(records(10, 11), 12)
    assert holding.position == 12
    assert not holding.unsaved
    holding.tick(10_000, caught_up=True)
    assert ("time", 10_000) not in fold.asked
    holding.apply(records(12, 14), 16)
    assert holding.unsaved


def test_time_that_passed_in_an_idle_partition_passes_at_once() -> None:
    """No record will come to wait for."""
    holding, fold = holding_at(Position(10, b"", 4, published=10, passed=(Passed(10, 700),)))
    assert fold.asked == [("begin", b""), ("time", 700)]
    assert fold.outputs == []
    assert not holding.lead.owed(10)


def test_what_was_repeated_is_still_ahead_of_the_rows() -> None:
    """Published once more before the rows are saved, it is repeated from the same place."""
    holding, _ = holding_at(AHEAD)
    holding.apply(records(10, 11, 12, 14, 20), 21)
    holding.tick(1_000, caught_up=True)
    holding.tick(1_100, caught_up=True)
    taken = holding._outputs_alone()
    assert taken is not None
    outputs, rows, said = taken
    assert [output.value for output in outputs] == [b"20"]
    assert rows == []
    passed = (*AHEAD.passed, Passed(21, 1_100))  # the later moment says it all
    assert said == Position(10, b"so far", 4, published=21, passed=passed)
    assert holding.published == 21


def test_rows_end_the_lead() -> None:
    """Whatever was to be repeated is in them."""
    holding, _ = holding_at(AHEAD)
    holding.apply(records(10, 11, 12, 14, 20), 21)
    _, _, said = holding._everything()
    assert said == Position(21, b"so far", holding.partitions, published=21, passed=())
    assert holding.lead.saved == said
    holding.apply(records(21), 22)
    taken = holding._outputs_alone()
    assert taken is not None
    assert taken[2] == said._replace(published=22)


def test_outputs_wait_for_the_first_rows() -> None:
    """Without a saved position nobody would know where to repeat from."""
    holding = Holding(HERE, Flow("usage", "state", lambda _: Noting()), 1)
    holding.position = 0
    holding.apply(records(0, 1), 2)
    assert holding._outputs_alone() is None


def test_a_lead_without_anything_saved_owes_nothing() -> None:
    """A new partition starts with its first record."""
    assert not Lead().owed(0)
