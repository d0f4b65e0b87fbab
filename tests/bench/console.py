"""What somebody waits for before a console of ten thousand open episodes, in a real Chromium.

The console's own server over its own book, filled as from the topic, and a browser that never
saw the page before: until something is painted, from a choice to the rows it leaves, from word
of a change to the page that has it, and what keeps the page from answering meanwhile.  The
browser's own clock takes the times.  Server, browser and whoever drives it share the machine.
"""

import asyncio
import random
import shutil
from collections.abc import Iterator
from statistics import median
from typing import Any

import orjson
from playwright.async_api import Browser, Page, async_playwright

from stream.console.book import Book
from stream.console.chronicle import Chronicle
from stream.console.health import Health
from stream.console.past import Past
from stream.console.server import Server
from stream.detector.alerts import Alert, Kind, Severity, Trigger
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.wire.alerts import encode_alert
from stream.wire.policy_file import PolicyFile
from tests.bench.child import YARDSTICK, ChildFailedError, call
from tests.bench.figure import Figure, Size
from tests.bench.tracks import START_MS

EPISODES = {Size.TINY: 300, Size.QUICK: 10_000, Size.NORMAL: 10_000, Size.FULL: 100_000}
ROUNDS = {Size.TINY: 1, Size.QUICK: 3, Size.NORMAL: 15, Size.FULL: 15}
SEGMENTS = ("trial", "team", "enterprise", "education", "")
OWNERS = 20
WAITS = {"first_paint": "< 1000", "choice": "", "change": ""}
"""What somebody waits for, and its target."""
CHOICES = (("segment", "team"), ("trigger", "silence"), ("segment", ""), ("trigger", ""))
"""Made one after the other, in vain none of them: what changes at the end is shown again."""
PATIENCE_SECONDS = 120.0
"""Of a round; without an end, who waits for what never comes waits for ever."""
SCREEN = {"width": 1280, "height": 800}

# What is asked of the page; each answers with milliseconds.
PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
  const first = list.getEntries().find((one) => one.name === "first-contentful-paint");
  if (first) done(first.startTime);
}).observe({ type: "paint", buffered: true }))"""
CHOSEN = """([name, value]) => new Promise((done) => {
  const choice = document.getElementById(`choice-${name}`), began = performance.now();
  new MutationObserver((_, watcher) => {
    watcher.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  }).observe(document.getElementById("found"), { childList: true, subtree: true });
  choice.value = value;
  choice.dispatchEvent(new Event("input", { bubbles: true }));
})"""
SHOWN = """(name) => new Promise((done) => {
  const look = () => document.querySelector("a.who").textContent === name
    ? done(performance.timeOrigin + performance.now()) : requestAnimationFrame(look);
  look();
})"""
SCROLLED = """() => new Promise((done) => {
  const step = () => {
    const before = scrollY;
    scrollBy(0, 120);
    scrollY === before ? done() : requestAnimationFrame(step);
  };
  step();
})"""


def measure(size: Size) -> Iterator[Figure]:
    """Give what is waited for, the median over rounds; of tasks, the worst."""
    took = call(look, episodes=EPISODES[size], rounds=ROUNDS[size])
    detail = {"episodes": EPISODES[size], "rounds": ROUNDS[size], YARDSTICK: took[YARDSTICK]}
    for name, target in WAITS.items():
        times = took[name]
        yield Figure(
            name=f"console.{name}",
            value=median(times),
            unit="ms",
            target=target,
            detail={**detail, "max": round(max(times))},
        )
    wall = round(max(took["longest_task_wall"]))
    yield Figure(
        name="console.longest_task",
        value=max(took["longest_task"]),
        unit="ms",
        target="< 100",
        detail={**detail, "clock": "CPU", "wall_ms": wall},
    )


def look(episodes: int, rounds: int) -> dict[str, Any]:
    """Open a console of so many episodes, use it as people do, and give all times (ms)."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise ChildFailedError("Chromium is not installed: apt-get install chromium")
    return asyncio.run(_look(found, episodes, rounds))


