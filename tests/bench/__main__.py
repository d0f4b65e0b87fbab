"""The figures: `python -m tests.bench [NAME ...] [--quick]`, one line of JSON for each.

They judge nothing.  What each is and how it is taken is in README.md, beside
this file.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stream.broker import LocalBroker
from tests.bench import (
    console,
    customers,
    file_replay,
    landmarks,
    latency,
    memory,
    metering,
    mix,
    partitions,
    restore,
    worker,
)
from tests.bench.child import ChildFailedError
from tests.bench.figure import Figure, Size, line
from tests.bench.machine import busy_share

ALONE: dict[str, Callable[[Size], Iterator[Figure]]] = {
    "replay": file_replay.measure,
    "landmark": landmarks.measure,
    "customers": customers.measure,
    "mix": mix.measure,
    "memory": memory.measure,
    "console": console.measure,
    "metrics": metering.measure,
}
ON_A_BROKER: dict[str, Callable[[Size, str], Iterator[Figure]]] = {
    "worker": worker.measure,
    "latency": latency.measure,
    "restore": restore.measure,
    "partitions": partitions.measure,
}
NAMES = [*ON_A_BROKER, *ALONE]


def main() -> int:
    """Take the figures that were asked for; 1 if one could not be taken."""
    asked = _arguments()
    failed = False
    names = asked.names or NAMES
    with _broker(asked.bootstrap, needed=any(name in ON_A_BROKER for name in names)) as bootstrap:
        if asked.profile:
            sys.stderr.write(worker.profile(asked.size, bootstrap))
            return 0
        for name in names:
            try:
                _take(name, asked.size, bootstrap)
            except ChildFailedError as error:  # the others are worth having all the same
                sys.stderr.write(f"{name}: {error}\n")
                failed = True
    return int(failed)


def _take(name: str, size: Size, bootstrap: str) -> None:
    """Take one figure, and print its lines as they come."""
    busy = busy_share()
    alone = ALONE.get(name)
    for figure in alone(size) if alone else ON_A_BROKER[name](size, bootstrap):
        print(line(figure, busy), flush=True)  # noqa: T201 - it is what was asked for


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of: {', '.join(NAMES)}")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--size", type=Size, choices=list(Size), default=Size.NORMAL)
    sizes.add_argument(
        "--quick", dest="size", action="store_const", const=Size.QUICK, help="--size quick"
    )
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a broker, instead of a local one")
    parser.add_argument(
        "--profile", action="store_true", help="where the worker's time goes, and no figure"
    )
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in NAMES]
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if asked.profile:
        asked.names = ["worker"]
    return asked


@contextmanager
def _broker(bootstrap: str | None, *, needed: bool) -> Iterator[str]:
    """Give a broker's address; a local one of our own where none is named and one is needed."""
    if bootstrap or not needed:
        yield bootstrap or ""
        return
    with LocalBroker.start(heap_megabytes=1_024) as broker:
        yield broker.bootstrap


if __name__ == "__main__":
    sys.exit(main())
