"""A file replayed, against the same file read and decoded and nothing else.

The replay is `slipaway replay LOG --alerts OUT`, learning included, without the
start of the process.  Two logs: the peers' workload, where nothing falls due before
the day ends (then two landmarks a customer), and a population over weeks, once with
the default policy and once with a horizon beyond the log, so that no landmark is
judged.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from stream import garbage
from stream.detector.policy import Policy
from stream.replay.run import Outputs, replay
from stream.wire.policy_file import PolicyFile
from tests.bench import population
from tests.bench.child import call
from tests.bench.customers import NO_LANDMARKS
from tests.bench.figure import Figure, Size
from tests.bench.tracks import Track, workload

TARGET = ">= 0.5"
TO = "reading the same file and orjson.loads of each line, in the same round"
EVENTS = {Size.TINY: 500, Size.QUICK: 30_000, Size.NORMAL: 300_000, Size.FULL: 1_000_000}
ROUNDS = {Size.TINY: 1, Size.QUICK: 1, Size.NORMAL: 3, Size.FULL: 3}
DAYS = 30.0
PER_VISIT = 20
NOW_MS = 1_800_000_000_000  # after the logs: no event is from the future


def measure(size: Size) -> Iterator[Figure]:
    """Give the replay's speed as a ratio to reading alone."""
    with TemporaryDirectory() as folder:
        burst, month = str(Path(folder) / "burst.jsonl"), str(Path(folder) / "month.jsonl")
        _write(burst, workload(EVENTS[size]))
        customers = max(1, round(EVENTS[size] / PER_VISIT / DAYS / population.VISITS_PER_DAY))
        drawn = population.visits(customers, DAYS, seed=1)
        _write(month, islice(population.events(drawn, PER_VISIT, seed=1), EVENTS[size]))
        for name, file, judging in (
            ("burst", burst, True),
            ("month", month, True),
            ("month_without_landmarks", month, False),
        ):
            rounds = [call(round_of, file=file, judging=judging) for _ in range(ROUNDS[size])]
            yield Figure(
                name=f"replay.{name}",
                value=median(took["ratio"] for took in rounds),
                unit="ratio of events/CPU s",
                target=TARGET,
                to=TO,
                detail={
                    "wall_ratio": round(median(took["wall_ratio"] for took in rounds), 4),
                    "us": round(median(took["us"] for took in rounds), 2),
                    "reading_us": round(median(took["reading_us"] for took in rounds), 3),
                    "events": rounds[0]["events"],
                    "alerts": rounds[0]["alerts"],
                },
            )


def round_of(file: str, *, judging: bool) -> dict[str, Any]:
    """Read a file alone, replay it, and read it again; give what each took."""
    garbage.look_rarely()  # as the command does
    first = _read(file)
    wall, cpu = time.perf_counter(), time.process_time()
    summary = replay(
        [file],
        PolicyFile(policy=Policy() if judging else NO_LANDMARKS),
        received_at=NOW_MS,
        outputs=Outputs(alerts=Path(file + ".alerts")),
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    second = _read(file)
    reading_wall, reading_cpu = ((a + b) / 2 for a, b in zip(first, second, strict=True))
    assert not summary.refusals.refused
    return {
        "events": summary.events,
        "alerts": summary.alerts.total(),
        "ratio": reading_cpu / cpu,
        "wall_ratio": reading_wall / wall,
        "us": cpu / summary.events * 1e6,
        "reading_us": reading_cpu / summary.events * 1e6,
    }


def _read(file: str) -> tuple[float, float]:
    """Read and decode every line; give the seconds it took, on the wall and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    with Path(file).open("rb") as lines:
        for line in lines:
            orjson.loads(line)
    return time.perf_counter() - wall, time.process_time() - cpu


def _write(file: str, tracks: Iterable[Track]) -> None:
    with Path(file).open("wb") as out:
        out.writelines(track.value + b"\n" for track in tracks)
