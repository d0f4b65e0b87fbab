"""Training days: turned when everybody who is alive has closed them, and once."""

import msgspec

from stream.detector.events import DAY_MS
from stream.worker.training_days import Closed, TrainingDays


def test_a_day_waits_for_every_partition() -> None:
    """The snapshot of a day holds what all partitions saw of it."""
    days = TrainingDays(2)
    days.close(0, 10 * DAY_MS)
    assert days.due() == []
    days.close(1, 10 * DAY_MS)
    assert days.due() == [10 * DAY_MS]
    assert days.due() == []


def test_a_silent_partition_is_left_behind_after_two_days() -> None:
    """A partition without customers closes no days, and must not stop the others' learning."""
    days = TrainingDays(2)
    turned = []
    for day in range(10, 16):
        days.close(0, day * DAY_MS)
        turned += days.due()
    assert turned == [day * DAY_MS for day in range(10, 16)]
    days.close(1, 12 * DAY_MS)
    assert days.due() == []


def test_the_furthest_waits_for_those_close_behind() -> None:
    """Within two days, a partition that is behind counts as alive."""
    days = TrainingDays(2)
    days.close(0, 10 * DAY_MS)
    days.close(1, 10 * DAY_MS)
    assert days.due() == [10 * DAY_MS]
    days.close(0, 11 * DAY_MS)
    days.close(0, 12 * DAY_MS)
    assert days.due() == []
    days.close(1, 11 * DAY_MS)
    assert days.due() == [11 * DAY_MS]


def test_several_days_come_due_in_order() -> None:
    """A partition that catches up releases what waited for it."""
    days = TrainingDays(2)
    days.close(1, 9 * DAY_MS)
    for day in (9, 10, 11):
        days.close(0, day * DAY_MS)
    assert days.due() == [9 * DAY_MS]
    days.close(1, 11 * DAY_MS)
    assert days.due() == [10 * DAY_MS, 11 * DAY_MS]


def test_it_goes_on_where_it_was_saved() -> None:
    """A restart neither turns a day twice nor forgets one that waits."""
    days = TrainingDays(2)
    days.close(0, 10 * DAY_MS)
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(days.closed), type=Closed)
    again = TrainingDays(2, saved)
    again.close(1, 10 * DAY_MS)
    assert again.due() == [10 * DAY_MS]
