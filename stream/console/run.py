"""Run: the book is kept from Kafka, and shown, until somebody ends it."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from functools import partial

from stream.console.book import Book
from stream.console.follow import Following
from stream.console.lookup import Found, lookup
from stream.console.server import LOCAL, Server
from stream.engine.connection import Connection
from stream.engine.exits import Fatal
from stream.settings import Settings, SettingsError, Topics
from stream.worker.connection import connection


async def console(
    settings: Settings, *, host: str, port: int, token: str, announce: Callable[[str], None]
) -> None:
    """Serve the console until SIGTERM or SIGINT; `announce` is given its address.

    Raises `Fatal` for whatever Kafka refuses, and where the port is taken; SettingsError
    where it would show customers to a network without a token.
    """
    if host not in LOCAL and not token:
        raise SettingsError(
            [f"--host {host}: whoever reaches it would see customers: give a token file too"]
        )
    place = connection(settings)
    topics = settings.topics
    book = Book()
    following = Following(
        place,
        {
            topics.customers: book.customer,
            topics.account_alerts: book.account,
            topics.model: book.snapshot,
        },
    )
    server = Server(
        book,
        partial(_past, place, topics),
        caught_up=lambda: following.caught_up,
        token=token,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with server.serve(host, port) as address:
            announce(address)
            await _until(stop, following.run(server.changed))
    except OSError as error:
        raise Fatal(
            f"{host}:{port} cannot be listened on: {error.strerror}. Operator action: --port"
            " another one, or 0 for any."
        ) from error


async def _past(place: Connection, topics: Topics, customer_id: str) -> tuple[Found, Found]:
    """Read a customer's alerts and usage events."""
    found = await lookup(place, [topics.alerts, topics.usage], customer_id)
    return found[topics.alerts], found[topics.usage]


async def _until(stop: asyncio.Event, act: Awaitable[None]) -> None:
    """Wait to be told to stop, or until `act` ends, whose error is raised."""
    acting = asyncio.ensure_future(act)
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([acting, waiting], return_when=asyncio.FIRST_COMPLETED)
        if acting.done():
            acting.result()
    finally:
        for task in (acting, waiting):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
