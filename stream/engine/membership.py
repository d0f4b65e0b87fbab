"""Membership: which partitions are ours, from assignment to revocation.

| event | from | to |
| --- | --- | --- |
| assigned | parked, and the generation is the next one | live, as it was |
| assigned | nothing, or parked for longer | live, restored |
| assigned, and another rebalance began | anything | closed |
| sought | live | live, under a new epoch: its blocks count |
| revoked | live | parked: saved, not worked on |
| stopped | live or parked | closed, saved |

Faust rebalances eagerly: every change of the group revokes everything from
everyone.  Parking keeps what comes right back, with its producer.  If anyone
held it in between, they started a producer of the same transactional id, and
our next commit is refused; the generation only spares us that end.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import structlog
from faust.types import TP
from faust.types.app import AppT

from stream.engine import failpoints
from stream.engine.checkpoint import Holding
from stream.engine.connection import Connection
from stream.engine.exits import Fatal, judge, leave
from stream.engine.flow import Flow, Observer, Record
from stream.engine.restore import Restore
from stream.engine.settings import EngineSettings
from stream.engine.transport import Block, BlockConsumer

log = structlog.get_logger("slipaway.engine")

_TURNS_OF_A_SAVE = 10


def _numbers(tps: Iterable[TP]) -> list[str]:
    """Return partitions as a log line shows them."""
    return [f"{tp.topic}/{tp.partition}" for tp in sorted(tps)]


class Membership:
    """The partitions of this worker, and what becomes of them in a rebalance.

    Faust calls it from one event loop.  Of its handlers of a rebalance, that of
    an assignment may still be restoring when the next revocation comes.  `apply`
    and `save` run beside them and beside each other, and take turns.  A save has
    dozens of turns, so while one is under way those of `apply` are very short,
    or none where a single record takes long: working off a sparse backlog, it
    can let days fall due, and a transaction that was open meanwhile used up its
    time without having had any; the worker ended, started again, and ended at
    the same place.
    """

    def __init__(
        self,
        app: AppT,
        flows: Iterable[Flow],
        *,
        connection: Connection,
        settings: EngineSettings,
        observer: Observer,
    ) -> None:
        """Hold nothing yet; Faust's `app` says who is a member."""
        self.app = app
        self.flows = {flow.source: flow for flow in flows}
        used = Counter(flow.state for flow in self.flows.values())
        self.shared = frozenset(state for state, flows_of in used.items() if flows_of > 1)
        self.connection = connection
        self.settings = settings
        self.observer = observer
        self.live: dict[TP, Holding] = {}  # blocks and ticks are applied
        self.parked: dict[TP, Holding] = {}  # saved at the revocation, maybe ours again
        self.epoch = 0
        self.restoring = False
        self.settled = False  # an assignment is in force, even an empty one
        self.full = asyncio.Event()  # a partition has much unsaved: save now
        self.folding_cpu_seconds = 0.0  # this thread's time in folds, all told
        self._record_seconds = 0.0  # what a record took in the last turn
        self._saving = 0  # calls of `save` that are under way
        self._quiet = asyncio.Event()  # set while there is none
        self._quiet.set()
        self._revoked_generation = -1
        self._fencing = asyncio.Lock()
        self._background: set[asyncio.Task[Any]] = set()  # the loop itself keeps no task alive

    # -- assigned

    async def on_assigned(self) -> None:
        """Make every assigned partition live; Faust then seeks and lets blocks flow."""
        generation = self.app.consumer_generation_id
        still_ours = self._claim(generation)
        began = time.monotonic()
        assigned = {tp for tp in self.app.consumer.assignment() if tp.topic in self.flows}
        parked, self.parked = self.parked, {}
        kept = {
            tp: holding
            for tp, holding in parked.items()
            if tp in assigned and holding.generation == generation - 1
        }
        self._close_later(holding for tp, holding in parked.items() if tp not in kept)
        flows = {tp: self.flows[tp.topic] for tp in assigned - set(kept)}
        self.restoring = True
        try:
            for prepare in {flow.prepare for flow in flows.values() if flow.prepare}:
                await asyncio.to_thread(prepare)
            fresh = {tp: Holding(tp, flow, generation) for tp, flow in flows.items()}
            ready = still_ours() and (not fresh or await self._restore(fresh, still_ours))
        finally:
            self.restoring = False
        # From this question to the answer's use there is no await.
        if not (ready and still_ours()):
            self._close_later([*fresh.values(), *kept.values()])
            log.info("assignment superseded", generation=generation, partitions=len(assigned))
            return
        for holding in kept.values():
            holding.generation = generation
        self.live = kept | fresh
        self.settled = True
        seconds = time.monotonic() - began
        self.observer.assigned(sorted(kept), sorted(fresh), seconds)
        log.info(
            "assigned",
            generation=generation,
            kept=_numbers(kept),
            restored=_numbers(fresh),
            seconds=round(seconds, 3),
        )

    def _claim(self, generation: int) -> Callable[[], bool]:
        """Return the question whether the assignment of `generation` still stands.

        The generation alone changes only when the next one is assigned; a
        rebalance is counted as soon as it begins, in the consumer's thread.
        """
        app, count = self.app, self.app.rebalancing_count

        def still_ours() -> bool:
            return (
                app.rebalancing_count == count
                and app.consumer_generation_id == generation
                and self._revoked_generation != generation
                and not app.should_stop
            )

        return still_ours

    async def _restore(self, fresh: dict[TP, Holding], still_ours: Callable[[], bool]) -> bool:
        """Restore what is new here; False if the partitions went elsewhere.

        A fence is up before a revocation ends: one that came late would shut
        out the next owner, who would end for it.
        """
        restore = Restore(
            list(fresh.values()),
            app_id=self.app.conf.id,
            connection=self.connection,
            settings=self.settings,
            shared=self.shared,
            still_ours=still_ours,
            progress=self.observer.restoring,
        )
        async with self._fencing:
            if still_ours():
                await restore.fence()
        return still_ours() and await restore.read()

    # -- sought

    async def seek(self) -> None:
        """Move every live partition to its position, under a new epoch."""
        consumer = self.consumer
        # A resumption for an older generation may have let blocks flow over a newer revocation,
        # and Faust's own resumption, which follows, clears the queues: nothing may flow before.
        consumer.stop_flow()
        self.app.flow_control.suspend()
        self.epoch += 1
        live = dict(self.live)
        for holding in live.values():
            holding.epoch = self.epoch
        positions = {tp: holding.position for tp, holding in live.items()}
        await consumer.blocks.seek_all(positions, self.epoch)

    @property
    def consumer(self) -> BlockConsumer:
        """Faust's consumer, as it really is."""
        consumer = self.app.consumer
        assert isinstance(consumer, BlockConsumer)
        return consumer

    # -- a block

    async def apply(self, block: Block) -> None:
        """Fold a block, slice by slice; a gap ends the process.

        What is from before the last seek is dropped, be it the block or the
        rest of it: the position went along with every slice, so it is read
        again from where the folding stopped.
        """
        batches, records = deque(block.batches), list[Record]()
        start = behind = block.start  # of the next turn; of what was unpacked
        while batches or records:
            holding = await self._turn(block)
            if holding is None:
                left = len(records) + sum(packed.count for packed in batches)
                self.observer.dropped(block.tp, left)
                return
            # Batches are as small as their sender was slow: a turn takes several.
            room = self._records_at_once()
            while batches and len(records) < room:
                packed = batches.popleft()
                records += packed.unpack()
                behind = packed.end if batches else block.end
            turn, records = records[:room], records[room:]
            end = turn[-1].offset + 1 if records else behind
            self._fold(holding, turn, start, end)
            start = end
            if holding.fold.pending >= self.settings.unsaved_max:
                self.full.set()
            # Saves, ticks and handlers of a rebalance have their turn: a save several in a row,
            # since an answer of the broker is three callbacks away from the next request.
            for _ in range(_TURNS_OF_A_SAVE if self._saving else 1):
                await asyncio.sleep(0)

    def _fold(self, holding: Holding, records: Sequence[Record], start: int, end: int) -> None:
        """Fold what lies between two offsets, in one go; there may be nothing."""
        if start != holding.position:
            raise Fatal(
                f"{holding.tp.topic}/{holding.tp.partition}: a block starts at {start} where "
                f"{holding.position} was expected. Nothing wrong was saved, and starting again "
                "reads from the saved position. Operator action: report this bug."
            )
        if records:
            # Asked of live blocks only: one drained between an assignment and its seek comes from
            # the group's own offsets, which are behind, and may start anywhere.
            assert start <= records[0].offset
            assert records[-1].offset < end
            began, cpu_began = time.perf_counter(), time.thread_time()
            holding.apply(records, end)
            seconds = time.perf_counter() - began
            self.folding_cpu_seconds += time.thread_time() - cpu_began
            self._record_seconds = seconds / len(records)
            self.observer.applied(holding.tp, len(records), seconds, records[0].timestamp)
        else:
            holding.apply([], end)
        failpoints.reach("after_fold")

    async def _turn(self, block: Block) -> Holding | None:
        """Return a block's partition once it may be folded into; None if the block is stale.

        It may not while the partition has much unsaved: memory stays bounded,
        and so does the next transaction.  Nor while a save is under way, if a
        record takes longer than the save can wait.  No save waits for this, so
        a revocation cannot hang on it.
        """
        settings = self.settings
        while (holding := self._holding_of(block)) is not None:
            if holding.fold.pending >= settings.unsaved_max and holding.unsaved:
                self.full.set()
                holding.room.clear()
                await holding.room.wait()
            elif self._saving and self._record_seconds > settings.turn_seconds_saving:
                await self._quiet.wait()
            else:
                break
        return holding

    def _records_at_once(self) -> int:
        """Return how many records a turn may take, judged by the last one.

        The very first may take long, for all anybody knows: a save that is under
        way waits for one record of it, and no more.
        """
        settings = self.settings
        if self._saving and not self._record_seconds:
            return 1
        seconds = settings.turn_seconds_saving if self._saving else settings.turn_seconds
        if self._record_seconds * settings.slice_records_max <= seconds:
            return settings.slice_records_max
        return max(1, int(seconds / self._record_seconds))

    async def tick(self, tp: TP, now: Callable[[Holding], tuple[int, bool]]) -> None:
        """Tick a partition, if it is live and sought, once no save is under way.

        `now` gives the wall clock, and whether the partition is caught up.
        """
        while self._saving:
            await self._quiet.wait()
        holding = self.live.get(tp)
        if holding is not None and holding.epoch == self.epoch:
            began = time.thread_time()
            holding.tick(*now(holding))
            self.folding_cpu_seconds += time.thread_time() - began
            await asyncio.sleep(0)

    def _holding_of(self, block: Block) -> Holding | None:
        """Return the live partition a block is for; None if the block is stale."""
        holding = self.live.get(block.tp)
        return holding if holding is not None and holding.epoch == block.epoch else None

    # -- revoked and stopped

    async def on_revoked(self) -> None:
        """Save and park everything; the group waits for this, within its rebalance time-out."""
        self._revoked_generation = self.app.consumer_generation_id
        self.settled = False
        began = time.monotonic()
        live = self._take_live()
        await self.save(live.values())
        await self._quiet.wait()  # a checkpoint that was under way is still writing
        async with self._fencing:  # no fence comes up from here on: `still_ours` says no
            self.parked.update(live)
        seconds = time.monotonic() - began
        self.observer.revoked(sorted(live), seconds)
        log.info(
            "revoked",
            generation=self._revoked_generation,
            partitions=_numbers(live),
            seconds=round(seconds, 3),
        )

    async def on_shutdown(self) -> None:
        """Save everything and let go of it; the fetcher has stopped already."""
        began = time.monotonic()
        live = self._take_live()
        await self.save(live.values())
        await self._quiet.wait()  # a checkpoint that was under way needs its producers open
        everyone = [*live.values(), *self.parked.values()]
        self.parked = {}
        await asyncio.gather(*[self._close(holding) for holding in everyone])
        log.info("stopped", partitions=_numbers(live), seconds=round(time.monotonic() - began, 3))

    def _take_live(self) -> dict[TP, Holding]:
        """Return the live partitions, and have none: every block from here on is stale."""
        live, self.live = self.live, {}
        for holding in live.values():
            holding.epoch = -1
            holding.room.set()
        return live

    async def checkpoint(self) -> None:
        """Save every live partition, then let what waited for it fold a slice."""
        self.full.clear()
        await self.save(self.live.values())
        await asyncio.sleep(0)  # who waited is awake by now, and comes first

    async def checkpoint_next(self) -> None:
        """Save the live partition that was saved the longest ago."""
        unsaved = [holding for holding in self.live.values() if holding.unsaved]
        if unsaved:
            await self.save([min(unsaved, key=lambda holding: holding.saved_at)])

    async def publish(self) -> None:
        """Commit the outputs of every live partition; where that needs the rows, them too.

        One whose rows are just being saved has its turn the next time.
        """
        free = [holding for holding in self.live.values() if not holding.saving]
        await self.save(free, whole=False)

    async def save(self, holdings: Iterable[Holding], *, whole: bool = True) -> None:
        """Commit each partition's work, side by side; any doubt ends the process."""
        unsaved = [holding for holding in holdings if holding.unsaved]
        if not unsaved:
            return
        self._saving += 1
        self._quiet.clear()
        try:
            await asyncio.gather(*[self._save(holding, whole=whole) for holding in unsaved])
        except BaseException as error:  # noqa: BLE001 - a cancelled commit is in doubt as well
            leave(judge(error, "checkpoint"))
        finally:
            self._saving -= 1
            if not self._saving:
                self._quiet.set()

    async def _save(self, holding: Holding, *, whole: bool) -> None:
        """Commit one partition's work within the deadline."""
        began = time.perf_counter()
        saved = await asyncio.wait_for(holding.save(whole=whole), self.settings.deadline_seconds)
        if saved is not None:
            seconds = time.perf_counter() - began
            self.observer.checkpointed(holding.tp, seconds, saved.rows, saved.outputs)
            if saved.told:
                self.observer.published(holding.tp, saved.told)

    def _close_later(self, holdings: Iterable[Holding]) -> None:
        """Stop producers that are of no more use, without waiting for it."""
        for holding in holdings:
            self._spawn(self._close(holding))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _close(self, holding: Holding) -> None:
        """Stop a producer; nothing depends on how that goes."""
        try:
            await asyncio.wait_for(holding.close(), 2)
        except Exception as error:  # noqa: BLE001 - it holds nothing unsaved
            log.debug("producer not closed", partition=str(holding.tp), error=repr(error))
