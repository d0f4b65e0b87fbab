"""A broker to develop against: `python -m stream.broker run --port 9092`."""

import argparse
import signal
import sys
from pathlib import Path

from stream.broker import jars
from stream.broker.errors import BrokerError
from stream.broker.local import LocalBroker


def main() -> int:
    """Fetch Kafka, lock its jars, or run a node in the foreground until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m stream.broker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "fetch", help="fetch Kafka's jars into the cache, and get ready to start fast; once"
    )
    commands.add_parser("lock", help="resolve the jars anew and write kafka.lock")
    run = commands.add_parser("run", help="run one node on 127.0.0.1")
    run.add_argument("--port", type=int, help="where clients connect; picked where none is given")
    run.add_argument("--directory", type=Path, help="keep the data here; else it goes at the end")
    asked = parser.parse_args()
    try:
        if asked.command == "fetch":
            print(LocalBroker.prepare()[0][0].parent)  # noqa: T201 - it is what was asked for
        elif asked.command == "lock":
            jars.lock()
        else:
            _run(asked.port, asked.directory)
    except BrokerError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for a person at a terminal
        return 1
    return 0


def _run(port: int | None, directory: Path | None) -> None:
    with LocalBroker.start(directory=directory, port=port) as broker:
        # Only now: what the broker's process inherits blocked, it never hears.
        ends = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        print(broker.bootstrap, flush=True)  # noqa: T201 - what clients need to know
        signal.sigwait(ends)


if __name__ == "__main__":
    sys.exit(main())
