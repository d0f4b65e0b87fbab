"""The worker against the raw loop, in turns on the same topic.

The topic is the peers': four partitions, lz4, 20,000 customers, keyed by
customer.  The worker does all of its work, see `tests.bench.contestant`.
"""

import asyncio
import io
import pstats
from collections.abc import Iterator
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Any

from tests.bench import raw_loop, watched
from tests.bench.child import YARDSTICK, call
from tests.bench.figure import Figure, Size, rounded
from tests.bench.topic import create, fill, unique
from tests.bench.tracks import workload

PARTITIONS = 4
PROFILE_LINES = 40
EVENTS = {Size.TINY: 2_000, Size.QUICK: 100_000, Size.NORMAL: 500_000, Size.FULL: 1_000_000}
ROUNDS = {Size.TINY: 1, Size.QUICK: 1, Size.NORMAL: 5, Size.FULL: 7}


def measure(size: Size, bootstrap: str) -> Iterator[Figure]:
    """Give speed and CPU of both, and their ratio."""
    events = EVENTS[size]
    topic = filled(bootstrap, events, PARTITIONS)
    rounds = [_round(bootstrap, topic, events) for _ in range(ROUNDS[size])]
    ratios = [worker["events_per_s"] / raw["events_per_s"] for raw, worker in rounds]
    cpu_ratios = [worker["cpu_s"] / raw["cpu_s"] for raw, worker in rounds]
    yield Figure(
        name="worker",
        value=median(ratios),
        unit="ratio of events/s",
        target=">= 0.30, then 0.43, then 0.50",
        to="the raw aiokafka and orjson loop, in the same round",
        detail={
            "rounds": [round(ratio, 4) for ratio in ratios],
            "drain_s": median(worker["drain_s"] for _, worker in rounds),
            "saved_s": median(worker["saved_s"] for _, worker in rounds),
            "saved_cpu_s": median(worker["saved_cpu_s"] for _, worker in rounds),
        },
    )
    yield Figure(
        name="worker.cpu_ratio",
        value=median(cpu_ratios),
        unit="ratio of CPU s",
        target="<= 2.8, then 2.2, then 1.9",
        to="the raw loop, in the same round",
        detail={"rounds": [round(ratio, 2) for ratio in cpu_ratios]},
    )
    for name, index, target in (("worker", 1, "<= 9, then 7, then 6"), ("raw", 0, "")):
        took = [pair[index] for pair in rounds]
        yield Figure(
            name=f"{name}.events_per_s",
            value=median(one["events_per_s"] for one in took),
            unit="events/s",
        )
        yield Figure(
            name=f"{name}.cpu",
            value=median(one["cpu_s"] / one["events"] * 1e6 for one in took),
            unit="CPU s per million events",
            target=target,
            detail={
                YARDSTICK: median(one[YARDSTICK] for one in took),
                **({"by_thread": _by_thread(took)} if name == "worker" else {}),
            },
        )


def _by_thread(took: list[dict[str, Any]]) -> dict[str, float]:
    """Give the median of every thread's CPU, in seconds per million events."""
    names = {name for one in took for name in one["cpu_by_thread_s"]}
    return {
        name: rounded(
            median(one["cpu_by_thread_s"].get(name, 0.0) / one["events"] * 1e6 for one in took)
        )
        for name in sorted(names)
    }


def filled(bootstrap: str, events: int, partitions: int) -> str:
    """Make a topic of the workload; give its name."""
    topic = unique("usage")
    asyncio.run(create(bootstrap, topic, partitions))
    asyncio.run(fill(bootstrap, topic, partitions, workload(events)))
    return topic


def _round(bootstrap: str, topic: str, events: int) -> tuple[dict[str, Any], dict[str, Any]]:
    where = {"bootstrap": bootstrap, "topic": topic, "events": events}
    raw = call(raw_loop.read, **where, group=unique("raw"))
    worker = call(watched.read, **where, run_id=unique("worker"))
    assert worker["results"] == {"applied": events}, worker["results"]
    return raw, worker


def profile(size: Size, bootstrap: str) -> str:
    """Say where the main thread's time goes, by function."""
    events = EVENTS[size]
    topic = filled(bootstrap, events, PARTITIONS)
    where = {"bootstrap": bootstrap, "topic": topic, "events": events}
    with NamedTemporaryFile(suffix=".prof") as file:
        took = call(watched.read, **where, run_id=unique("worker"), profile_to=file.name)
        text = io.StringIO()
        stats = pstats.Stats(file.name, stream=text)
    for order in ("tottime", "cumtime"):
        stats.sort_stats(order).print_stats(PROFILE_LINES)
    return f"{text.getvalue()}CPU by thread, profiling included: {took['cpu_by_thread_s']}\n"
