"""Run: the book is kept from Kafka, and shown, until somebody ends it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from stream.console.book import Book
from stream.console.chronicle import Chronicle
from stream.console.follow import Following
from stream.console.health import Health, health
from stream.console.letters import latest
from stream.console.past import past
from stream.console.server import LOCAL, Server
from stream.console.workers import Watching
from stream.detector.policy import Policy
from stream.engine.connection import Connection
from stream.engine.exits import Fatal
from stream.settings import Settings, SettingsError, Topics
from stream.wire import policy_file
from stream.wire.policy_file import PolicyFile
from stream.worker.connection import connection


class Watched(NamedTuple):
    """What the page of the work asks, and where it leads."""

    app_id: str
    workers: Sequence[str] = ()
    """Where their metrics are."""
    token: str = ""
    """That they want."""
    runbooks: str = ""
    """Where the runbooks are."""


async def console(
    settings: Settings,
    *,
    host: str,
    port: int,
    token: str,
    workers: Sequence[str] = (),
    runbooks: str = "",
    announce: Callable[[str], None],
) -> None:
    """Serve the console until SIGTERM or SIGINT; `announce` is given its address.

    `workers` are where their metrics are, `runbooks` where people read what to do.

    Raises `Fatal` for whatever Kafka refuses, and where the port is taken; SettingsError
    where it would show customers to a network without a token; PolicyErrors.
    """
    if host not in LOCAL and not token:
        raise SettingsError(
            [f"--host {host}: whoever reaches it would see customers: give a token file too"]
        )
    product = _product(settings)
    watched = Watched(settings.app_id, workers, settings.token(), runbooks)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with serving(
            connection(settings),
            settings.topics,
            product,
            watched,
            host=host,
            port=port,
            token=token,
        ) as (address, follow):
            announce(address)
            await _until(stop, follow)
    except OSError as error:
        raise Fatal(
            f"{host}:{port} cannot be listened on: {error.strerror}. Operator action: --port"
            " another one, or 0 for any."
        ) from error


@asynccontextmanager
async def serving(
    place: Connection,
    topics: Topics,
    product: PolicyFile,
    watched: Watched,
    *,
    host: str,
    port: int,
    token: str = "",
) -> AsyncIterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Serve what these topics say; give the address, and what has to run to follow them.

    `product` is the policy of the workers: what it says of events, and of customers.
    """
    book, chronicle = Book(), Chronicle()
    takers = {
        topics.customers: book.customer,
        topics.accounts: book.account,
        topics.model: book.snapshot,
    }
    tellers = {
        topics.retention: chronicle.retained,
        topics.alerts: chronicle.alert,
        topics.holdout: chronicle.alert,
    }
    # A year of alerts takes a while to read: what is open now does not wait for it.
    following, listening = Following(place, takers), Following(place, tellers)
    watching = Watching(
        place,
        watched.app_id,
        [*topics.sources, topics.usage],
        watched.workers,
        token=watched.token,
        clock=time.time,
    )
    server = Server(
        book,
        chronicle,
        partial(past, place, topics),
        partial(_look, watching, place, topics),
        product=product,
        caught_up=lambda: following.caught_up,
        told=lambda: listening.caught_up,
        token=token,
        runbooks=watched.runbooks,
    )
    async with server.serve(host, port) as address:
        yield address, _both(following.run(server.changed), listening.run(lambda: None))


def _product(settings: Settings) -> PolicyFile:
    """Read the policy; the built-in one where none is named."""
    if settings.policy is None:
        return PolicyFile(policy=Policy())
    return policy_file.load(settings.policy)


async def _look(watching: Watching, place: Connection, topics: Topics) -> Health:
    """Ask how the work goes, and what could not be used."""
    look, letters = await asyncio.gather(watching.look(), latest(place, topics.dead_letters))
    return health(look, letters)


async def _both(*acts: Coroutine[Any, Any, None]) -> None:
    """Run both until one ends, whose error is raised."""
    tasks = [asyncio.create_task(act) for act in acts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(stop: asyncio.Event, act: Coroutine[Any, Any, None]) -> None:
    """Wait to be told to stop, or until `act` ends, whose error is raised."""
    acting = asyncio.create_task(act)
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([acting, waiting], return_when=asyncio.FIRST_COMPLETED)
        if acting.done():
            acting.result()
    finally:
        for task in (acting, waiting):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
