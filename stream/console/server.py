"""The server: addresses to pages, who may look, and word to open pages that something changed."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from markupsafe import Markup

from stream.console import lines, model, person, reliability, retained
from stream.console.book import Book
from stream.console.chronicle import Chronicle
from stream.console.concerns import LATE_SECONDS, concerns
from stream.console.customer import Historian
from stream.console.health import Health
from stream.console.judges import Judges
from stream.console.lately import Lately
from stream.console.pages import HERE, environment, render, share
from stream.console.past import Past
from stream.console.retained import SEGMENTS_MAX, SPANS, Brought, Rates
from stream.console.view import NONE, View, show
from stream.detector.periods import Every
from stream.engine.exits import Fatal
from stream.tap.worklist import ranked
from stream.wire.policy_file import PolicyFile

log = structlog.get_logger("slipaway.console")

COOKIE: Final = "slipaway_console"
HEARTBEAT_SECONDS: Final = 15.0
"""A line between, or a proxy takes a quiet connection for a dead one."""
TOLD_SECONDS: Final = 0.25
"""At least so long between two words that something changed."""
LISTENERS_MAX: Final = 200
ID_MAX: Final = 10_000
LOOK_SECONDS: Final = 4.0
"""What takes a while to find out is not found out more often."""
SHOWN_MAX: Final = 13
"""Rows of a table over time; what is drawn may go back further."""
LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Lookup = Callable[[str], Awaitable[Past]]
"""Gives what is known of a customer."""
Look = Callable[[], Awaitable[Health]]
"""Asks how the work goes."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The console's web server, over a book that somebody keeps."""

    def __init__(
        self,
        book: Book,
        chronicle: Chronicle,
        lookup: Lookup,
        look: Look,
        *,
        product: PolicyFile,
        caught_up: Callable[[], bool],
        told: Callable[[], bool],
        token: str = "",
        runbooks: str = "",
    ) -> None:
        """Show `book` and `chronicle`; ask `lookup` for one customer's past, `look` for the work.

        `product`: how the past is read. `caught_up`, `told`: whether either has all that was there
        at the beginning. `token` empty: whoever gets here may look. `runbooks`: where they are, as
        an address.
        """
        self._book = book
        self._chronicle = chronicle
        self._lookup = lookup
        self._policy = product.policy
        self._historian = Historian(product)
        self._judges = Judges(book, product.policy)
        self._health = Lately(look, LOOK_SECONDS)
        self._figures = Lately(self._figure, LOOK_SECONDS)
        self._runbooks = runbooks.rstrip("/")
        self._caught_up = caught_up
        self._told = told
        self._token = token
        # What a browser keeps is not the token itself.
        self._cookie = hmac.new(token.encode(), b"slipaway console", hashlib.sha256).hexdigest()
        self._pages = environment()
        self._changed = asyncio.Event()
        self._listeners = 0

    def changed(self) -> None:
        """Tell the open pages to look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[str]:
        """Listen (port 0: any), and give the address; raise OSError where that is not possible."""
        app = web.Application(middlewares=[self._guarded])
        app.router.add_get("/", self._slipping)
        app.router.add_get("/customer", self._customer)
        app.router.add_get("/over", self._over)
        app.router.add_get("/accounts", self._accounts)
        app.router.add_get("/model", self._model)
        app.router.add_get("/retention", self._retention)
        app.router.add_get("/health", self._of_work)
        app.router.add_get("/live", self._live)
        app.router.add_get("/login", self._login)
        app.router.add_post("/login", self._let_in)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_static("/static", HERE / "static")
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            bound, at = runner.addresses[0][:2]
            yield f"http://{f'[{bound}]' if ':' in bound else bound}:{at}"
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let nobody see customers who may not; say what went wrong as a page."""
        public = request.path in {"/login", "/healthz"} or request.path.startswith("/static/")
        if not self._token and not _is_local(request.host):
            # A page elsewhere whose name was made to lead here would read what this one shows.
            return web.Response(status=421, text=f"There is no {request.host} here.")
        if not public and not self._may_look(request):
            if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
                raise web.HTTPSeeOther("/login")
            return web.Response(
                status=401, text="A token is needed.", headers={"WWW-Authenticate": "Bearer"}
            )
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if error.status < 400:  # noqa: PLR2004 - a redirect
                raise
            words = {404: "There is no such page."}.get(error.status, error.reason)
            response = self._page(request, "message", status=error.status, said=words)
        if not response.prepared:
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    def _may_look(self, request: web.Request) -> bool:
        if not self._token:
            return True
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.casefold() == "bearer":
            return _same(given, self._token)
        return _same(request.cookies.get(COOKIE, ""), self._cookie)

    def _page(
        self, request: web.Request, name: str, *, status: int = 200, **facts: object
    ) -> web.Response:
        text = render(
            self._pages,
            name,
            path=request.path,
            caught_up=self._caught_up(),
            model=self._book.model,
            counts={"slipping": len(self._book.customers), "accounts": len(self._book.accounts)},
            **facts,
        )
        return web.Response(text=text, content_type="text/html", status=status)

    async def _slipping(self, request: web.Request) -> web.Response:
        view = View.of(request.query)
        return self._page(
            request, "slipping", view=view, shown=show(self._book.customers.values(), view)
        )

    async def _over(self, request: web.Request) -> web.Response:
        return self._page(request, "over", alerts=list(reversed(self._book.over))[:200])

    async def _accounts(self, request: web.Request) -> web.Response:
        chosen = request.query.get("id", "")
        alerts = ranked(self._book.accounts.values())
        if chosen:
            alerts = [alert for alert in alerts if alert.account_id == chosen]
        members = sorted(
            (one for one in self._book.customers.values() if chosen and one.account_id == chosen),
            key=lambda alert: (-alert.risk, alert.customer_id),
        )
        return self._page(request, "accounts", alerts=alerts, chosen=chosen, members=members)

    async def _model(self, request: web.Request) -> web.Response:
        found = self._book.model
        done = model.progress(self._book.models)
        tenths = model.tenths(found.reliability) if found else []
        said = "Log-loss of whether a silence became a lapse, in nats; lower is better"
        return self._page(
            request,
            "model",
            models=len(self._book.models),
            dials=model.dials(found) if found else [],
            better=model.better(found) if found else None,
            tenths=tenths,
            reliability=reliability.draw(tenths),
            weights=model.weighs_most(found.lapse if found else None),
            drifted=list(reversed(done.drifted)),
            # Our own drawing; every text in it went through an XML writer.
            losses=Markup(lines.draw(said, done.by_name)),  # noqa: S704
        )

    async def _figure(self) -> tuple[Rates | None, Brought | None]:
        """Find out who stays, and what alerts bring, which holds for a while."""
        rates = retained.rates(self._chronicle)
        found = self._book.model
        horizon = found.horizon_days if found else rates.horizon_days if rates else None
        own = self._policy.horizons
        return rates, retained.brought(self._chronicle, horizon, own) if horizon else None

    async def _retention(self, request: web.Request) -> web.Response:
        rates, brought = await self._figures.get()
        by = Every.MONTH if request.query.get("by") == Every.MONTH else Every.WEEK
        asked = request.query.get("segment", "")[:ID_MAX]
        segment = None if not asked else "" if asked == NONE else asked
        course = retained.course(self._chronicle, by, segment)
        stays = "Share of customers kept, by period" if rates else ""
        return self._page(
            request,
            "retention",
            told=self._told(),
            rates=rates,
            brought=brought,
            course=course,
            segment=segment,
            spans=list(SPANS),
            none_name=retained.NONE,
            shown_max=SHOWN_MAX,
            segments_max=SEGMENTS_MAX,
            # Our own drawings; every text in them went through an XML writer.
            rate_lines=Markup(lines.draw(stays, rates.lines if rates else {}, share)),  # noqa: S704
            course_lines=Markup(  # noqa: S704
                lines.draw(
                    f"Episodes opened, recovered and lapsed, by {by.value}",
                    course.lines,
                    "{:,.0f}".format,
                    from_zero=True,
                )
            ),
        )

    async def _of_work(self, request: web.Request) -> web.Response:
        found = await self._health.get()
        return self._page(
            request,
            "health",
            health=found,
            concerns=concerns(found),
            late_max=LATE_SECONDS,
            runbooks=self._runbooks,
        )

    async def _customer(self, request: web.Request) -> web.Response:
        customer_id = request.query.get("id", "")
        if not customer_id or len(customer_id) > ID_MAX:
            raise web.HTTPNotFound
        current = self._book.customers.get(customer_id)
        try:
            past = await self._lookup(customer_id)
        except (Fatal, TimeoutError) as error:
            log.warning("a customer's past cannot be read", error=str(error))
            said = error.reason if isinstance(error, Fatal) else "Kafka does not answer."
            return self._page(request, "message", status=503, said=said)
        found = person.whole(
            customer_id,
            past,
            current,
            historian=self._historian,
            judges=self._judges,
            policy=self._policy,
        )
        return self._page(request, "customer", customer_id=customer_id, **found._asdict())

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """Say "changed" to a page, as often as there is something to see."""
        if self._listeners >= LISTENERS_MAX:
            raise web.HTTPServiceUnavailable(text="Too many pages are open.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        await response.prepare(request)
        self._listeners += 1
        told = -1
        try:
            while True:
                changed = self._changed
                if told != self._book.version:
                    told = self._book.version
                    await response.write(f"event: changed\ndata: {told}\n\n".encode())
                    await asyncio.sleep(TOLD_SECONDS)
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    await response.write(b": still here\n\n")
        except ConnectionError:
            return response
        finally:
            self._listeners -= 1

    async def _login(self, request: web.Request) -> web.Response:
        if self._may_look(request):
            raise web.HTTPSeeOther("/")
        return self._page(request, "login", wrong=False)

    async def _let_in(self, request: web.Request) -> web.Response:
        given = str((await request.post()).get("token", ""))
        if not _same(given, self._token):
            log.warning("a wrong token was given", peer=request.remote)
            await asyncio.sleep(1.0)
            return self._page(request, "login", status=403, wrong=True)
        response = web.HTTPSeeOther("/")
        response.set_cookie(
            COOKIE, self._cookie, httponly=True, samesite="Strict", secure=request.secure, path="/"
        )
        raise response

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive" if self._caught_up() else "reading"})


def _same(given: str, wanted: str) -> bool:
    """Compare without telling by the time it takes how much was right."""
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _is_local(host: str) -> bool:
    """Say whether a request's Host names this machine itself."""
    name = urlsplit(f"//{host}").hostname
    return name in LOCAL
