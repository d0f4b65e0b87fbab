"""Workers that are killed, frozen, added and removed: rows 1 to 6, 9 and 13 of the table.

The law is the same in each, and `Cluster.finish` asks for it: what can be read
in the end is what one undisturbed worker would have made of the input.
"""

import asyncio
import signal
from random import Random

import pytest
from cluster import PARTITIONS, PATIENCE_SECONDS, Cluster, Launch
from processes import Worker, until

pytestmark = pytest.mark.fault

POINTS = ("after_fold", "after_snapshot", "mid", "before_commit", "after_commit")
HASTY = {
    "SESSION_TIMEOUT_SECONDS": "6"
}  # the shortest a broker grants: its partitions idle so long


async def test_a_killed_worker_is_continued_and_the_others_notice_nothing(
    launch: Launch, rounds: int, dice: Random
) -> None:
    """Static membership: a restart within the session time-out is no rebalance."""
    session = {"SESSION_TIMEOUT_SECONDS": "30"}
    async with launch(1, "one of three killed at random", rounds=rounds, **session) as cluster:
        await cluster.settled()
        before = _revocations(cluster)
        for _ in range(rounds):
            victim = dice.choice(cluster.workers)
            await cluster.feed(300, dice.uniform(0.2, 2.0))
            await cluster.working([victim])
            await cluster.kill(victim)
        await cluster.finish()
        assert _revocations(cluster) == before
        assert cluster.codes[-signal.SIGKILL] == rounds


async def test_it_does_not_matter_where_a_worker_dies(
    launch: Launch, times: int, dice: Random
) -> None:
    """At a named point, each as often: around the fold, the transaction and its commit."""
    plan = [f"{point}:{dice.randint(2, 9)}" for point in POINTS * times]
    dice.shuffle(plan)
    fault = "killed at " + ", ".join(POINTS)
    async with launch(2, fault, rounds=times, failpoints=tuple(plan)) as cluster:
        await _feed_until_spent(cluster)
        assert cluster.codes[-signal.SIGKILL] == len(plan)
        await cluster.finish()


async def test_all_may_die_at_once(launch: Launch, times: int, dice: Random) -> None:
    """Nothing is kept outside Kafka, so a cold start goes on like any other."""
    async with launch(3, "all killed, cold start", rounds=times) as cluster:
        for _ in range(times):
            await cluster.working()
            feeding = asyncio.create_task(cluster.feed(900, 2.0))
            await asyncio.sleep(dice.uniform(0.5, 1.8))
            await cluster.kill(*cluster.workers)
            await feeding
        await cluster.finish()


async def test_workers_come_and_go_under_load(launch: Launch, times: int) -> None:
    """Whoever is told to go saves its work and exits with 0; the others take over."""
    fault = "one added, all restarted in turn, one removed"
    async with launch(4, fault, rounds=times, workers=2, **HASTY) as cluster:
        cluster.harmless |= {0}
        await cluster.settled()
        for number in range(times):
            await cluster.feed(400, 1.0)
            guest = cluster.worker(f"guest{number}")
            cluster.workers.append(guest)
            cluster.injected += 1
            await _got_a_share(guest)
            for worker in cluster.staying:
                feeding = asyncio.create_task(cluster.feed(300, 1.0))
                await cluster.working([worker])
                ended = asyncio.create_task(worker.ended())
                await asyncio.sleep(0)
                worker.signal(signal.SIGTERM)
                cluster.injected += 1
                assert await ended == 0
                await feeding
            await cluster.working()
            guest.supervised = False
            guest.signal(signal.SIGTERM)
            cluster.injected += 1
            await cluster.feed(300, 1.0)
            await cluster.settled()
        await cluster.finish()


@pytest.mark.parametrize("point", ["after_fold", "before_commit"])
async def test_a_zombie_with_unsaved_work_is_shut_out(launch: Launch, point: str) -> None:
    """Thawed after others took over, it writes nothing, and exits to be started again."""
    fault = f"frozen at {point}, thawed after others took over"
    async with launch(5, fault, failpoints=(f"{point}:6:stop",), **HASTY) as cluster:
        zombie, *others = cluster.workers
        await _feed_until_frozen(cluster, zombie)
        await _taken_over(cluster, others)
        await cluster.feed(300, 1.0)
        ended = asyncio.create_task(zombie.ended())
        await asyncio.sleep(0)
        zombie.failpoint = ""
        zombie.signal(signal.SIGCONT)
        assert await ended == 75
        assert "Fenced" in zombie.lines("leaving")[-1]["reason"]
        await cluster.finish()


