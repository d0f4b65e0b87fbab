"""Membership: blocks, turns, saves and rebalances, with nothing of Kafka but its names."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from packed_batches import packed

from stream.engine.checkpoint import Holding
from stream.engine.connection import Connection
from stream.engine.engine import Engine
from stream.engine.exits import Exit, Fatal
from stream.engine.flow import Batch, Flow, Fold, Output, Silent
from stream.engine.membership import Membership
from stream.engine.settings import EngineSettings
from stream.engine.transport import Block

HERE = TP("usage", 3)


class Nothing(Fold):
    """A fold that notes what it was given."""

    pending = 0

    def __init__(self) -> None:
        """Begin with nothing."""
        self.offsets: list[int] = []
        self.slices: list[int] = []
        self.ticks: list[int] = []
        self.begun: list[bytes | None] = []

    def load(self, key: bytes, value: bytes | None) -> None:
        """Ignore it."""

    def begin(self, progress: bytes | None) -> None:
        """Note the progress."""
        self.begun.append(progress)

    def apply(self, records: Any) -> None:
        """Note the offsets, and how many came at once."""
        self.offsets += [record.offset for record in records]
        self.slices.append(len(records))

    def tick(self, now_ms: int, caught_up: bool) -> None:  # noqa: ARG002, FBT001
        """Note the time."""
        self.ticks.append(now_ms)

    def collect(self) -> Batch:
        """Return nothing."""
        return Batch([], [], b"")


FLOW = Flow("usage", "state", lambda _: Nothing())


def block(start: int, offsets: list[int], end: int, epoch: int = 1) -> Block:
    """Return a block of one batch of bare records."""
    return Block(HERE, epoch, start, end, [packed(start, offsets, end)])


@pytest.fixture
def membership() -> Membership:
    """Return a membership that holds one partition, at position 10 and epoch 1.

    It folds three records at once.
    """
    app: Any = SimpleNamespace(
        conf=SimpleNamespace(id="app"),
        consumer=SimpleNamespace(assignment=lambda: {HERE}),
        consumer_generation_id=1,
        rebalancing_count=1,
        should_stop=False,
    )
    membership = Membership(
        app,
        [FLOW],
        connection=Connection(bootstrap="nowhere:9092"),
        settings=EngineSettings(slice_records_max=3),
        observer=Silent(),
    )
    holding = Holding(HERE, FLOW, generation=1)
    holding.position, holding.epoch = 10, 1
    membership.epoch = 1
    membership.live[HERE] = holding
    return membership


async def test_blocks_chain_over_gaps(membership: Membership) -> None:
    """Offsets may skip what nobody may see; only where a block starts and ends counts."""
    await membership.apply(block(10, [12, 13], 20))
    await membership.apply(block(20, [25], 26))
    holding = membership.live[HERE]
    assert holding.position == 26
    assert holding.fold.offsets == [12, 13, 25]  # type: ignore[attr-defined]


async def test_a_block_may_have_many_batches_and_some_of_them_nothing(
    membership: Membership,
) -> None:
    """Compaction empties batches; what lies before the position was read already."""
    batches = [
        packed(10, [8, 9, 10, 11], 12),
        packed(12, [], 14),
        packed(14, [14, 15, 16, 17], 20),
        packed(20, [], 21),
    ]
    await membership.apply(Block(HERE, 1, 10, 25, batches))
    holding = membership.live[HERE]
    assert holding.position == 25
    assert holding.fold.offsets == [10, 11, 14, 15, 16, 17]  # type: ignore[attr-defined]
    assert fold_of(holding).slices == [3, 3], "as many at once as may be, from several batches"


async def test_a_lost_block_ends_the_worker(membership: Membership) -> None:
    """A block that does not start where the last one ended follows one that never came."""
    await membership.apply(block(10, [10], 11))
    with pytest.raises(Fatal, match="12 where 11 was expected") as caught:
        await membership.apply(block(12, [12], 13))
    assert caught.value.code == Exit.HUMAN


async def test_a_block_from_before_the_seek_is_dropped(membership: Membership) -> None:
    """Its records are read again after the seek; folding it would count them twice."""
    await membership.apply(block(10, [10], 11, epoch=0))
    assert membership.live[HERE].position == 10


async def test_a_block_waits_while_much_is_unsaved(membership: Membership) -> None:
    """Memory and the next transaction stay bounded, however fast the source is."""
    holding = membership.live[HERE]
    holding.fold.pending = membership.settings.unsaved_max  # type: ignore[misc]
    applying = asyncio.ensure_future(membership.apply(block(10, [10], 11)))
    await asyncio.sleep(0.01)
    assert holding.position == 10
    holding.fold.pending = 0  # type: ignore[misc]
    holding.room.set()  # as a save does
    await applying
    assert holding.position == 11


async def test_a_waiting_block_is_dropped_when_its_partition_goes(membership: Membership) -> None:
    """A revocation must not wait for it, and whoever comes next reads it again."""
    holding = membership.live[HERE]
    holding.fold.pending = membership.settings.unsaved_max  # type: ignore[misc]
    applying = asyncio.ensure_future(membership.apply(block(10, [10], 11)))
    await asyncio.sleep(0.01)
    membership._take_live()
    await applying
    assert holding.position == 10


class Writing:
    """A producer whose transactions stay open for as long as the test wants."""

    def __init__(self) -> None:
        """Commit whatever comes, until told to hold it."""
        self.go = asyncio.Event()
        self.go.set()
        self.begun = 0

    async def begin_transaction(self) -> None:
        """Count it."""
        self.begun += 1

    def create_batch(self) -> Any:
        """Return a batch that takes everything."""
        return SimpleNamespace(append=lambda **_: object(), record_count=lambda: 1)

    async def send_batch(self, *_: object, **__: object) -> Any:
        """Acknowledge it at once."""
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent

    async def commit_transaction(self) -> None:
        """Wait until it may."""
        await self.go.wait()

    async def stop(self) -> None:
        """Do nothing."""


async def several_turns() -> None:
    """Let everyone go on who can."""
    for _ in range(20):
        await asyncio.sleep(0)


def fold_of(holding: Holding) -> Nothing:
    """Return the fold of these tests."""
    assert isinstance(holding.fold, Nothing)
    return holding.fold


async def saving(membership: Membership) -> tuple[Holding, Writing, "asyncio.Task[None]"]:
    """Begin a checkpoint at position 12, and leave its transaction open."""
    holding = membership.live[HERE]
    holding.producer = producer = Writing()
    await membership.apply(block(10, [10, 11], 12))
    producer.go.clear()
    task = asyncio.ensure_future(membership.checkpoint())
    await several_turns()
    assert producer.begun == 1
    return holding, producer, task


EIGHT = list(range(12, 20))  # three slices: 3, 3, 2


async def test_a_large_block_is_folded_in_slices(membership: Membership) -> None:
    """Between two of them everyone else has a turn, and finds the position as far as they go."""
    holding = membership.live[HERE]
    seen = set()
    applying = asyncio.ensure_future(membership.apply(block(10, [11, 13, 15, 17, 19, 21, 23], 30)))
    while not applying.done():
        seen.add((holding.position, len(fold_of(holding).offsets)))
        await asyncio.sleep(0)
    await applying
    assert fold_of(holding).slices == [3, 3, 1]
    assert seen == {(10, 0), (16, 3), (22, 6), (30, 7)}


async def test_turns_that_take_long_become_smaller(membership: Membership) -> None:
    """What opens a transaction must get its turns, whatever a record makes fall due."""
    holding = membership.live[HERE]
    fold, apply = fold_of(holding), fold_of(holding).apply

    def slowly(records: Any) -> None:
        time.sleep(0.03 * len(records))
        apply(records)

    fold.apply = slowly  # type: ignore[method-assign]
    await membership.apply(block(10, list(range(10, 16)), 16))
    assert fold.slices[0] == 3
    assert max(fold.slices[1:]) <= 2
    fold.apply = apply  # type: ignore[method-assign]
    await membership.apply(block(16, list(range(16, 28)), 28))
    assert 3 in fold.slices[-4:]


async def test_folding_goes_on_while_a_transaction_is_open(membership: Membership) -> None:
    """With many partitions one always is; what comes meanwhile is the next transaction's."""
    holding, producer, checkpoint = await saving(membership)
    await membership.apply(block(12, EIGHT, 20))
    assert holding.position == 20
    producer.go.set()
    await checkpoint
    assert holding.saved == 12
    await membership.checkpoint()
    assert holding.saved == 20


