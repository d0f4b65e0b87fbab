"""The memory that a customer takes: what the process grows by while it holds them.

*Between visits*: a few visits within two days, none of them open, no landmark
due yet.  *Judged*: forty days of a population from daily to monthly, with the
landmarks that wait for their outcome.  Each is held as it came about event by
event, and as it is restored from its rows; the larger numbers are only
restored, from the rows of fewer customers under other names.  The events are in
our own form, whose reader remembers nothing; what a worker holds besides, however
many customers it has, is not counted.
"""

import heapq
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from models.trainer import PENDING
from stream.detector.events import HOUR_MS, MINUTE_MS
from stream.detector.policy import Policy
from stream.worker.detect import CUSTOMERS
from tests.bench import population
from tests.bench.child import call
from tests.bench.figure import Figure, Size
from tests.bench.folds import Saved, clones, detect_fold, feed
from tests.bench.machine import held_bytes
from tests.bench.tracks import START_MS, Track, Usages

TARGET = "<= 400 bytes at 1,000,000"
SIZES = {
    Size.TINY: {"lived": (50,), "restored": (50,), "judged": 20},
    Size.QUICK: {"lived": (10_000,), "restored": (10_000, 100_000), "judged": 500},
    Size.NORMAL: {
        "lived": (10_000, 100_000),
        "restored": (10_000, 100_000, 1_000_000),
        "judged": 2_000,
    },
    Size.FULL: {
        "lived": (10_000, 100_000, 1_000_000),
        "restored": (10_000, 100_000, 1_000_000),
        "judged": 10_000,
    },
}
TEMPLATES = {"between visits": 1_000, "judged": 2_000}
EVERY_MS, SPREAD_MS = 8 * HOUR_MS, 7 * HOUR_MS  # from visit to visit; who comes within it when
WARM = 100  # customers beforehand: what is made once is made then
VISITS, EVENTS = 6, 3  # eighteen events: the ids remembered for duplicates are all there


def measure(size: Size) -> Iterator[Figure]:
    """Give the bytes of a customer, for every kind and number."""
    sizes: dict[str, Any] = SIZES[size]
    for kind in ("between visits", "judged"):
        lived = sizes["lived"] if kind == "between visits" else (sizes["judged"],)
        # A million with everything pending would not fit beside other work.
        most = max(sizes["restored"]) if size is Size.FULL else 100_000
        restored = [n for n in sizes["restored"] if kind == "between visits" or n <= most]
        for number in lived:
            yield _figure(kind, "lived", call(lived_through, kind=kind, customers=number))
        with TemporaryDirectory() as folder:
            file = str(Path(folder) / "rows")
            for number in restored:
                templates = min(TEMPLATES[kind], *restored)
                call(save, kind=kind, customers=templates, among=number, file=file)
                yield _figure(kind, "restored", call(restored_from, file=file, customers=number))


def _figure(kind: str, how: str, took: dict[str, Any]) -> Figure:
    return Figure(
        name=f"memory.{kind.replace(' ', '_')}.{how}.{took['customers']}",
        value=took["bytes"],
        unit="bytes/customer",
        target=TARGET,
        detail={"row_bytes": took["row_bytes"]} if took["row_bytes"] else {},
    )


def lived_through(kind: str, customers: int) -> dict[str, Any]:
    """Let customers live event by event; give what each makes the process grow by."""
    feed(detect_fold(Policy()), _life(kind, min(WARM, customers)))
    before = held_bytes()
    fold = detect_fold(Policy())
    feed(fold, _life(kind, customers))
    grown = held_bytes() - before
    return {"customers": customers, "bytes": grown / customers, "row_bytes": None}


def save(kind: str, customers: int, among: int, file: str) -> dict[str, Any]:
    """Write the rows that a life leaves, and the partition's progress, to `file`.

    Of many, only some are learned from, and only theirs hold landmarks that wait:
    as many as where `customers` are `among` so many.
    """
    saved = Saved()
    feed(
        detect_fold(Policy(), teaching=_teaching(kind, customers, among)),
        _life(kind, customers),
        saved,
    )
    Path(file).write_bytes(msgspec.msgpack.encode((saved.rows, saved.progress)))
    return {}


def _teaching(kind: str, customers: int, among: int) -> float:
    """Give the share of customers that the trainer would learn from, among so many."""
    if kind != "judged":
        return 1.0
    saved = Saved()
    feed(detect_fold(Policy()), _life(kind, customers), saved)
    waiting = sum(len(CUSTOMERS.decode(row).landmarks) for row in saved.rows.values())
    return min(1.0, PENDING / max(1, waiting) * customers / among)


def restored_from(file: str, customers: int) -> dict[str, Any]:
    """Restore customers from saved rows; give what each makes the process grow by."""
    packed = Path(file).read_bytes()
    rows, progress = msgspec.msgpack.decode(packed, type=tuple[dict[bytes, bytes], bytes])
    row_bytes = sum(len(key) + len(value) for key, value in rows.items()) / len(rows)
    before = held_bytes()
    fold = detect_fold(Policy(), clones(rows, customers), progress)
    grown = held_bytes() - before
    assert not fold.pending, "the fold is held until here, and has nothing to do"
    return {"customers": customers, "bytes": grown / customers, "row_bytes": round(row_bytes)}


def _life(kind: str, customers: int) -> Iterator[Track]:
    if kind == "judged":
        drawn = population.visits(customers, days=40, seed=1)
        yield from population.events(drawn, EVENTS, seed=1, writer=Usages)
        return
    usages = Usages(seed=1)
    for visit in range(VISITS):
        # One customer after the other: whoever has thousands of customers has few at a time.
        begin = START_MS + visit * EVERY_MS
        for at, customer in heapq.merge(*_streams(begin, customers)):
            yield usages.write(customer, at)
    # One more, a stranger: time has passed, and every visit is over.
    yield usages.write(10**9, START_MS + VISITS * EVERY_MS)


def _streams(begin: int, customers: int) -> Iterator[Iterator[tuple[int, int]]]:
    """Give the first events of everybody's visit, (time, customer), the second ones, and so on."""
    for number in range(EVENTS):
        first = begin + number * MINUTE_MS
        yield zip(count(first, SPREAD_MS // customers), range(customers), strict=False)
