"""Positions remember how many partitions there were, and what is made of another number."""

import pytest

from stream.engine.exits import Exit, Fatal
from stream.engine.placement import check_counts, check_home
from stream.engine.position import Passed, Position, pack_position, unpack_position

ROW_OF_VERSION_1 = b"\x01\x00\x00\x00\x00\x00\x00\x00\x07so far"
ROW_OF_VERSION_2 = b"\x02\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x0cso far"


def test_a_position_says_how_many_partitions_there_were() -> None:
    """It is the only witness: neither topic tells that it grew."""
    position = Position(7, b"so far", 12, published=7)
    assert unpack_position(pack_position(position)) == position


def test_a_position_says_how_far_outputs_are_ahead_of_its_rows() -> None:
    """And when time passed on the way; whatever bytes the progress is made of."""
    passed = (Passed(7, 1_700_000_000_000), Passed(9, 1_700_000_000_100))
    position = Position(7, b"\x00\xff so far", 12, published=11, passed=passed)
    row = pack_position(position)
    assert unpack_position(row) == position
    for torn in range(len(row) - len(position.progress)):
        with pytest.raises(Fatal, match="Operator action"):
            unpack_position(row[:torn])


def test_rows_of_the_releases_before_are_taken() -> None:
    """One did not say how many partitions there were: nobody has to start over for that."""
    found = unpack_position(ROW_OF_VERSION_1)
    assert found == Position(7, b"so far", 0, published=7)
    check_home("usage", 8, found, keyed=True)
    assert unpack_position(ROW_OF_VERSION_2) == Position(7, b"so far", 12, published=7)


@pytest.mark.parametrize("row", [b"", b"\x02" + bytes(11), b"\x01" + bytes(7), b"\x04" + bytes(40)])
def test_a_row_that_cannot_be_read_is_refused(row: bytes) -> None:
    """A later release's, or a torn one."""
    with pytest.raises(Fatal, match="Operator action") as caught:
        unpack_position(row)
    assert caught.value.code == Exit.HUMAN


def test_keys_are_at_home_only_among_as_many_partitions() -> None:
    """Unless nothing is known of any: then nobody is parted from anything."""
    saved = Position(7, b"", 8)
    check_home("usage", 8, saved, keyed=True)
    check_home("usage", 12, saved, keyed=False)
    with pytest.raises(Fatal, match=r"has 12 partitions, and keys .* among 8"):
        check_home("usage", 12, saved, keyed=True)


@pytest.mark.parametrize(
    ("found", "shared", "fits"),
    [(8, False, True), (9, True, True), (9, False, False), (7, True, False), (7, False, False)],
)
def test_a_state_topic_has_as_many_partitions_as_its_source(
    found: int,
    shared: bool,  # noqa: FBT001 - a column of the table above
    fits: bool,  # noqa: FBT001 - the same
) -> None:
    """More only where several sources share it."""
    if fits:
        check_counts("usage", 8, "state", found, shared=shared)
    else:
        with pytest.raises(Fatal, match=f"has 8 partitions and its state topic state has {found}"):
            check_counts("usage", 8, "state", found, shared=shared)