async def test_the_first_record_of_all_is_folded_alone_while_a_transaction_is_open(
    membership: Membership,
) -> None:
    """How long records take is not known yet: a slice of slow ones would outlast the deadline."""
    holding, producer, checkpoint = await saving(membership)
    fold_of(holding).slices.clear()
    membership._record_seconds = 0.0
    await membership.apply(block(12, EIGHT, 20))
    assert fold_of(holding).slices[:2] == [1, 3]
    producer.go.set()
    await checkpoint


async def test_what_may_take_long_waits_for_open_transactions(membership: Membership) -> None:
    """Records that have just taken long, and ticks: a transaction has only so much time."""
    holding, producer, checkpoint = await saving(membership)
    membership._record_seconds = 1.0
    applying = asyncio.ensure_future(membership.apply(block(12, EIGHT, 20)))
    ticking = asyncio.ensure_future(membership.tick(HERE, lambda _: (7, True)))
    await several_turns()
    assert holding.position == 12
    assert fold_of(holding).ticks == []
    producer.go.set()
    await asyncio.gather(checkpoint, applying, ticking)
    assert holding.position == 20
    assert fold_of(holding).ticks == [7]


async def halfway(membership: Membership) -> tuple[Holding, Writing, list["asyncio.Task[None]"]]:
    """Begin a block, and stop after its first slice; transactions stay open."""
    holding = membership.live[HERE]
    holding.producer = producer = Writing()
    producer.go.clear()
    applying = asyncio.ensure_future(membership.apply(block(10, list(range(10, 18)), 20)))
    await asyncio.sleep(0)
    assert holding.position == 13
    return holding, producer, [applying]


