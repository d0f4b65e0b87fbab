"""Web: what a scraper and a supervisor may ask of a process, and nothing of a customer.

`/healthz` says that the process answers; `/readyz` that its partitions are
restored and caught up.  A worker that waits for the broker is alive, not ready:
restarting it would not bring the broker back.

It runs in the loop that does the work, so it must not keep it busy: however many
ask for the metrics, these are written anew for a tenth of the time at most, they are
given out one after the other, and connections are counted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from ipaddress import ip_address

import structlog
from aiohttp import web
from mode import Service
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from stream.engine.exits import Fatal, leave

log = structlog.get_logger("slipaway.worker")


WRITING_SHARE_MAX = 0.1
"""Of the time; what was written before is given to whoever asks too soon."""
ANSWERS_PER_SECOND = 50
"""Of the metrics, to all who ask. Ten thousand requests, answered as fast as they came, left the
work half of its speed, or less."""
WAIT_SECONDS_MAX = 2.0
"""Whoever would wait longer is sent away: more than all connections take, and less than a scraper
waits."""
CONNECTIONS_MAX = 64
"""For one more the eldest is closed: who opens many and says nothing locks out nobody."""
IDLE_SECONDS = 15.0
"""A connection without a request is closed after so long."""
_FOR_EVERYBODY = {"/healthz", "/readyz"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Web(Service):
    """The web server of a worker, or of whoever delivers."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        registry: CollectorRegistry,
        unready: Callable[[], str],
        token: str = "",
    ) -> None:
        """Serve `registry` on `host`:`port` (0: any), and what `unready` says: empty if ready.

        `token`: asked of whoever wants anything but health; empty: nobody is asked.
        """
        super().__init__()
        self._token = token.encode()
        self._written: dict[str, tuple[float, bytes]] = {}
        self._next_turn = 0.0
        self._listening: asyncio.Server | None = None
        self._host = host
        self._port = port
        self._registry = registry
        self._unready = unready
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Listen."""
        app = web.Application(middlewares=[self._known])
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, keepalive_timeout=IDLE_SECONDS
        )
        await self._runner.setup()
        server = self._runner.server
        assert server is not None

        def accept() -> asyncio.Protocol:
            here = server.connections
            for eldest in here[: max(0, len(here) + 1 - CONNECTIONS_MAX)]:
                eldest.force_close()
            return server()

        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(accept, self._host, self._port)
        except OSError as error:
            leave(
                Fatal(
                    f"{self._host}:{self._port} cannot be listened on: {error.strerror}. Operator"
                    " action: set web_port to a free port, or to 0 for any."
                )
            )
        host, port = self.address
        log.info("web", url=f"http://{host}:{port}", paths=["/metrics", "/healthz", "/readyz"])
        if not (self._token or ip_address(host).is_loopback):
            log.warning(
                "metrics are shown to the network",
                host=host,
                action="fine inside a cluster; else set web_host=127.0.0.1, or a web_token_file",
            )

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._listening is not None
        host, port = self._listening.sockets[0].getsockname()[:2]
        return host, port

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _known(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who brings the token; health is for everybody."""
        if self._token and request.path not in _FOR_EVERYBODY:
            kind, _, brought = request.headers.get("Authorization", "").partition(" ")
            fits = compare_digest(brought.strip().encode(errors="replace"), self._token)
            if kind.lower() != "bearer" or not fits:
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    async def _turn(self) -> None:
        """Wait until it is whoever asks next."""
        now = time.monotonic()
        turn = max(now, self._next_turn)
        if turn - now > WAIT_SECONDS_MAX:
            raise web.HTTPTooManyRequests(headers={"Retry-After": f"{WAIT_SECONDS_MAX:.0f}"})
        self._next_turn = turn + 1 / ANSWERS_PER_SECOND
        await asyncio.sleep(turn - now)

    async def _metrics(self, request: web.Request) -> web.Response:
        await self._turn()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        now = time.monotonic()
        good_until, body = self._written.get(content_type, (now, b""))
        if now >= good_until:
            body = encode(self._registry)
            took = time.monotonic() - now
            self._written[content_type] = now + took / WRITING_SHARE_MAX, body
        # aiohttp's own argument takes no charset with parameters beside it.
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        if reason := self._unready():
            return web.json_response({"status": reason}, status=503)
        return web.json_response({"status": "ready"})
