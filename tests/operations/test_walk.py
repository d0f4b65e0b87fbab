"""A new operator's walk: what the pages of operations say to type, and what is seen then.

One broker, one worker with a product's use, one Prometheus, all started as
deploy/README.md says; then every other command of the pages, one after the other.
"""

import asyncio
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
import scraping
from aiokafka import AIOKafkaProducer
from needs import ROOT, lacking
from page_commands import ANSWERS, BROKER, IN_ORDER
from programs import RULES, promtool
from started import free_ports, running
from typed import commands
from worker_process import get, until

from stream.broker.local import _free_port
from stream.demo.feed import message
from stream.demo.simulate import simulate

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PAGE = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
MINUTES = PAGE.partition("## Ten minutes")[2].partition("\n## ")[0]
ASKED = re.findall(r"^\| [^|]+ \| `([^`]+)` \|", MINUTES, re.MULTILINE)
DEMO_POLICY = ROOT / "stream" / "demo" / "policy.toml"
SEEN_SECONDS_MAX = 240
TYPED_SECONDS_MAX = 180
WATERMARK = "slipaway_watermark_timestamp_seconds"
STORM, ASKING = 160, 16
WRAPPED = Path("deploy/kubernetes/prometheus/rules.yaml")
ENDPOINTS = """
[[endpoint]]
name = "crm"
url = "https://crm.example.com/hooks"
secrets = ["env:CRM_SECRET"]
"""


@dataclass
class Site:
    """What the ten minutes come to."""

    folder: Path
    """Where commands are typed: with the files that they name."""
    environment: dict[str, str]
    prometheus: str = ""
    web: str = ""
    worker: ExitStack = field(default_factory=ExitStack)
    meant: dict[str, str] = field(
        default_factory=lambda: {
            "LOG": "events.jsonl",
            "FILE": "policy.toml",
            "ROLE": "worker",
            "NAME": "crm",
        }
    )
    """What stands for what a page leaves open."""

    def started(self) -> None:
        """Start the worker, for the first time or anew."""
        self.worker.close()
        command = words_of(IN_ORDER[2])
        log = self.folder / "run.log"
        self.worker.enter_context(running(command, log, self.environment))

    def typed(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command of a page, its placeholders filled in."""
        return subprocess.run(
            [self.meant.get(word, word) for word in words_of(command)],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=TYPED_SECONDS_MAX,
            check=False,
        )


def words_of(command: str) -> list[str]:
    """Return a command as a process is started with it, in the environment that tests have."""
    program, *words = command.split()
    if program == "just":
        return [str(Path(sys.executable).parent / program), *words]
    return [sys.executable, *(words if program == "python" else ["-m", "stream", *words])]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give what whoever reads on from the top of deploy/README.md has before them."""
    folder = tmp_path_factory.mktemp("walk")
    kafka, (web,) = _free_port(), free_ports(1)
    one = Site(
        folder,
        {
            "SLIPAWAY_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
            "SLIPAWAY_WEB_PORT": str(web),
            "CRM_SECRET": "whsec_c2xpcGF3YXktc2xpcGF3YXktc2xpcGF3YXk=",
        },
        web=f"http://127.0.0.1:{web}",
    )
    one.meant["HOST:9092"] = f"127.0.0.1:{kafka}"
    assert commands(MINUTES)[1:] == list(IN_ORDER)
    create, past, _, present = IN_ORDER
    with ExitStack() as stack:
        stack.enter_context(broker(folder / "broker.log", kafka))
        for command in (create, past):
            done = one.typed(command)
            assert done.returncode == 0, done.stderr
        stack.enter_context(one.worker)
        one.started()
        stack.enter_context(running(words_of(present), folder / "present.log", one.environment))
        one.prometheus = stack.enter_context(
            scraping.prometheus(
                folder, rules=RULES.read_text(encoding="utf-8"), jobs={"slipaway": web}
            )
        )
        yield one


@contextmanager
def broker(log: Path, port: int) -> Iterator[None]:
    """Run a broker as the pages say, and wait until it says where it is."""
    command = words_of(BROKER.replace("9092", str(port)))
    with log.open("wb") as file:
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True)
    with popen:
        try:
            assert popen.stdout is not None
            if popen.stdout.readline().strip() != f"127.0.0.1:{port}":  # it waits until it is there
                lacking(log.read_text())
            yield
        finally:
            popen.terminate()


async def test_what_is_promised_is_seen(site: Site) -> None:
    """Lag, freshness, false alarms and alerts, in the order in which the page has them."""
    lag, fresh, right, said = ASKED
    await until(lambda: shown(site, lag) == [0.0], SEEN_SECONDS_MAX)
    await until(lambda: 0 < max(shown(site, fresh), default=0) < 60, SEEN_SECONDS_MAX)
    # As set, and as expected: the past was learned.
    await until(lambda: len(shown(site, right)) >= 2, SEEN_SECONDS_MAX)
    await until(lambda: sum(shown(site, said)) > 0, SEEN_SECONDS_MAX)
    promtool("check", "metrics", given=get(f"{site.web}/metrics"))