async def test_outputs_do_not_wait_for_rows_that_are_being_saved(membership: Membership) -> None:
    """Those of all other partitions would come later for it."""
    holding, producer, checkpoint = await saving(membership)
    assert holding.saving
    await membership.apply(block(12, EIGHT, 20))
    await asyncio.wait_for(membership.publish(), 1)
    assert holding.saving
    producer.go.set()
    await checkpoint
    await membership.publish()
    assert holding.saved == 20


async def test_outputs_go_ahead_of_rows_until_no_more_records_come(
    membership: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing to publish there is no transaction; at rest the rows are saved as well."""
    holding = membership.live[HERE]
    holding.producer = producer = Writing()
    outputs: list[Output] = []
    monkeypatch.setattr(Nothing, "publish", lambda _: outputs)
    await membership.apply(block(10, [10, 11], 12))
    await membership.publish()
    assert holding.saved == 12  # the first time: nothing was ever saved

    await membership.apply(block(12, EIGHT, 20))
    await membership.publish()
    assert (producer.begun, holding.saved, holding.published) == (1, 12, 12)
    outputs.append(Output("alerts", 0, None, b""))
    await membership.publish()
    assert (producer.begun, holding.saved, holding.published) == (2, 12, 20)

    holding.moved_at -= 1.0
    await membership.publish()
    assert (producer.begun, holding.saved) == (3, 20)
    assert not holding.unsaved


async def test_the_longest_unsaved_partition_is_saved_next(membership: Membership) -> None:
    """One after the other: their rows would all be in the way of the alerts at once."""
    other = Holding(TP("usage", 4), FLOW, generation=1)
    other.position = 5
    membership.live[other.tp] = other
    for holding in membership.live.values():
        holding.producer = Writing()
        holding.producer.go.set()
    other.saved_at = 1.0
    await membership.checkpoint_next()
    assert (membership.live[HERE].saved, other.saved) == (10, -1)
    await membership.checkpoint_next()
    assert other.saved == 5


async def test_a_checkpoint_speaks_of_one_moment(membership: Membership) -> None:
    """Its position is the one at which the fold was asked, whatever is folded while it is sent."""
    holding, producer, tasks = await halfway(membership)
    asked: list[int] = []

    def collect() -> Batch:
        asked.append(holding.position)
        return Batch([], [], b"")

    holding.fold.collect = collect  # type: ignore[method-assign]
    tasks.append(asyncio.ensure_future(membership.checkpoint()))
    await several_turns()
    await membership.apply(block(20, [20, 21], 30))
    producer.go.set()
    await asyncio.gather(*tasks)
    assert asked == [holding.saved]
    assert holding.saved < holding.position == 30


async def test_a_revocation_drops_the_rest_of_a_block(membership: Membership) -> None:
    """It does not wait for what waits; and what was folded is saved, and not read again.

    The partition comes back, is sought where it stood, and goes on from there.
    """
    observer: Any = membership.observer
    dropped: list[int] = []
    observer.dropped = lambda _tp, records: dropped.append(records)
    holding, producer, tasks = await halfway(membership)
    tasks.append(asyncio.ensure_future(membership.on_revoked()))
    await several_turns()
    assert not tasks[-1].done()
    producer.go.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert holding.position == holding.saved == 16
    assert dropped == [2]
    assert membership.parked == {HERE: holding}

    membership.live, membership.epoch, holding.epoch = {HERE: holding}, 2, 2
    await membership.apply(block(16, [16, 17], 20, epoch=2))
    assert fold_of(holding).offsets == list(range(10, 18))


async def test_a_stop_in_the_middle_of_a_block_saves_what_was_folded(
    membership: Membership,
) -> None:
    """It must not wait for a block that waits for room which only a save can make."""
    holding, producer, tasks = await halfway(membership)
    holding.fold.pending = membership.settings.unsaved_max  # type: ignore[misc]
    await several_turns()
    tasks.append(asyncio.ensure_future(membership.on_shutdown()))
    producer.go.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert holding.position == holding.saved == 13


async def test_a_seek_drops_the_rest_of_a_block(membership: Membership) -> None:
    """It is read again from the position, under the new epoch; folding it would count it twice."""
    holding, _, tasks = await halfway(membership)
    membership.epoch = holding.epoch = 2
    await asyncio.gather(*tasks)
    assert holding.position == 13
    await membership.apply(block(13, [14, 15], 20, epoch=2))
    assert fold_of(holding).offsets == [10, 11, 12, 14, 15]


async def test_a_block_that_went_on_elsewhere_ends_the_worker(membership: Membership) -> None:
    """The rest of a block is checked as the block is: each slice starts where the last ended."""
    holding = membership.live[HERE]
    applying = asyncio.ensure_future(membership.apply(block(10, list(range(10, 18)), 18)))
    await asyncio.sleep(0)
    holding.position = 11
    with pytest.raises(Fatal, match="13 where 11 was expected"):
        await applying


async def test_much_unsaved_asks_for_a_save(membership: Membership) -> None:
    """A block that waits for room must not wait for the next checkpoint to be due."""
    holding = membership.live[HERE]
    holding.fold.pending = membership.settings.unsaved_max  # type: ignore[misc]
    applying = asyncio.ensure_future(membership.apply(block(10, [10], 11)))
    await asyncio.wait_for(membership.full.wait(), 1)
    holding.producer = Writing()
    holding.fold.collect = emptied(holding)  # type: ignore[method-assign]
    await membership.checkpoint()
    await asyncio.wait_for(applying, 1)
    assert holding.position == 11


@pytest.mark.parametrize("leave", [Membership.on_shutdown, Membership.on_revoked])
async def test_whoever_lets_go_waits_for_the_checkpoint_that_is_under_way(
    membership: Membership, leave: Callable[[Membership], Coroutine[Any, Any, None]]
) -> None:
    """It took what was pending and moved no position, so nothing looks unsaved while it writes.

    Its producer was stopped under it, and the worker ended with 70 where it should with 0.
    """
    holding = membership.live[HERE]
    holding.producer = producer = Writing()
    holding.saved = holding.position
    holding.fold.pending = 1  # type: ignore[misc]
    holding.fold.collect = emptied(holding)  # type: ignore[method-assign]
    producer.go.clear()
    checkpoint = asyncio.ensure_future(membership.checkpoint())
    await several_turns()
    assert not holding.unsaved
    leaving = asyncio.ensure_future(leave(membership))
    await several_turns()
    too_early = leaving.done()
    producer.go.set()
    await asyncio.wait_for(asyncio.gather(checkpoint, leaving), 1)
    assert not too_early


async def test_a_revocation_waits_for_the_fence_that_is_coming_up(
    membership: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would shut out the next owner, who had its partitions already and ended for it."""
    go, opened = asyncio.Event(), list[TP]()

    async def opening(holding: Holding, *_: object) -> None:
        opened.append(holding.tp)
        await go.wait()

    monkeypatch.setattr(Holding, "open", opening)
    membership.live = {}
    assigned = asyncio.ensure_future(membership.on_assigned())
    await several_turns()
    revoked = asyncio.ensure_future(membership.on_revoked())
    await several_turns()
    assert opened == [HERE]
    assert not revoked.done()
    go.set()
    await asyncio.wait_for(asyncio.gather(assigned, revoked), 1)
    assert not membership.live  # nothing was read: the partition went elsewhere meanwhile


async def test_no_fence_comes_up_for_what_was_revoked_before(
    membership: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Preparing takes seconds, and the group does not wait for it."""
    go = threading.Event()
    opened: list[TP] = []

    async def opening(holding: Holding, *_: object) -> None:
        opened.append(holding.tp)

    monkeypatch.setattr(Holding, "open", opening)
    membership.live = {}
    membership.flows = {HERE.topic: FLOW._replace(prepare=go.wait)}
    assigned = asyncio.ensure_future(membership.on_assigned())
    await several_turns()
    await asyncio.wait_for(membership.on_revoked(), 1)
    go.set()
    await asyncio.wait_for(assigned, 1)
    assert opened == []


def emptied(holding: Holding) -> Callable[[], Batch]:
    """Return a `collect` after which nothing is pending."""

    def collect() -> Batch:
        holding.fold.pending = 0  # type: ignore[misc]
        return Batch([], [], b"")

    return collect


@pytest.mark.parametrize(
    ("error", "code"), [(TimeoutError(), Exit.TEMPORARY), (ValueError(), Exit.HUMAN)]
)
async def test_what_cannot_be_prepared_ends_the_worker(
    error: Exception, code: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is awaited before the topics are, which it may have to make; and judged as all else is."""
    left: list[Fatal] = []

    def leave(fatal: Fatal) -> None:
        left.append(fatal)
        raise asyncio.CancelledError

    async def prepare() -> None:
        raise error

    monkeypatch.setattr("stream.engine.engine.leave", leave)
    engine = Engine("app", [FLOW], Connection(bootstrap="nowhere:9092"), prepare=prepare)
    with pytest.raises(asyncio.CancelledError):
        await engine._before()
    assert [fatal.code for fatal in left] == [code]
    assert left[0].reason.startswith("preparing: ")