async def test_a_zombie_without_unsaved_work_does_no_harm(launch: Launch) -> None:
    """Thawed, it joins again; or a beat that it read too late is refused, and it starts anew."""
    fault = "frozen with nothing unsaved, thawed after others took over"
    async with launch(5, fault, **HASTY) as cluster:
        await cluster.settled()
        await cluster.feed(800)
        await cluster.drained()
        zombie, *others = cluster.workers
        joined = len(zombie.lines("assigned"))
        cluster.freeze(zombie)
        await _taken_over(cluster, others)
        zombie.signal(signal.SIGCONT)
        await until(
            lambda: len(zombie.lines("assigned")) > joined, PATIENCE_SECONDS, "it did not join"
        )
        await cluster.settled()
        await cluster.feed(800)
        await cluster.finish()


async def test_restoring_survives_its_own_interruptions(launch: Launch, times: int) -> None:
    """Killed in the middle of it, or overtaken by a rebalance while it stands still."""
    fault = "killed in a restore, overtaken in a restore"
    async with launch(6, fault, rounds=times, **HASTY) as cluster:
        for number in range(times):
            await cluster.settled()
            await cluster.feed(600, 1.0)
            cluster.failpoints.extend(["in_restore:1", "in_restore:1:stop"])
            first, second, *_ = cluster.workers
            await cluster.kill(first)
            await until(lambda: not cluster.failpoints, PATIENCE_SECONDS, "nobody started")
            await _frozen(cluster, first)
            guest = cluster.worker(f"guest{number}")
            cluster.workers.append(guest)
            await cluster.feed(300, 1.0)
            await _got_a_share(guest)
            first.failpoint = ""
            first.signal(signal.SIGCONT)
            await cluster.kill(second)
            guest.supervised = False
            await cluster.working([second])
            await cluster.kill(guest)
        await cluster.settled()
        await cluster.finish()


async def test_bad_input_is_put_aside_once_whatever_dies(
    launch: Launch, times: int, dice: Random
) -> None:
    """Poison, oversized, null and future events: dead letters exact to the count."""
    plan = [f"{point}:{dice.randint(2, 9)}" for point in ("mid", "after_commit", "after_fold")]
    fault = "bad, oversized, late and double events, workers killed"
    options = {"poison_share": 0.05, "failpoints": tuple(plan * times)}
    async with launch(9, fault, rounds=times, **options) as cluster:
        await _feed_until_spent(cluster)
        verdict = await cluster.finish()
        assert verdict.letters > 20


async def test_no_block_is_lost_between_the_seek_and_the_flow(launch: Launch, times: int) -> None:
    """The window in which a prototype lost blocks, made 0.8 s wide, under rebalances."""
    fault = "rebalances, with 0.8 s from the seek to the flow"
    slow = {"SLIPAWAY_FAILPOINT_DELAY": "0.8"}
    async with launch(13, fault, rounds=times, workers=2, environment=slow, **HASTY) as cluster:
        await cluster.settled()
        for number in range(times):
            guest = cluster.worker(f"guest{number}")
            cluster.workers.append(guest)
            while not guest.holds:
                await cluster.feed(200, 0.5)
            guest.supervised = False
            await cluster.kill(guest)
            while not all(worker.works for worker in cluster.workers[:2]):
                await cluster.feed(200, 0.5)
            await cluster.settled()
        await cluster.finish()


def _revocations(cluster: Cluster) -> int:
    """Count how often somebody had to give partitions away."""
    return sum(
        bool(line["partitions"]) for worker in cluster.workers for line in worker.lines("revoked")
    )


async def _feed_until_spent(cluster: Cluster) -> None:
    """Keep the input coming until every failpoint was reached."""
    spent = asyncio.create_task(cluster.spent())
    while not spent.done():
        await cluster.feed(300, 1.0)
    await spent


async def _feed_until_frozen(cluster: Cluster, zombie: Worker) -> None:
    """Keep the input coming until a worker stands still at its failpoint."""
    frozen = asyncio.create_task(_frozen(cluster, zombie))
    while not frozen.done():
        await cluster.feed(300, 0.5)
    await frozen


async def _frozen(cluster: Cluster, worker: Worker) -> None:
    """Wait until a worker stands still at its failpoint."""
    await until(lambda: worker.frozen, PATIENCE_SECONDS, f"{worker.name} did not freeze")
    cluster.injected += 1


async def _got_a_share(guest: Worker) -> None:
    """Wait until a worker that came later has partitions of its own."""
    await until(lambda: bool(guest.holds), PATIENCE_SECONDS, f"{guest.name} got nothing")


async def _taken_over(cluster: Cluster, others: list[Worker]) -> None:
    """Wait until others hold every partition that a frozen worker still believes to have."""
    partitions = cluster.traffic.partitions + PARTITIONS

    def all_held() -> bool:
        cluster.check()
        return len({tp for worker in others for tp in worker.holds}) == partitions

    await until(all_held, PATIENCE_SECONDS, "nobody took over")
