"""Both reports in a real browser: offline, with no request, readable by whoever reads otherwise."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from axe_playwright_python.async_playwright import Axe
from needs import lacking
from playwright.async_api import Page, async_playwright
from test_report import findings
from typer.testing import CliRunner

from stream.backtest.report import page as backtest_page
from stream.cli import cli
from stream.report.pages import written
from stream.report.words import named
from stream.wire.times import iso

HOSTILE = {
    "script": '<script>document.title = "owned"</script>',
    "attribute": '"><img src=x onerror=alert(1)>',
    "rtl": "a\u202egnp.exe",
    "party": "\N{GRINNING FACE} party",
    "long": "x" * 500,
    "svg": "</title></svg><script>alert(1)</script>",
}
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1100, "height": 900}},
    "phone": {"viewport": {"width": 360, "height": 740}},
    "dark": {"viewport": {"width": 1100, "height": 900}, "color_scheme": "dark"},
}
START = 1_735_603_200_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return both reports, of a log and a policy whose every name would do harm."""
    folder = tmp_path_factory.mktemp("reports")
    log, replayed, backtested = (folder / name for name in ("log.jsonl", "r.html", "b.html"))
    log.write_bytes(
        b"\n".join(
            orjson.dumps(
                {
                    "type": "track",
                    "userId": who,
                    "event": who[:100],
                    "messageId": f"{number}-{day}",
                    "timestamp": iso(START + (day * (number + 1)) * DAY_MS),
                    "context": {"traits": {"plan": who[:100]}},
                }
            )
            for number, who in enumerate(HOSTILE.values())
            for day in range(40 // (number + 1))
        )
        + b"\nnonsense <script>alert(1)</script>"
    )
    policy = folder / "policy.toml"
    policy.write_text('[slipping]\nhorizon = "30d"\n')
    done = CliRunner().invoke(
        cli, ["replay", str(log), "--policy", str(policy), "--report", str(replayed)]
    )
    assert done.exit_code == 0, done.output
    found = findings(HOSTILE["script"])
    stories = [
        msgspec.structs.replace(
            found.stories[number % len(found.stories)], customer_id=who, reasons=[f"Saw {who}."]
        )
        for number, who in enumerate([*HOSTILE.values(), 5_000 * "y"])
    ]
    found = msgspec.structs.replace(found, stories=stories)
    backtested.write_bytes(written(backtest_page(found)))
    return {"replay": replayed, "backtest": backtested}


@asynccontextmanager
async def opened(file: Path, **screen: Any) -> AsyncIterator[tuple[Page, list[str]]]:
    """Open a file in a real Chromium without a network; note what else it asks for."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        lacking("Chromium is not installed: apt-get install chromium")
    asked: list[str] = []
    async with async_playwright() as programs:
        # Its sandbox needs what a container does not give; it visits nobody but us.
        chromium = await programs.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            context = await chromium.new_context(offline=True, **screen)
            page = await context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            for fault in ("pageerror", "dialog"):
                page.on(fault, lambda said: asked.append(f"fault: {said}"))  # type: ignore[call-overload]
            page.on("console", lambda said: asked.append(f"console: {said.text}"))
            await page.goto(file.as_uri())
            yield page, asked
        finally:
            await chromium.close()


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("report", ["replay", "backtest"])
async def test_a_report_opens_offline_and_can_be_read_by_anybody(
    reports: dict[str, Path], report: str, screen: str
) -> None:
    """It asks for nothing; no wider than the screen; axe finds nothing; names are text."""
    async with opened(reports[report], **SCREENS[screen]) as (page, asked):
        assert asked == [reports[report].as_uri()]
        assert await page.locator("h1").count() == 1
        width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0
        assert await page.title() != "owned"
        assert await page.locator("img, script, iframe").count() == 0
        shown = await page.locator("svg.chart:visible").count()
        assert 0 < shown < await page.locator("svg.chart").count()
        for details in await page.locator("details").all():
            await details.evaluate("element => element.open = true")
        found = await Axe().run(page)
        assert [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == []
        assert asked == [reports[report].as_uri()]


async def test_whoever_a_story_is_about_is_named_as_text(reports: dict[str, Path]) -> None:
    """Read as it is spelt: from left to right, and not for ever."""
    async with opened(reports["backtest"], **SCREENS["phone"]) as (page, _):
        said = await page.locator("article h4").all_inner_texts()
        assert sorted(said) == sorted(named(who) for who in [*HOSTILE.values(), 5_000 * "y"])
        assert "a\\u202egnp.exe" in said
        assert max(map(len, said)) <= 121


async def test_a_report_can_be_walked_by_keyboard(reports: dict[str, Path]) -> None:
    """The first stop is the list of contents; it leads to a heading that exists."""
    async with opened(reports["backtest"], **SCREENS["desktop"]) as (page, _):
        await page.keyboard.press("Tab")
        target = await page.evaluate("document.activeElement.getAttribute('href')")
        await page.keyboard.press("Enter")
        assert target == "#log"
        top = await page.locator(target).evaluate("element => element.getBoundingClientRect().top")
        assert -1 <= top < 100
        reached = await page.evaluate("""() => {
            const stops = [...document.querySelectorAll('.scroll')];
            return stops.every(stop => stop.tabIndex === 0 && stop.getAttribute('aria-label'));
        }""")
        assert reached


async def test_on_paper_nothing_is_cut(reports: dict[str, Path]) -> None:
    """What scrolls on a screen is written out."""
    async with opened(reports["backtest"], **SCREENS["desktop"]) as (page, _):
        await page.emulate_media(media="print")
        hidden = await page.evaluate("""() => [...document.querySelectorAll('.scroll')]
            .filter(one => getComputedStyle(one).overflowX !== 'visible').length""")
        assert hidden == 0
