"""A new operator's ten minutes: what deploy/README.md says to type, and what is seen then."""

import asyncio
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest
import scraping
from needs import ROOT, lacking
from programs import RULES, promtool
from started import free_ports, running
from typed import commands
from worker_process import get, until

from stream.broker import JarsMissingError, LocalBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

PAGE = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
MINUTES = PAGE.partition("## Ten minutes")[2].partition("\n## ")[0]
TYPED = [line for line in commands(MINUTES) if line.startswith("slipaway")]
ASKED = re.findall(r"^\| [^|]+ \| `([^`]+)` \|", MINUTES, re.MULTILINE)
SEEN_SECONDS_MAX = 240


@pytest.fixture(scope="module")
def empty_broker() -> Iterator[LocalBroker]:
    """Give a broker without topics, as a reader has it."""
    try:
        local = LocalBroker.start()
    except JarsMissingError as error:
        lacking(str(error))
        raise
    with local:
        yield local


async def test_what_is_promised_is_seen(empty_broker: LocalBroker, tmp_path: Path) -> None:
    """Lag, freshness, false alarms and alerts, in the order in which the page has the commands."""
    (port,) = free_ports(1)
    environment = {
        "SLIPAWAY_BOOTSTRAP_SERVERS": empty_broker.bootstrap,
        "SLIPAWAY_WEB_PORT": str(port),
    }
    create, past, run, present = (
        [sys.executable, "-m", "stream", *line.split()[1:]] for line in TYPED
    )
    for command in (create, past):
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    web = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        for name, command in (("run", run), ("present", present)):
            stack.enter_context(running(command, tmp_path / f"{name}.log", environment))
        rules = RULES.read_text(encoding="utf-8")
        address = stack.enter_context(
            scraping.prometheus(tmp_path, rules=rules, jobs={"slipaway": port})
        )
        lag, fresh, right, said = ASKED
        await until(lambda: shown(address, lag) == [0.0], SEEN_SECONDS_MAX)
        await until(lambda: 0 < max(shown(address, fresh), default=0) < 60, SEEN_SECONDS_MAX)
        # As set, and as expected: the past was learned.
        await until(lambda: len(shown(address, right)) >= 2, SEEN_SECONDS_MAX)
        await until(lambda: sum(shown(address, said)) > 0, SEEN_SECONDS_MAX)
        promtool("check", "metrics", given=get(f"{web}/metrics"))
    with running(run, tmp_path / "again.log", environment):
        pages = await asyncio.to_thread(until_ready, web)
    for page in (pages[0], pages[-1]):
        promtool("check", "metrics", given=page)
    assert number(pages[0], "slipaway_ready") == 0
    assert number(pages[-1], "slipaway_ready") == 1
    assert number(pages[-1], "slipaway_restore_records") > 0
    assert number(pages[-1], "slipaway_restore_remaining_records") == 0


def until_ready(web: str) -> list[str]:
    """Scrape a worker that restores, again and again; return every page."""
    pages: list[str] = []
    deadline = time.monotonic() + SEEN_SECONDS_MAX
    while not pages or number(pages[-1], "slipaway_ready") == 0:
        assert time.monotonic() < deadline, pages[-1:]
        page = get(f"{web}/metrics", or_else="")
        assert page or not pages, "it answered, and then it did not"
        if page:
            pages.append(page)
        time.sleep(0.05)
    return pages


def number(page: str, metric: str) -> float:
    """Return the sum of a metric's series."""
    lines = [line for line in page.splitlines() if re.match(rf"{metric}[{{ ]", line)]
    return sum(float(line.split()[-1]) for line in lines)


def shown(address: str, expression: str) -> list[float]:
    """Return the numbers that Prometheus answers with."""
    text = get(f"{address}/api/v1/query?{urlencode({'query': expression})}", or_else="")
    if not text.startswith("{"):
        return []  # it starts
    values = [float(one["value"][1]) for one in json.loads(text)["data"]["result"]]
    return [value for value in values if not math.isnan(value)]
