"""Lanes: order, bounds, and what may be committed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import Record, alert

from stream.delivery.lanes import Lanes, Waiting
from stream.delivery.progress import BYTES_MAX, Progress, decode, encode, joined


def waiting(customer: str, offset: int, partition: int = 0) -> Waiting:
    """Return an alert of a customer, as read there."""
    return Waiting(alert=alert(customer_id=customer), record=Record(b"", offset, partition))


STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "take", "settle", "again"]), st.integers(0, 5)), max_size=60
)


@given(STEPS)
def test_every_customers_alerts_go_in_order_one_at_a_time(steps: list[tuple[str, int]]) -> None:
    """Whatever is read, taken, settled and tried again, in whatever order."""
    lanes = Lanes(10)
    gone: list[Waiting] = []
    settled: list[Waiting] = []
    read: list[Waiting] = []
    for step, number in steps:
        if step == "read" and lanes.room:
            read.append(waiting(f"c{number}", len(read)))
            lanes.add(read[-1])
        elif step == "take":
            gone += lanes.take(0, number)
        elif gone:
            one = gone.pop(number % len(gone))
            if step == "settle":
                lanes.settle(one)
                settled.append(one)
            else:
                lanes.again(one, 0)
        under_way = [one.alert.customer_id for one in gone]
        assert len(under_way) == len(set(under_way))
        assert lanes.room == 10 - (len(read) - len(settled))
        open_offsets = [one.record.offset for one in read if one not in settled]
        if read:
            assert lanes.progress() == {0: Progress(len(read), tuple(open_offsets))}
    for customer in range(6):
        own = [one.record.offset for one in settled if one.alert.customer_id == f"c{customer}"]
        assert own == sorted(own)


def test_the_eldest_that_are_due_go_first() -> None:
    """And one that waits for another try does not."""
    lanes = Lanes(10)
    for offset, customer in enumerate("abcd"):
        lanes.add(waiting(customer, offset))
    (first, second) = lanes.take(0, 2)
    assert [first.alert.customer_id, second.alert.customer_id] == ["a", "b"]
    lanes.again(first, 50)
    assert lanes.next_due_at() == 0
    assert [one.alert.customer_id for one in lanes.take(49, 9)] == ["c", "d"]
    assert lanes.next_due_at() == 50
    assert lanes.take(49, 9) == []
    lanes.hurry(7)
    assert lanes.take(7, 9) == [first]
    assert lanes.next_due_at() is None


def test_a_partition_that_moves_is_forgotten() -> None:
    """What is under way there ends without a trace; the others stay."""
    lanes = Lanes(10)
    lanes.begin(2, Progress(40))
    for partition in (0, 1):
        lanes.add(waiting("a", 5, partition))
    taken = lanes.take(0, 9)
    lanes.drop([0, 2])
    assert lanes.progress() == {1: Progress(6, (5,))}
    for one in taken:
        lanes.settle(one)
    assert lanes.progress() == {1: Progress(6)}
    assert lanes.empty
    lanes.add(waiting("a", 6, 1))
    assert not lanes.empty


OFFSETS = st.lists(st.integers(0, 2**40), min_size=1, max_size=40, unique=True).map(sorted)


@given(OFFSETS)
def test_progress_is_read_as_it_was_written(offsets: list[int]) -> None:
    """Beside the offset committed."""
    *unsettled, read = offsets
    progress = Progress(read, tuple(unsettled))
    assert decode(progress.position, encode(progress)) == progress


@given(st.integers(1, 3_000), st.integers(1, 2**30))
def test_progress_that_does_not_fit_forgets_the_latest(count: int, step: int) -> None:
    """What is forgotten is delivered again: never the other way round."""
    progress = Progress((count + 1) * step, tuple(range(0, count * step, step)))
    text = encode(progress)
    assert len(text) <= BYTES_MAX
    read = decode(progress.position, text)
    assert read.position == progress.position
    known = [at for at in progress.unsettled if at < read.read]
    assert list(read.unsettled) == known


@pytest.mark.parametrize("text", ["", "1", "2 5", "1 x", "something else"])
def test_strange_metadata_says_nothing(text: str) -> None:
    """Somebody else's, or a later version's."""
    assert decode(40, text) == Progress(40)


def test_a_restart_in_a_restart_knows_what_the_first_one_knew() -> None:
    """It had read to 9; the restart has come to 5 again."""
    known = Progress(9, (3, 6))
    assert joined(known, 5, (3,)) == Progress(9, (3, 6))
    assert joined(known, 7, (3, 6)) == Progress(9, (3, 6))
    assert joined(known, 10, (3, 6, 9)) == Progress(10, (3, 6, 9))
    assert [offset for offset in range(11) if known.settled(offset)] == [0, 1, 2, 4, 5, 7, 8]


def test_who_was_erased_is_sent_nothing_that_still_waits() -> None:
    """What is under way cannot be held back, and is not tried again."""
    lanes = Lanes(10)
    for offset, customer in enumerate("aaba"):
        lanes.add(waiting(customer, offset))
    (first, _) = lanes.take(0, 2)
    assert lanes.erase(0, "a") == 2
    assert first.erased
    assert lanes.room == 8
    assert lanes.progress() == {0: Progress(4, (0, 2))}
    lanes.settle(first)
    assert lanes.take(0, 9) == []
    assert lanes.erase(0, "a") == 0
    assert lanes.erase(1, "b") == 0
    assert lanes.erase(0, "b") == 0  # under way
    assert lanes.room == 9
