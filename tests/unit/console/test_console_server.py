"""The console's server: who may look, what is said of texts that would do harm, and live word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from learned import WEIGHTS, a_model
from lived import PRODUCT, Life
from said import alert
from watched import a_look

from models.warned import WarningFound
from stream.console import server as module
from stream.console.book import Book
from stream.console.chronicle import Chronicle
from stream.console.customer import episodes
from stream.console.health import Health, health
from stream.console.letters import Letters
from stream.console.lookup import Found
from stream.console.pages import environment, visible
from stream.console.past import Past
from stream.console.run import console
from stream.console.server import Server
from stream.detector.alerts import Kind
from stream.engine.exits import Fatal
from stream.settings import Settings, SettingsError
from stream.wire import snapshots
from stream.wire.alerts import encode_alert

TOKEN = "sesame"  # noqa: S105
NOTHING = Past(Found([], whole=True), Found([], whole=True))
HTML = {"Accept": "text/html"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "a\u202egnp.exe",
    "😀 👩‍🚀",
    "שלום",
    "x" * 5_000,
]


def a_book(*names: str) -> Book:
    """Return a book in which these customers are slipping."""
    book = Book()
    for number, name in enumerate(names):
        said = alert(
            customer_id=name,
            episode_id=f"e{number}",
            alert_id=f"e{number}-opened",
            reason_1_text=f"Saw {name}.",
            account_id=name[:50],
            segment=name[:50],
            owner=name[:50],
            play="call",
            play_text=name,
            whats_new=name,
        )
        book.customer(name.encode(), encode_alert(said))
    return book


@asynccontextmanager
async def serving(
    book: Book,
    token: str = "",
    past: Past | Exception = NOTHING,
    chronicle: Chronicle | None = None,
    work: Health | None = None,
) -> AsyncIterator[tuple[Server, str, aiohttp.ClientSession]]:
    """Serve a book and a chronicle; whoever is looked up has this past, and the work goes so."""

    async def lookup(_: str) -> Past:
        if isinstance(past, Exception):
            raise past
        return past

    async def look() -> Health:
        return work or health(a_look(), Letters([], 0, None, whole=True))

    server = Server(
        book,
        chronicle or Chronicle(),
        lookup,
        look,
        product=PRODUCT,
        caught_up=lambda: True,
        told=lambda: True,
        token=token,
    )
    async with server.serve("127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        yield server, address, session


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_a_customer_is_called_is_shown_as_text(name: str) -> None:
    """Ids, segments, owners and plays come from outside."""
    life = Life(name).does([0, 7, 14], "open", traits={"plan": "team", "csm": name})
    life.does([15], "called", account_id=name)
    said = Found([encode_alert(alert(customer_id=name, account_id=name))], whole=True)
    past = life.until(40)._replace(alerts=said)
    async with serving(a_book(name), past=past) as (_, address, session):
        pages = [("/", {}), ("/customer", {"id": name}), ("/accounts", {"id": name[:50]})]
        for path, query in pages:
            async with session.get(address + path, params=query) as answer:
                text = await answer.text()
                assert answer.status == 200
                assert "<script>alert" not in text
                assert "<img" not in text
                assert "\u202e" not in text
                if path == "/customer":
                    assert "<dt><bdi>csm</bdi></dt>" in text
                    assert 'class="chart silence"' in text


def test_what_turns_a_text_about_is_written_as_its_escape() -> None:
    """A name that reads as another one is an attack; a language or a picture is none."""
    assert visible("a\u202egnp.exe\n") == "a\\u202egnp.exe\\n"
    assert visible("שלום 👩‍🚀") == "שלום 👩‍🚀"


async def test_no_page_may_load_or_run_what_is_not_ours() -> None:
    """What slips through the escaping must find nothing that runs it."""
    async with serving(a_book("ann")) as (_, address, session):
        for path in ("/", "/over", "/nowhere", "/static/console.js"):
            async with session.get(address + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/", "/over", "/accounts", "/customer?id=ann", "/retention", "/health", "/live", "/nowhere"],
)
async def test_without_the_token_nobody_sees_anything(path: str) -> None:
    """Every page names customers, and so does the word that something changed."""
    async with serving(a_book("ann"), token=TOKEN) as (_, address, session):
        for headers in (
            {},
            {"Authorization": "Bearer sesam"},
            {"Cookie": f"{module.COOKIE}=sesame"},
        ):
            async with session.get(address + path, headers=headers) as answer:
                assert answer.status == 401
                assert "ann" not in await answer.text()
        async with session.get(address + path, headers=HTML, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login")


async def test_the_token_opens_by_header_and_by_the_form() -> None:
    """Programs have headers, people have browsers, which must not keep the token itself."""
    async with serving(a_book("ann"), token=TOKEN) as (_, address, session):
        async with session.get(f"{address}/", headers={"Authorization": "Bearer sesame"}) as answer:
            assert "ann" in await answer.text()
        async with session.post(f"{address}/login", data={"token": "wrong"}) as answer:
            assert answer.status == 403
        post = {"data": {"token": "sesame"}, "allow_redirects": False}
        async with session.post(f"{address}/login", **post) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            assert "sesame" not in cookie
        kept = {"Cookie": cookie.partition(";")[0]}
        async with session.get(f"{address}/", headers=kept) as answer:
            assert "ann" in await answer.text()


async def test_a_name_made_to_lead_here_shows_nothing() -> None:
    """By DNS rebinding any page on the web could read a console without a token."""
    elsewhere = {"Host": "evil.example"}
    async with (
        serving(a_book("ann")) as (_, address, session),
        session.get(f"{address}/", headers=elsewhere) as answer,
    ):
        assert answer.status == 421
        assert "ann" not in await answer.text()


async def test_beyond_this_machine_a_token_is_needed() -> None:
    """Customers are nobody's business on the network."""
    with pytest.raises(SettingsError, match="token file"):
        await console(Settings(), host="0.0.0.0", port=0, token="", announce=print)  # noqa: S104


