"""The console in a real browser, over a real broker, of what a real worker says."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from axe_playwright_python.async_playwright import Axe
from lived import HORIZON_DAYS, Life
from lived import POLICY as POLICY_OF_LIVES
from lived import START as LIFE_START
from needs import lacking
from playwright.async_api import Page, async_playwright, expect
from said import alert
from worker_process import PARTITIONS, TOPICS, create, producer, worker

from models.snapshots import Reliability, Snapshot, cold
from stream.broker import LocalBroker
from stream.console.lookup import PIECES, Rows, newest
from stream.detector.alerts import Kind
from stream.detector.errors import BadEvent, Code
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.detector.turnover import Counted, Counts
from stream.engine.connection import Connection
from stream.engine.position import Position, pack_position, position_key
from stream.wire import snapshots
from stream.wire.alerts import encode_alert
from stream.wire.dead_letters import dead_letter, dead_letter_headers
from stream.wire.retained import encode_retained
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

POLICY = """
[events]
warning = ["cancel"]

[time]
allowed_lateness = "1s"

[[segment]]
name = "trial"
where = {plan = "trial"}

[[segment]]
name = "paying"
where = {plan = ["team", "enterprise"]}

[[play]]
name = "call"
trigger = ["warning"]
say = "Call them: they looked at how to leave."
"""
START = 1_700_000_000_000
PLANS = {"ann": "trial", "bob": "team", "<script>alert(1)</script>": "team"}
HOSTILE = ['"><img src=x onerror=alert(1)>', "a\u202egnp.exe", "😀 party", "x" * 5_000]
SHOWN = (
    "customers", "alerts", "holdout", "accounts", "usage", "model", "state", "retention",
    "dead_letters",
)  # fmt: skip
SECONDS_MAX = 10
"""For a change to be seen on a crowded machine; without word it would be never."""
LOOK_SECONDS_MAX = 60
"""For a page that looks again every few seconds."""
PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def browser(**kind: object) -> AsyncIterator[Page]:
    """Open a page of a real Chromium; whatever goes wrong in it fails the test."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        lacking("Chromium is not installed: apt-get install chromium")
    async with async_playwright() as programs:
        # Its sandbox needs what a container does not give; it visits nobody but us.
        chromium = await programs.chromium.launch(executable_path=found, args=["--no-sandbox"])
        context = await chromium.new_context(**kind)  # type: ignore[arg-type]
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        try:
            yield page
        finally:
            await chromium.close()
        assert not faults


