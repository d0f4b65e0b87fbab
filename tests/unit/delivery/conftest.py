"""An endpoint that behaves as it is told, and a courier whose clock is a number."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from said import NOON_MS, Record

from stream.delivery.courier import Courier, Failure
from stream.delivery.endpoints import Endpoint
from stream.delivery.sending import send, session
from stream.delivery.templates.plain import plain

SECRET = bytes(range(32))
HOUR_MS = 3_600_000


@dataclass
class Receiver:
    """An HTTP server that records what it gets, and answers as it is told."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    during: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        self.got.append({"path": request.raw_path, "headers": request.headers, "body": body})
        self.during.set()
        if self.answer is not None:
            return await self.answer(request)
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a server on this machine."""
    found = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", found.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


@dataclass
class Round:
    """A courier, its clock, and what it put aside."""

    courier: Courier
    now: int = NOON_MS
    aside: list[tuple[Record, Failure]] = field(default_factory=list)
    tried_at: list[int] = field(default_factory=list)

    def positions(self) -> dict[int, int]:
        """Return what would be committed, by partition."""
        found = self.courier.lanes.progress()
        return {partition: progress.position for partition, progress in found.items()}

    async def run(self, hours: float) -> None:
        """Let so much time pass, or as much as it takes until nothing waits."""
        ends = self.now + round(hours * HOUR_MS)
        courier = self.courier
        while not courier.gone and not courier.lanes.empty:
            before = len(courier._under_way)
            courier.start_due()
            self.tried_at += [self.now] * (len(courier._under_way) - before)
            if courier._under_way:
                await courier.rest()
                continue
            due_at = courier.lanes.next_due_at()
            assert due_at is not None
            due_at = max(due_at, courier._pace.quiet_until, self.now + 1)
            if due_at > ends:
                break
            self.now = due_at
        await courier.finish(5)


@pytest.fixture
async def round_to(receiver: Receiver) -> AsyncIterator[Callable[..., Round]]:
    """Return what makes a courier to the receiver, of a certain endpoint."""
    async with session(private=True, connections=8) as opened:

        def make(**fields: Any) -> Round:
            endpoint = Endpoint(
                **{
                    "name": "crm",
                    "url": receiver.url,
                    "template": plain,
                    "secrets": (SECRET,),
                    "private": True,
                    **fields,
                }
            )
            made: Round

            async def put_aside(record: Record, failure: Failure) -> None:
                made.aside.append((record, failure))

            made = Round(
                Courier(
                    endpoint,
                    send=partial(send, opened, endpoint.url),
                    put_aside=put_aside,
                    clock=lambda: made.now,
                    chance=lambda: 0.5,
                )
            )
            return made

        yield make
