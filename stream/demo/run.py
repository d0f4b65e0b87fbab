"""The demo: a product that does not exist, the real worker, alerts as they fire.

Everything on the way is what production uses: a real Kafka, events as Segment
sends them, ingest, detector, trainer, transactions, alerts read as a platform
would read them.  Only the product is simulated, and time, which runs at days a
second.
"""

import asyncio
import tempfile
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path

from aiokafka.errors import KafkaError
from rich.console import Console

from stream.broker import BrokerError, LocalBroker
from stream.demo.child import WorkerDiedError
from stream.demo.showing import Showing
from stream.demo.simulate import simulate
from stream.demo.traffic import Part, send

DAYS = 90

_INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""


def run(
    seconds: float = 60,
    customers: int = 2_000,
    seed: int = 1,
    broker: str | None = None,
) -> int:
    """Show it, and return the exit code: 0 fine, 1 something went wrong.

    `seconds` is the length of the show, from when Kafka is there.  `broker`
    ("host:port", without authentication) is used instead of a local one; the
    topics made there have names of their own.
    """
    talk = Console(stderr=True, highlight=False)
    try:
        with ExitStack() as stack:
            with talk.status(f"Making up {customers:,} customers ..."):
                simulation = simulate(customers, DAYS, seed)
            bootstrap = broker
            if bootstrap is None:
                with talk.status("Starting Kafka (fetched the first time, 43 MB) ..."):
                    bootstrap = stack.enter_context(LocalBroker.start()).bootstrap
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="slipaway-demo-"))
            policy = stack.enter_context(as_file(files("stream.demo") / "policy.toml"))
            showing = Showing(simulation, bootstrap, policy, Path(folder), talk)
            if broker is not None:
                stack.callback(showing.say_how_to_remove)
            asyncio.run(showing.play(seconds))
    except (KeyboardInterrupt, asyncio.CancelledError):
        talk.print("Stopped; the worker and all else that was started has ended.")
        return _INTERRUPTED
    except (BrokerError, WorkerDiedError, KafkaError, OSError) as error:
        talk.print(f"The demo failed. {type(error).__name__}: {error}", style="red", markup=False)
        return 1
    return 0


def traffic(topic: str, part: Part, *, customers: int, seed: int, broker: str) -> int:
    """Send the product's past or present to a topic of yours; return the exit code as `run` does.

    `broker` is "host:port", without authentication.
    """
    talk = Console(stderr=True, highlight=False)
    try:
        asyncio.run(send(broker, topic, part, customers=customers, seed=seed, told=talk.print))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    except (KafkaError, OSError) as error:
        talk.print(f"Sending failed. {error}", style="red", markup=False)
        return 1
    return 0