@contextmanager
def console(broker: LocalBroker, names: dict[str, str], *more: str, raw: str = "") -> Iterator[str]:
    """Run the console over these topics, as a worker's settings name them; give its address."""
    knobs = {f"SLIPAWAY_TOPICS__{name.upper()}": topic for name, topic in names.items()}
    knobs["SLIPAWAY_BOOTSTRAP_SERVERS"] = broker.bootstrap
    knobs |= {"SLIPAWAY_APP_ID": names["usage"], "SLIPAWAY_TOPICS__SOURCES": raw}
    process = subprocess.Popen(
        [sys.executable, "-m", "stream", "console", "--port", "0", *more],
        env={**os.environ, **knobs},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        while not (found := re.search(r"(http://\S+)/$", said)):
            line = process.stderr.readline()
            assert line, said
            said = line.rstrip()
        yield found[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Product:
    """Customers who do something every day."""

    def __init__(self, broker: LocalBroker, raw: str) -> None:
        """Begin at the first day."""
        self._broker = broker
        self._raw = raw
        self._day = 0

    async def day(self, event: str, *who: str) -> None:
        """Send the events of a day, and what shows that it is over."""
        at = START + self._day * DAY_MS
        self._day += 1
        async with producer(self._broker) as sender:
            for name in (*who, "clock"):
                late = 60_000 if name == "clock" else 0
                told = {"userId": name, "timestamp": iso(at + late)}
                if name in PLANS:
                    plan = {"plan": PLANS[name]}
                    await self._send(sender, told | {"type": "identify", "traits": plan})
                done = "open" if name == "clock" else event
                await self._send(sender, told | {"type": "track", "event": done})

    def pass_over(self, days: int) -> None:
        """Let days pass in which nobody does anything."""
        self._day += days

    async def nonsense(self, text: str) -> None:
        """Send what is no event."""
        async with producer(self._broker) as sender:
            await sender.send_and_wait(self._raw, text.encode(), partition=0)

    async def _send(self, sender: AIOKafkaProducer, said: dict[str, object]) -> None:
        await sender.send_and_wait(self._raw, json.dumps(said).encode(), partition=0)


async def hostile(broker: LocalBroker, names: dict[str, str]) -> None:
    """Publish alerts on customers whose names would do harm."""
    async with producer(broker) as sender:
        for number, name in enumerate(HOSTILE):
            said = alert(
                customer_id=name,
                episode_id=f"e{number}",
                alert_id=f"e{number}-opened",
                reason_1_text=f"Saw {name}",
                segment=name[:300],
                play="x",
                play_text=name,
            )
            for topic in (names["customers"], names["alerts"]):
                await sender.send_and_wait(topic, encode_alert(said), key=name.encode())
            await _lived(sender, names, name)
            bad = BadEvent(Code.NOT_JSON, f"Saw {name}")
            letter = dead_letter(
                bad, topic="raw", partition=0, offset=number, stage="decode", failed_at=START,
                app_version="1",
            )  # fmt: skip
            headers = dead_letter_headers(letter)
            await sender.send_and_wait(names["dead_letters"], name.encode(), headers=headers)
        await sender.send_and_wait(names["model"], snapshots.encode(_model()), key=b"model")
        for month in range(3):
            begin = START + month * 31 * DAY_MS
            segments = {name[:300]: Counts(at_start=9, lapsed=month) for name in HOSTILE}
            counted = Counted(begin, begin + 31 * DAY_MS, segments)
            key, value = encode_retained(counted, Policy(), 0)
            await sender.send_and_wait(names["retention"], value, key=key)


async def _lived(sender: AIOKafkaProducer, names: dict[str, str], name: str) -> None:
    """Have a customer been here, and its worker have saved what it knows, traits and all."""
    life = Life(name).does(range(0, 30, 3), traits={"plan": "team", "csm": name[:300]})
    past = life.does([29], "called").until(45)
    assert past.row is not None
    assert past.reached is not None
    for value in past.usage.values:
        await sender.send_and_wait(names["usage"], value, key=name.encode())
    where = await sender.send_and_wait(names["state"], past.row, key=name.encode())
    await sender.send_and_wait(
        names["state"],
        pack_position(Position(len(past.usage.values), past.reached)),
        key=position_key(names["usage"]),
        partition=where.partition,
    )


def _model() -> Snapshot:
    """Return a model of which something is known."""
    first = cold(HORIZON_DAYS, 2.5)
    tenths = (10.0,) * 10
    said = tuple(number + 0.5 for number in range(10))
    return msgspec.structs.replace(
        first,
        effective_from=LIFE_START,
        log_losses={"newton": 0.3, "prior": 0.4},
        reliability=Reliability(labels=tenths, said=said, came=said),
        false_alarms_measured=0.04,
    )


async def no_serious_violation(page: Page) -> None:
    """Ask axe-core."""
    found = await Axe().run(page)
    bad = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    assert not bad, bad


async def test_who_is_slipping_is_seen_as_it_is_said(
    broker: LocalBroker, unique: str, tmp_path: Path
) -> None:
    """A warning reaches the open page without a reload; who comes back leaves it."""
    names = {name: f"{unique}.{name.replace('_', '-')}" for name in TOPICS}
    raw = f"{unique}.raw"
    await create(broker, raw, {"retention.ms": "-1"})
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    product = Product(broker, raw)
    more = {"POLICY": str(policy), "PUBLISH_BACKFILL": "true"}
    with worker(broker, names, raw, tmp_path, **more) as process:
        await process.ready()
        options = ("--policy", str(policy), "--worker", process.address)
        with console(broker, names, *options, raw=raw) as address:
            async with browser(timezone_id="Pacific/Auckland") as page:
                await page.goto(address)
                await expect(page.locator(".empty")).to_contain_text("Nobody is slipping")
                await expect(page.locator("#link")).to_have_text("live")
                await page.evaluate("window.here = true")  # a reload would forget it
                for _ in range(3):
                    await product.day("open", *PLANS)
                await product.day("cancel", *PLANS)
                await product.day("open")
                rows = page.locator("tbody tr")
                await expect(rows).to_have_count(len(PLANS), timeout=SECONDS_MAX * 1000)
                await expect(rows.first).to_contain_text("Call them")
                assert await page.evaluate("window.here") is True
                await _choose(page, address)
                await _read(page)
                await no_serious_violation(page)
                await page.goto(address)
                for _ in range(6):
                    await product.day("open", "bob")
                left = len(PLANS) - 1
                await expect(rows).to_have_count(left, timeout=SECONDS_MAX * 1000)
                await page.goto(f"{address}/over")
                await expect(rows.first).to_contain_text("recovered")
                await _stays(page, address, product)
                await _works(page, address, product)


async def _stays(page: Page, address: str, product: Product) -> None:
    """Let a month be over of whose customers some have stayed, and read it as it is told."""
    await page.goto(f"{address}/retention")
    await expect(page.locator("#stayed .empty")).to_contain_text("No period has been counted yet")
    product.pass_over(30)
    await product.day("open", *PLANS)  # Christmas Eve
    product.pass_over(24)
    await product.day("open", "bob")
    product.pass_over(17)
    await product.day("open")
    await expect(page.locator("#stayed .lead")).to_have_text(
        "Of 4 customers at the begin of the month of 2024-01-01, 50.0\N{NO-BREAK SPACE}% still"
        " were at its end.",
        timeout=LOOK_SECONDS_MAX * 1000,
    )
    trial = page.locator("#stayed table").nth(1).get_by_role("row").filter(has_text="trial")
    await expect(trial).to_contain_text("0.0")
    opened = page.locator("#course table").first.locator("tbody tr").last
    await expect(opened).to_contain_text("2023-11-13")
    await page.get_by_role("link", name="month").click()
    await expect(page.locator("#course-table")).to_contain_text("By month")
    await page.get_by_role("link", name="trial").click()
    assert page.url == f"{address}/retention?by=month&segment=trial"
    await no_serious_violation(page)


async def _works(page: Page, address: str, product: Product) -> None:
    """See who has which partition, and within seconds what could not be used, as text."""
    await page.goto(f"{address}/health")
    await expect(page.locator("#partitions tbody tr")).to_have_count(PARTITIONS + 1)
    await expect(page.locator("#partitions .bad")).to_have_count(0)
    await expect(page.locator("#workers .good")).to_have_text("ready")
    await expect(page.locator("#letters .empty")).to_be_visible()
    await product.nonsense(HOSTILE[0])
    await expect(page.locator("#letters h3")).to_have_text(
        "not_json · 1", timeout=LOOK_SECONDS_MAX * 1000
    )
    await expect(page.locator("#letters .sample")).to_have_text(HOSTILE[0])
    await no_serious_violation(page)


async def _choose(page: Page, address: str) -> None:
    """Choose by the keyboard alone; the choice is in the address, and holds when it is opened."""
    await page.locator("#choice-segment").focus()
    await page.keyboard.type("trial")
    await page.keyboard.press("Tab")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(1)
    assert page.url == f"{address}/?segment=trial"
    await page.reload()
    await expect(rows).to_have_count(1)
    await page.locator("input[name=find]").fill("nobody")
    await expect(page.locator(".empty")).to_contain_text("Nobody who is slipping matches")
    await page.get_by_role("link", name="Show all").first.click()
    await expect(rows).to_have_count(len(PLANS))


async def _read(page: Page) -> None:
    """Go to one customer by the keyboard, and read why."""
    await page.get_by_role("link", name="ann").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("ann")
    await expect(page.locator(".play")).to_contain_text("Call them")
    await expect(page.locator("svg.timeline title").first).to_contain_text("4 visits")
    await _until_saved(page)
    await expect(page.locator("svg.silence title")).to_contain_text("of their own")
    await expect(page.locator(".legend.tail")).to_be_visible()
    await expect(page.locator(".notice")).to_have_count(0)
    bar = page.locator("svg.timeline .use title").first
    # Of the reader's zone, where that day began 13 hours sooner.
    await expect(bar).to_have_text(re.compile("Nov 15, 2023, 11:13.AM: 1 event"))
    await expect(page.locator("ol.episodes > li")).to_have_count(1)


async def _until_saved(page: Page) -> None:
    """Look again until the worker has saved the customer, which it does each second."""
    until = time.monotonic() + SECONDS_MAX
    while not await page.locator("svg.silence").count():
        assert time.monotonic() < until, await page.inner_text("main")
        await page.reload()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "desk"])