async def test_every_command_of_the_pages_does_what_it_is_there_for(site: Site) -> None:
    """Each ends well, and says a word of what its page has it typed for."""
    await asyncio.to_thread(until_ready, site)
    await with_what_they_name(site)
    wrong = []
    for command, (code, word) in ANSWERS.items():
        done = await asyncio.to_thread(site.typed, command)
        answer = done.stdout + done.stderr
        if done.returncode != code or not re.search(word, answer):
            wrong.append(f"{command}: exit {done.returncode}, no {word!r} in:\n{answer}")
        if command == "slipaway dlq list":  # a place that it names
            site.meant["PARTITION:OFFSET"] = answer.split()[-1]
    assert not wrong, "\n".join(wrong)
    assert (site.folder / WRAPPED).read_text() == (ROOT / WRAPPED).read_text()


async def with_what_they_name(site: Site) -> None:
    """Make the files that commands name, and a dead letter to look at."""
    policy = DEMO_POLICY.read_text(encoding="utf-8")
    for name in ("policy.toml", "old.toml"):
        (site.folder / name).write_text(policy)
    (site.folder / "new.toml").write_text(
        policy.replace("customer_month = 0.05", "customer_month = 0.1")
    )
    (site.folder / "endpoints.toml").write_text(ENDPOINTS)
    events = simulate(customers=40, days=60, seed=7)
    log = b"".join(message(event) + b"\n" for event in events)
    (site.folder / "events.jsonl").write_bytes(log)
    for name in ("justfile", "pyproject.toml", "uv.lock", RULES.relative_to(ROOT)):
        (site.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, site.folder / name)
    (site.folder / WRAPPED).parent.mkdir(parents=True, exist_ok=True)
    producer = AIOKafkaProducer(bootstrap_servers=site.environment["SLIPAWAY_BOOTSTRAP_SERVERS"])
    await producer.start()
    try:
        await producer.send_and_wait("slipaway.usage", b"no event", partition=0)
    finally:
        await producer.stop()
    letters = "sum(slipaway_dead_letters_total)"
    await until(lambda: sum(shown(site, letters)) > 0, SEEN_SECONDS_MAX)
    # The past was learned: without a model, the doctor would have more to say.
    await until(lambda: len(shown(site, ASKED[2])) >= 2, SEEN_SECONDS_MAX)


async def test_a_storm_of_requests_holds_up_nothing(site: Site) -> None:
    """Every one is answered, and the work goes on meanwhile: time passes in what they are told."""
    await asyncio.to_thread(until_ready, site)
    answers: list[tuple[int, str]] = []

    async def asks(session: aiohttp.ClientSession) -> None:
        for _ in range(STORM // ASKING):
            async with session.get(f"{site.web}/metrics") as response:
                answers.append((response.status, await response.text()))

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(ASKING):
            group.create_task(asks(session))
    assert Counter(status for status, _ in answers) == {200: STORM}
    assert len({number(page, WATERMARK) for _, page in answers[::ASKING]}) > 1
    assert '"ready"' in get(f"{site.web}/readyz")


async def test_a_worker_that_restores_is_scraped(site: Site) -> None:
    """It answers as soon as it listens, says how far it is, and never stops answering."""
    await asyncio.to_thread(until_ready, site)
    await asyncio.to_thread(site.started)
    pages = await asyncio.to_thread(until_ready, site)
    for page in (pages[0], pages[-1]):
        promtool("check", "metrics", given=page)
    assert number(pages[0], "slipaway_ready") == 0
    assert number(pages[-1], "slipaway_ready") == 1
    assert number(pages[-1], "slipaway_restore_records") > 0
    assert number(pages[-1], "slipaway_restore_remaining_records") == 0


def until_ready(site: Site) -> list[str]:
    """Scrape a worker that restores, again and again; return every page."""
    pages: list[str] = []
    deadline = time.monotonic() + SEEN_SECONDS_MAX
    while not pages or number(pages[-1], "slipaway_ready") == 0:
        assert time.monotonic() < deadline, pages[-1:]
        page = get(f"{site.web}/metrics", or_else="")
        assert page or not pages, "it answered, and then it did not"
        if page:
            pages.append(page)
        time.sleep(0.05)
    return pages


def number(page: str, metric: str) -> float:
    """Return the sum of a metric's series."""
    lines = [line for line in page.splitlines() if re.match(rf"{metric}[{{ ]", line)]
    return sum(float(line.split()[-1]) for line in lines)


def shown(site: Site, expression: str) -> list[float]:
    """Return the numbers that Prometheus answers with."""
    asked = urlencode({"query": expression})
    text = get(f"{site.prometheus}/api/v1/query?{asked}", or_else="")
    if not text.startswith("{"):
        return []  # it starts
    values = [float(one["value"][1]) for one in json.loads(text)["data"]["result"]]
    return [value for value in values if not math.isnan(value)]