async def _look(program: str, episodes: int, rounds: int) -> dict[str, Any]:
    book, draw = Book(), random.Random(1)
    for number in range(episodes):
        _tell(book, _alert(number, draw))
    server = Server(
        book,
        Chronicle(),
        _nobody,
        _nothing,
        product=PolicyFile(policy=Policy()),
        caught_up=lambda: True,
        told=lambda: True,
    )
    took: dict[str, list[float]] = {
        name: []
        for name in ("first_paint", "choice", "change", "longest_task", "longest_task_wall")
    }
    async with server.serve("127.0.0.1", 0) as address, async_playwright() as programs:
        # Its sandbox needs what a container does not give; it visits nobody but us.
        browser = await programs.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for number in range(rounds):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await _once(browser, address, book, server, took, episodes + number, draw)
        await browser.close()
    return took


async def _once(
    browser: Browser,
    address: str,
    book: Book,
    server: Server,
    took: dict[str, list[float]],
    number: int,
    draw: random.Random,
) -> None:
    """Open the page as for the first time, choose, scroll, and have something change."""
    context = await browser.new_context(viewport=SCREEN)
    page = await context.new_page()
    await page.goto(address)
    took["first_paint"].append(await page.evaluate(PAINTED))
    await page.locator("#link", has_text="live").wait_for()
    await browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    for choice, value in CHOICES:
        took["choice"].append(await page.evaluate(CHOSEN, [choice, value]))
    await page.evaluate(SCROLLED)
    took["change"].append(await _change(page, book, server, number, draw))
    for name, longest in _longest(await browser.stop_tracing()).items():
        took[name].append(longest)
    await context.close()


def _longest(trace: bytes) -> dict[str, float]:
    """Give the longest task of the page's own thread in a trace, by its CPU and by the wall."""
    events = orjson.loads(trace)["traceEvents"]
    pages = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event
        for event in events
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) in pages
    ]
    return {
        "longest_task": max(event["tdur"] for event in tasks if "tdur" in event) / 1_000,
        "longest_task_wall": max(event["dur"] for event in tasks if "dur" in event) / 1_000,
    }


async def _change(
    page: Page, book: Book, server: Server, number: int, draw: random.Random
) -> float:
    """Have somebody slip away who stands first, and give how long it took to be seen."""
    newest = _alert(number, draw, risk=1.0, value=1e9 + number)
    seen = asyncio.create_task(page.evaluate(SHOWN, newest.customer_id))
    began = await page.evaluate("performance.timeOrigin + performance.now()")
    _tell(book, newest)
    server.changed()
    return float(await seen) - float(began)


def _tell(book: Book, alert: Alert) -> None:
    book.customer(alert.customer_id.encode(), encode_alert(alert))


def _alert(
    number: int, draw: random.Random, risk: float | None = None, value: float | None = None
) -> Alert:
    """Give an open episode as long as alerts usually are."""
    silent = draw.randrange(5, 30)
    risk = draw.random() if risk is None else risk
    return Alert(
        customer_id=f"customer-{number:06}",
        time=START_MS - number * DAY_MS // 1_000,
        kind=draw.choice([Kind.OPENED, Kind.ESCALATED]),
        alert_id=f"{number:024x}-opened",
        episode_id=f"{number:024x}",
        account_id=f"account-{number // 20}",
        severity=draw.choice(list(Severity)),
        trigger=draw.choice([Trigger.SILENCE, Trigger.SILENCE, Trigger.DECLINE, Trigger.WARNING]),
        risk=risk,
        silent_for_seconds=silent * DAY_MS // 1_000,
        usual_gap_seconds=2 * DAY_MS // 1_000,
        expected_by=START_MS,
        drop_ratio=None,
        reason_1="silence",
        reason_1_text=f"Usually back every 2.0 days, silent for {silent} days.",
        reason_2="longest_silence",
        reason_2_text="Never silent this long before: the longest was 4.1 days.",
        reason_3="",
        reason_3_text="",
        segment=draw.choice(SEGMENTS),
        play="call",
        play_text="Call them, and begin with what they did last.",
        value=draw.lognormvariate(5, 1) if value is None else value,
        owner=f"owner-{draw.randrange(OWNERS)}",
        backfill=False,
        model_version="warm-20000-0123456789",
        policy_version="0123456789ab",
    )


async def _nothing() -> Health:
    raise AssertionError("nobody asks how the work goes")


async def _nobody(_customer_id: str) -> Past:
    raise AssertionError("no page of a customer is opened")