async def test_names_that_would_do_harm_are_text_on_every_screen(
    broker: LocalBroker, unique: str, tmp_path: Path, scheme: str, size: dict[str, int]
) -> None:
    """No script runs, nothing is wider than the screen, and who cannot see it can hear it."""
    names = {name: f"{unique}.{name.replace('_', '-')}" for name in TOPICS}
    for topic in SHOWN:
        await create(broker, names[topic], {})
    await hostile(broker, names)
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY_OF_LIVES)
    with console(broker, names, "--policy", str(policy)) as address:
        async with browser(color_scheme=scheme, viewport=size) as page:
            await page.goto(address)
            await expect(page.locator("tbody tr")).to_have_count(len(HOSTILE))
            addresses = await page.locator("a.who").evaluate_all("all => all.map(one => one.href)")
            others = [f"{address}/{name}" for name in ("retention", "health", "accounts", "model")]
            for number, place in enumerate([address, *others, *addresses]):
                await page.goto(place)
                width = await page.evaluate("document.documentElement.scrollWidth")
                assert width <= size["width"], place
                await no_serious_violation(page)
                if place in addresses:
                    await expect(page.locator("svg.silence")).to_have_count(1)
                    await expect(page.get_by_text("csm")).to_have_count(1)
                if number <= len(others) + 1:
                    kind = f"{'phone' if size is PHONE else 'desk'}-{scheme}"
                    await page.screenshot(path=tmp_path / f"{number}-{kind}.png", full_page=True)
            text = await page.goto(addresses[0])
            assert text is not None
            assert "<img src=x" not in await text.text()


