"""The engine's parts that need no broker: what they promise one by one."""

import logging
import ssl

import pytest
from aiokafka import errors as kafka
from aiokafka.partitioner import DefaultPartitioner
from test_membership import FLOW, HERE

from stream.engine.checkpoint import Holding, partition_for
from stream.engine.connection import Connection, Muffle
from stream.engine.exits import Exit, Fatal, judge
from stream.engine.position import (
    Position,
    is_position,
    pack_position,
    position_key,
    unpack_position,
)
from stream.engine.restore import Restore
from stream.engine.settings import EngineSettings
from stream.engine.watchdog import Watchdog


def test_a_position_comes_back_as_it_was_saved() -> None:
    """Offset and progress survive the topic, whatever bytes the progress is made of."""
    large = 2**62
    for position in (Position(0, b""), Position(large, b"\x00\xff progress", published=large)):
        assert unpack_position(pack_position(position)) == position


@pytest.mark.parametrize("row", [b"", b"\x01", b"\x02" + bytes(8)])
def test_an_unknown_position_is_refused(row: bytes) -> None:
    """Guessing at what a later release wrote would lose or repeat events."""
    with pytest.raises(Fatal, match="Operator action") as caught:
        unpack_position(row)
    assert caught.value.code == Exit.HUMAN


def test_position_keys_are_no_customers_and_no_other_source() -> None:
    """State topics may be shared by sources; each finds its own position."""
    assert is_position(position_key("usage"))
    assert position_key("usage") != position_key("usage2")
    assert not is_position(b"position")


def test_partitions_are_chosen_as_kafka_does() -> None:
    """A key keeps its partition, whichever client writes it."""
    theirs = DefaultPartitioner()
    for number in range(200):
        key = f"customer-{number}".encode()
        assert partition_for(key, 12) == theirs(key, list(range(12)), list(range(12)))


def test_secrets_stay_out_of_reprs() -> None:
    """Settings end up in logs."""
    connection = Connection(
        bootstrap="b:9092",
        security_protocol="SASL_SSL",
        username="us",
        password="hush",  # noqa: S106
    )
    assert "hush" not in repr(connection)
    options = connection.client()
    assert options["sasl_plain_password"] == "hush"  # noqa: S105
    assert isinstance(options["ssl_context"], ssl.SSLContext)


def test_plain_connections_carry_no_credentials() -> None:
    """What was not asked for is not sent."""
    plain = {"bootstrap_servers": "b:9092", "security_protocol": "PLAINTEXT"}
    assert Connection(bootstrap="b:9092").client() == plain


def test_repeated_lines_are_held_back() -> None:
    """A broker that is away makes aiokafka write a hundred lines a second."""
    muffle = Muffle(seconds=60)
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "no %s", ("broker",), None)
    other = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "else", (), None)
    assert [muffle.filter(r) for r in (record, record, other)] == [True, False, True]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (kafka.ProducerFenced(), Exit.TEMPORARY),
        (kafka.IllegalOperation("not in transaction"), Exit.TEMPORARY),
        (kafka.KafkaConnectionError(), Exit.TEMPORARY),
        (TimeoutError(), Exit.TEMPORARY),
        (kafka.MessageSizeTooLargeError(), Exit.HUMAN),
        (kafka.TopicAuthorizationFailedError(), Exit.HUMAN),
        (ZeroDivisionError(), Exit.HUMAN),
        (Fatal("so", Exit.TEMPORARY), Exit.TEMPORARY),
    ],
)
def test_only_what_may_pass_is_worth_a_restart(error: Exception, code: Exit) -> None:
    """A restart loop over what never changes hides the reason."""
    assert judge(error, "test").code == code


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (kafka.TopicAuthorizationFailedError({"b", "a"}), "a permission on topic a, b is missing"),
        (kafka.TopicAuthorizationFailedError("a"), "a permission on topic a is missing"),
        (kafka.GroupAuthorizationFailedError("g"), "a permission on group g is missing"),
        (kafka.TransactionalIdAuthorizationFailed("t"), "on transactional id t is missing"),
    ],
)
def test_a_missing_permission_is_named_as_far_as_it_is_known(error: Exception, words: str) -> None:
    """With where to look for the rest."""
    reason = judge(error, "reading").reason
    assert words in reason
    assert "slipaway topics acls" in reason


def dog() -> Watchdog:
    """Return a watchdog that allows 10 s without progress and 30 s without partitions."""
    return Watchdog(stalled_seconds=10, join_seconds_max=30)


def test_work_that_stands_still_ends_the_worker() -> None:
    """Membership alone keeps partitions from everyone else."""
    watchdog = dog()
    looks = [watchdog.look(t, {HERE: 5}, settled=True, restoring=False) for t in (0, 9, 10.5)]
    assert looks[:2] == [None, None]
    assert looks[2] is not None
    assert looks[2].code == Exit.TEMPORARY


def test_progress_and_idleness_are_no_stall() -> None:
    """Slow is not stuck, and nothing to do is not stuck either."""
    watchdog = dog()
    for second in range(0, 100, 5):
        assert watchdog.look(second, {HERE: second}, settled=True, restoring=False) is None
    for second in range(100, 200, 5):
        behind = {HERE: 0} if second % 10 else {}
        assert watchdog.look(second, behind, settled=True, restoring=False) is None


def test_a_worker_that_never_gets_partitions_back_ends() -> None:
    """Rejoining may fail for good after an outage; restoring takes its time."""
    watchdog = dog()
    for second in range(0, 100, 5):
        assert watchdog.look(second, {}, settled=False, restoring=True) is None
    assert watchdog.look(120, {}, settled=False, restoring=False) is None
    assert watchdog.look(126, {}, settled=False, restoring=False) is not None


@pytest.mark.parametrize(
    ("start", "end", "words"), [(11, 20, "below the log's start"), (0, 9, "beyond the log's end")]
)
def test_a_position_outside_the_log_is_refused(start: int, end: int, words: str) -> None:
    """Going on elsewhere would skip or repeat in silence."""
    holding, restore = restoring(10)
    with pytest.raises(Fatal, match=words):
        restore._begin(holding, start, end)


def test_a_position_inside_the_log_is_taken() -> None:
    """With the progress it was saved with; and without one, work begins at the log's start.

    That is then saved, although nothing came: the next time it is found, and nobody searches.
    """
    holding, restore = restoring(10)
    restore._begin(holding, 0, 10)
    assert holding.position == holding.saved == 10
    assert holding.fold.begun == [b"so far"]  # type: ignore[attr-defined]
    holding, restore = restoring(None)
    restore._begin(holding, 4, 10)
    assert holding.position == 4
    assert holding.unsaved
    assert holding.fold.begun == [None]  # type: ignore[attr-defined]


def restoring(offset: int | None) -> tuple[Holding, Restore]:
    """Return a partition and its restore, which has found the position `offset`."""
    holding = Holding(HERE, FLOW, generation=1)
    restore = Restore(
        [holding],
        app_id="app",
        connection=Connection(bootstrap="nowhere:9092"),
        settings=EngineSettings(),
        shared=frozenset(),
        still_ours=lambda: True,
        progress=lambda *_: None,
    )
    if offset is not None:
        restore._found[HERE] = Position(offset, b"so far", published=offset)
    return holding, restore
