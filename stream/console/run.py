"""Run: the book is kept from Kafka, and shown, until somebody ends it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from stream.console.book import Book
from stream.console.follow import Following
from stream.console.past import past
from stream.console.server import LOCAL, Server
from stream.detector.policy import Policy
from stream.engine.connection import Connection
from stream.engine.exits import Fatal
from stream.settings import Settings, SettingsError, Topics
from stream.wire import policy_file
from stream.wire.policy_file import PolicyFile
from stream.worker.connection import connection


async def console(
    settings: Settings, *, host: str, port: int, token: str, announce: Callable[[str], None]
) -> None:
    """Serve the console until SIGTERM or SIGINT; `announce` is given its address.

    Raises `Fatal` for whatever Kafka refuses, and where the port is taken; SettingsError
    where it would show customers to a network without a token; PolicyErrors.
    """
    if host not in LOCAL and not token:
        raise SettingsError(
            [f"--host {host}: whoever reaches it would see customers: give a token file too"]
        )
    product = _product(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with serving(
            connection(settings), settings.topics, product, host=host, port=port, token=token
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
    *,
    host: str,
    port: int,
    token: str = "",
) -> AsyncIterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Serve what these topics say; give the address, and what has to run to follow them.

    `product` is the policy of the workers: what it says of events, and of customers.
    """
    book = Book()
    takers = {
        topics.customers: book.customer,
        topics.accounts: book.account,
        topics.model: book.snapshot,
    }
    following = Following(place, takers)
    server = Server(
        book,
        partial(past, place, topics),
        product=product,
        caught_up=lambda: following.caught_up,
        token=token,
    )
    async with server.serve(host, port) as address:
        yield address, following.run(server.changed)


def _product(settings: Settings) -> PolicyFile:
    """Read the policy; the built-in one where none is named."""
    if settings.policy is None:
        return PolicyFile(policy=Policy())
    return policy_file.load(settings.policy)


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
