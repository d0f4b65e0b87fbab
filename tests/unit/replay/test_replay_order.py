"""Laws of order: whatever the log's order and size, events come by their time."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detector.batch import EventBatch
from stream.detector.events import UsageEvent
from stream.replay import order
from stream.replay.order import in_order

AT = 1_772_357_400_000


def ordered(events: list[UsageEvent], **options: Any) -> list[UsageEvent]:
    """Return the events as `in_order` gives them, handed over seven at a time."""
    batches = (EventBatch.of(events[begin : begin + 7]) for begin in range(0, len(events), 7))
    return list(chain.from_iterable(in_order(batches, **options)))


def events_at(times: list[int]) -> list[UsageEvent]:
    """Return one event per time, numbered by its place in the log."""
    return [UsageEvent(str(i), "order", AT + time, AT, f"m{i}") for i, time in enumerate(times)]


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 70))
def test_order_is_sorting_whatever_the_chunk(times: list[int], chunk_events: int) -> None:
    """Events of one moment keep the log's order, across chunks too."""
    events = events_at(times)
    expected = sorted(events, key=lambda event: event.occurred_at)
    assert ordered(events, chunk_events=chunk_events) == expected


def test_many_runs_are_merged_by_and_by() -> None:
    """No more files are open at a time than any system allows."""
    events = events_at([i * 7_919 % 1_000 for i in range(3 * order._RUNS_MAX)])
    expected = sorted(events, key=lambda event: event.occurred_at)
    assert ordered(events, chunk_events=1) == expected


def test_blocks_of_a_run_are_read_one_after_the_other() -> None:
    """A run is longer than what is in memory of it."""
    events = events_at([i * 7_919 % 5_000 for i in range(5_000)])
    expected = sorted(events, key=lambda event: event.occurred_at)
    assert ordered(events, chunk_events=2_500) == expected


def test_a_log_of_one_chunk_never_touches_the_disk(tmp_path: Path) -> None:
    """Not even when it fills the chunk to the last event."""
    absent = tmp_path / "absent"
    events = events_at([3, 1, 2])
    assert len(ordered(events, chunk_events=3, folder=absent)) == 3
    with pytest.raises(FileNotFoundError):
        ordered(events, chunk_events=2, folder=absent)


def test_temporary_files_are_gone_afterwards(tmp_path: Path) -> None:
    """Read to the end or not."""
    events = events_at([3, 1, 2])
    assert len(ordered(events, chunk_events=1, folder=tmp_path)) == 3
    assert list(tmp_path.iterdir()) == []
    begun = in_order([EventBatch.of(events)], chunk_events=1, folder=tmp_path)
    next(iter(begun))
    assert list(tmp_path.iterdir()) != []
    begun.close()  # type: ignore[attr-defined] # a generator, as its caller must not care
    assert list(tmp_path.iterdir()) == []


def test_no_events_are_no_events() -> None:
    """An empty log is a log."""
    assert ordered([]) == []
