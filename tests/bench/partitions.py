"""How many partitions one worker carries: the same events in 1, 4, 16 and 64 of them."""

from collections.abc import Iterator
from statistics import median

from tests.bench import watched
from tests.bench.child import YARDSTICK, call
from tests.bench.figure import Figure, Size, quantile, rounded
from tests.bench.topic import unique
from tests.bench.worker import filled

COUNTS = (1, 4, 16, 64)
FEW = {Size.TINY: (1, 2), Size.QUICK: (4, 64), Size.NORMAL: COUNTS, Size.FULL: COUNTS}
EVENTS = {Size.TINY: 2_000, Size.QUICK: 30_000, Size.NORMAL: 300_000, Size.FULL: 1_000_000}
ROUNDS = {Size.TINY: 1, Size.QUICK: 1, Size.NORMAL: 3, Size.FULL: 3}


def measure(size: Size, bootstrap: str) -> Iterator[Figure]:
    """Give the speed as a ratio to the fewest partitions, and the p99 of a checkpoint."""
    events, counts = EVENTS[size], FEW[size]
    topics = {count: filled(bootstrap, events, count) for count in counts}
    rounds = [
        {
            count: call(
                watched.read,
                bootstrap=bootstrap,
                topic=topic,
                events=events,
                run_id=unique("worker"),
            )
            for count, topic in topics.items()
        }
        for _ in range(ROUNDS[size])
    ]
    for count in counts:
        took = [one[count] for one in rounds]
        base = [one[counts[0]]["events_per_s"] for one in rounds]
        seconds = [second for one in took for second in one["checkpoints_s"]]
        yield Figure(
            name=f"partitions.{count}",
            value=median(
                one["events_per_s"] / least for one, least in zip(took, base, strict=True)
            ),
            unit="ratio of events/s",
            to=f"the same events in {counts[0]} partitions, in the same round",
            detail={
                "cpu_s_per_million": rounded(
                    median(one["cpu_s"] / one["events"] * 1e6 for one in took)
                ),
                YARDSTICK: median(one[YARDSTICK] for one in took),
                "checkpoints": len(seconds),
            },
        )
        yield Figure(
            name=f"partitions.{count}.checkpoint_p99",
            value=quantile(seconds, 0.99) * 1000,
            unit="ms",
            detail={"p50": round(quantile(seconds, 0.5) * 1000, 1)},
        )