async def test_pages_are_told_of_every_change() -> None:
    """Nobody reloads a page that says it is live."""
    book = a_book("ann")
    async with (
        serving(book) as (server, address, session),
        session.get(f"{address}/live") as stream,
    ):
        assert await stream.content.readline() == b"event: changed\n"
        await stream.content.readuntil(b"\n\n")
        book.customer(b"ann", None)
        server.changed()
        async with asyncio.timeout(5):
            assert await stream.content.readline() == b"event: changed\n"


async def test_open_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a connection."""
    monkeypatch.setattr(module, "LISTENERS_MAX", 1)
    async with (
        serving(a_book()) as (_, address, session),
        session.get(f"{address}/live"),
        session.get(f"{address}/live") as second,
    ):
        assert second.status == 503


async def test_empty_pages_say_what_to_do() -> None:
    """An empty page is where people begin."""
    async with serving(Book()) as (_, address, session):
        for path, words in (
            ("/", "slipaway doctor"),
            ("/accounts", "[accounts]"),
            ("/?segment=x", "Show all"),
            ("/model", "No model has been published yet"),
            ("/retention", "No period has been counted yet"),
            ("/retention", "No episode has been told of yet"),
            ("/health", "--worker http://HOST:8080"),
            ("/health", "slipaway doctor"),
            ("/health", "No event had to be put aside"),
            ("/customer?id=nobody", "exactly the one in the events"),
        ):
            async with session.get(address + path) as answer:
                assert words in await answer.text()
        async with session.get(f"{address}/customer") as answer:
            assert answer.status == 404


async def test_the_model_has_a_page() -> None:
    """Who does not trust it may look at it."""
    book = Book()
    for day in (1, 2):
        book.snapshot(b"", snapshots.encode(a_model(day, lapse=WEIGHTS, log_losses={"x": day / 9})))
    async with serving(book) as (_, address, session), session.get(f"{address}/model") as answer:
        text = await answer.text()
        assert "900 silences" in text
        assert "<polyline" in text
        assert "-2.00" in text


async def test_the_model_says_what_came_of_warnings() -> None:
    """With the name as the product's events have it, whatever is in it."""
    book = Book()
    found = WarningFound(resolved=40.2, left=0.75, by_silence=0.1, adds=0.7)
    book.snapshot(b"", snapshots.encode(a_model(1, warnings={"cancel <b>page</b>": found})))
    async with serving(book) as (_, address, session), session.get(f"{address}/model") as answer:
        text = await answer.text()
        assert "cancel &lt;b&gt;page&lt;/b&gt;" in text
        assert "75% of 40" in text.replace("\N{NO-BREAK SPACE}", "").replace(" %", "%")


def test_every_template_escapes() -> None:
    """Also the one that somebody adds tomorrow."""
    assert environment().autoescape is True


def test_episodes_are_put_together_the_latest_first() -> None:
    """An alert comes again after a kill, and is one all the same."""
    said = [
        alert(episode_id="1", alert_id="1-opened", kind=Kind.OPENED, time=1),
        alert(episode_id="1", alert_id="1-recovered", kind=Kind.RECOVERED, time=2),
        alert(episode_id="2", alert_id="2-opened", kind=Kind.OPENED, time=5),
    ]
    values = [encode_alert(one) for one in (*said, said[0])]
    found = episodes([*values, b"no alert"])
    assert [(one.first.episode_id, len(one.alerts), one.open) for one in found] == [
        ("2", 1, True),
        ("1", 2, False),
    ]


async def test_what_kafka_refuses_is_said_on_the_page() -> None:
    """An operator reads it there, and not the log."""
    refused = Fatal("We may not read topic x. Operator action: allow it.")
    for error, words in ((refused, "allow it"), (TimeoutError(), "does not answer")):
        async with (
            serving(a_book("ann"), past=error) as (_, address, session),
            session.get(f"{address}/customer?id=ann") as answer,
        ):
            assert answer.status == 503
            assert words in await answer.text()