async def test_a_row_is_found_however_far_from_the_end(broker: LocalBroker, unique: str) -> None:
    """The latest one counts; who was erased has none; and so has who never was."""
    await create(broker, unique, {"cleanup.policy": "compact"})
    async with producer(broker) as sender:
        said = [(b"ann", b"old"), (b"ann", b"new"), (b"bob", b"x"), (b"bob", None), (b"cy", b"y")]
        others = [(b"%d" % number, b"-") for number in range(PIECES[0] + 500)]
        for key, value in (*said, *others, (b"cy", b"z")):
            await sender.send(unique, value, key=key)
        await sender.flush()
    found = await newest(Connection(bootstrap=broker.bootstrap), unique, b"ann", [b"bob", b"cy"])
    assert found == Rows({b"ann": b"new", b"cy": b"z"}, whole=True)
    found = await newest(Connection(bootstrap=broker.bootstrap), unique, b"nobody")
    assert found == Rows({}, whole=True)


async def test_a_token_is_asked_for_where_one_is_set(
    broker: LocalBroker, unique: str, tmp_path: Path
) -> None:
    """The form lets in who has it, for as long as the browser is open."""
    names = {name: f"{unique}.{name.replace('_', '-')}" for name in TOPICS}
    for topic in SHOWN:
        await create(broker, names[topic], {})
    secret = tmp_path / "token"
    secret.write_text("sesame\n")
    async with producer(broker) as sender:
        said = encode_alert(alert(customer_id="ann", kind=Kind.OPENED))
        await sender.send_and_wait(names["customers"], said, key=b"ann")
    with console(broker, names, "--token-file", str(secret)) as address:
        async with browser() as page:
            await page.goto(address)
            await expect(page).to_have_url(f"{address}/login")
            await page.get_by_label("Token").fill("sesame")
            await page.keyboard.press("Enter")
            await expect(page.locator("a.who")).to_have_text("ann")
            await no_serious_violation(page)
