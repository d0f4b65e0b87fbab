"""Web: what a scraper and a supervisor may ask of a process, and nothing of a customer.

`/healthz` says that the process answers; `/readyz` that its partitions are
restored and caught up.  A worker that waits for the broker is alive, not ready:
restarting it would not bring the broker back.
"""

from collections.abc import Callable

import structlog
from aiohttp import web
from mode import Service
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from stream.engine.exits import Fatal, leave

log = structlog.get_logger("slipaway.worker")


class Web(Service):
    """The web server of a worker, or of whoever delivers."""

    def __init__(
        self, *, host: str, port: int, registry: CollectorRegistry, unready: Callable[[], str]
    ) -> None:
        """Serve `registry` on `host`:`port` (0: any), and what `unready` says: empty if ready."""
        super().__init__()
        self._host = host
        self._port = port
        self._registry = registry
        self._unready = unready
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            leave(
                Fatal(
                    f"{self._host}:{self._port} cannot be listened on: {error.strerror}. Operator"
                    " action: set web_port to a free port, or to 0 for any."
                )
            )
        host, port = self._runner.addresses[0][:2]
        log.info("web", url=f"http://{host}:{port}", paths=["/metrics", "/healthz", "/readyz"])

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # aiohttp's own argument takes no charset with parameters beside it.
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        if reason := self._unready():
            return web.json_response({"status": reason}, status=503)
        return web.json_response({"status": "ready"})
