"""Outages: what breaks is what somebody is called for, and the first thing to type shows it.

Real processes, a real broker, a real Prometheus, and the real rules: only that every
window and every wait of theirs is shorter, all by one factor.  From the call on,
everything is done as whoever is called would do it: the runbook is opened where the
alert leads, and its first command is run as it stands there.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import scraping
from programs import RULES
from started import free_ports
from supervised import Supervised, supervised
from typed import commands
from worker_process import TOPICS, create, get, producer, until

from models.snapshots import cold, name
from stream.broker import LocalBroker
from stream.demo.feed import message
from stream.demo.simulate import STARTS_AT_MS, simulate
from stream.detector.events import DAY_MS, HOUR_MS
from stream.wire import snapshots
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

FACTOR = 120
HORIZON_DAYS = 20
READY_SECONDS_MAX = 120
FRESH_SECONDS = 30
WATERMARK = "slipaway_watermark_timestamp_seconds"
CALLED_SECONDS_MAX = 180
SHOWN_SECONDS_MAX = 60
TYPED_SECONDS_MAX = 20
POLICY = """
[events]
ignore = ["background_sync"]

[slipping]
horizon = "20d"

[time]
allowed_lateness = "1s"
"""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def shortened(rules: str) -> str:
    """Return the rules with every window and every wait a hundred and twentieth as long."""

    def shorter(found: re.Match[str]) -> str:
        before, number, unit, after = found.groups()
        return f"{before}{int(number) * UNITS[unit] * 1000 // FACTOR}ms{after}"

    return re.sub(r"(\[|\bfor: )(\d+)([smhd])(\]|$)", shorter, rules, flags=re.MULTILINE)


def test_only_windows_and_waits_are_shortened() -> None:
    """Expressions, names and words stay."""
    rules = RULES.read_text(encoding="utf-8")
    short = shortened(rules).splitlines()
    changed = [(a, b) for a, b in zip(rules.splitlines(), short, strict=True) if a != b]
    assert ("        for: 2m", "        for: 1000ms") in changed
    assert all(re.sub(r"\d+(ms|[smhd])", "", a) == re.sub(r"\d+ms", "", b) for a, b in changed)
    assert not re.search(r"\[\d+[smhd]\]|for: \d+[smhd]$", "\n".join(short), re.MULTILINE)


class Site:
    """A worker, who watches it, and who is called."""

    def __init__(
        self, broker: LocalBroker, folder: Path, web: str, environment: dict[str, str]
    ) -> None:
        """Know where everything is."""
        self.broker = broker
        self.folder = folder
        self.web = web
        self.prometheus = ""
        self.environment = environment
        self.worker: Supervised

    def firing(self) -> dict[str, dict[str, Any]]:
        """Return what somebody is called for now, by name."""
        text = get(f"{self.prometheus}/api/v1/alerts", or_else='{"data": {"alerts": []}}')
        alerts = json.loads(text)["data"]["alerts"]
        return {
            alert["labels"]["alertname"]: alert for alert in alerts if alert["state"] == "firing"
        }

    def up_to_date(self) -> bool:
        """Say whether the worker is ready, and its partitions have come up to the clock.

        Before it is watched: a start takes as long as ever, and would be most of a window.
        """
        if '"ready"' not in get(f"{self.web}/readyz", or_else=""):
            return False
        lines = get(f"{self.web}/metrics").splitlines()
        marks = [line.split()[-1] for line in lines if line.startswith(f"{WATERMARK}{{")]
        return bool(marks) and min(map(float, marks)) > now_ms() / 1000 - FRESH_SECONDS

    def watched(self) -> bool:
        """Say whether Prometheus has found the worker, and calls for nothing that it had missed."""
        if "Ready" not in get(f"{self.prometheus}/-/ready", or_else=""):
            return False
        text = get(f"{self.prometheus}/api/v1/query?query=slipaway_ready==1")
        found = json.loads(text)["data"]["result"]
        return bool(found) and "SlipawayNobodyWorks" not in self.firing()

    async def called(self, name: str, *, besides: frozenset[str] = frozenset()) -> list[str]:
        """Wait for a call; return the commands of its runbook, in their order.

        `besides`: what else may be called for, since it is so.
        """
        deadline = time.monotonic() + CALLED_SECONDS_MAX
        while name not in (firing := await asyncio.to_thread(self.firing)):
            assert set(firing) <= besides, firing
            words = f"{name} was not called; but {set(firing)}"
            assert time.monotonic() < deadline, words + (self.folder / "worker.log").read_text()
            await asyncio.sleep(0.5)
        await asyncio.sleep(3)  # whatever is wrong with it would be called now
        firing = await asyncio.to_thread(self.firing)
        assert set(firing) <= {name, *besides}
        return commands(get(firing[name]["annotations"]["runbook_url"]))

    async def shows(self, command: str, words: str) -> None:
        """Type a command until what it prints holds words: sessions have to run out, and so on."""
        deadline = time.monotonic() + SHOWN_SECONDS_MAX
        while not re.search(words, printed := await asyncio.to_thread(self.typed, command)):
            assert time.monotonic() < deadline, printed
            await asyncio.sleep(1)

    def typed(self, command: str) -> str:
        """Return what a command of a runbook prints."""
        program, *arguments = command.replace("HOST:9092", self.broker.bootstrap).split()
        assert program == "slipaway"
        typing = subprocess.Popen(
            [sys.executable, "-m", "stream", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            return typing.communicate(timeout=TYPED_SECONDS_MAX)[0]
        except subprocess.TimeoutExpired:  # it waits for more, as `tap` should: Ctrl-C
            typing.terminate()
            return typing.communicate()[0]


@pytest.fixture
def named(topic_names: Callable[[str], str]) -> dict[str, str]:
    """Return this test's own topics."""
    return {name: topic_names(name) for name in TOPICS}


@asynccontextmanager
async def site(
    broker: LocalBroker,
    named: dict[str, str],
    folder: Path,
    *,
    before: Callable[[Site], Awaitable[None]] | None = None,
) -> AsyncIterator[Site]:
    """Give a site on which all is well; `before` is done before the worker starts."""
    (folder / "policy.toml").write_text(POLICY)
    (port,) = free_ports(1)
    raw = named["usage"] + ".raw"
    knobs = {
        "BOOTSTRAP_SERVERS": broker.bootstrap,
        "APP_ID": named["usage"],
        "PARTITIONS": "2",
        "POLICY": str(folder / "policy.toml"),
        "WEB_PORT": str(port),
        "LOG_FORMAT": "json",
        "TOPICS__SOURCES": raw,
        **{f"TOPICS__{name.upper()}": topic for name, topic in named.items()},
    }
    environment = {f"SLIPAWAY_{name}": text for name, text in knobs.items()}
    await create(broker, raw, {})
    rules = shortened(RULES.read_text(encoding="utf-8"))
    one = Site(broker, folder, f"http://127.0.0.1:{port}", environment)
    if before is not None:
        await before(one)
    with supervised(environment, folder / "worker.log") as one.worker:
        await until(one.up_to_date, READY_SECONDS_MAX)
        with scraping.prometheus(folder, rules=rules, jobs={"slipaway": port}) as one.prometheus:
            await until(one.watched, READY_SECONDS_MAX)
            yield one


async def sent(one: Site, values: Iterator[bytes]) -> None:
    """Send events to the raw topic."""
    async with producer(one.broker) as sender:
        for value in values:
            await sender.send(one.environment["SLIPAWAY_TOPICS__SOURCES"], value)


def used(count: int) -> Iterator[bytes]:
    """Yield events of now, each a customer's."""
    for number in range(count):
        said = {"type": "track", "userId": f"c{number}", "event": "x", "timestamp": iso(now_ms())}
        yield json.dumps(said).encode()


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


async def test_a_broker_that_is_gone(named: dict[str, str], tmp_path: Path) -> None:
    """The worker waits for it: it is alive, not ready, and works on nothing."""
    with LocalBroker.start() as broker:
        async with site(broker, named, tmp_path) as one:
            broker.kill()
            (first, *_) = await one.called(
                "SlipawayNotReady",
                # It ends itself, and starts again: that takes as long as ever, and waits are short.
                besides=frozenset(
                    {
                        "SlipawayDown",
                        "SlipawayNobodyWorks",
                        "SlipawayFreshnessBurnFast",
                        "SlipawayFreshnessBurnSlow",
                    }
                ),
            )
            await one.shows(first, r"failure +broker: \S+ does not answer")


async def test_a_worker_that_is_gone(
    broker: LocalBroker, named: dict[str, str], tmp_path: Path
) -> None:
    """Killed, and not started again: the only one there was."""
    async with site(broker, named, tmp_path) as one:
        one.worker.kill()
        (first, *_) = await one.called("SlipawayDown", besides=frozenset({"SlipawayNobodyWorks"}))
        await one.shows(first, r"group: \S+: nobody in it")


async def test_a_product_that_sends_nothing_any_more(
    broker: LocalBroker, named: dict[str, str], tmp_path: Path
) -> None:
    """Its tracking broke half a day ago: nobody is slipping away, and nobody is told so."""
    # A Tuesday at seven, of a simulated product whose rhythm is known by then, was 12 hours ago.
    broke = STARTS_AT_MS + 57 * DAY_MS + 7 * HOUR_MS
    shift = (now_ms() // HOUR_MS - 12) * HOUR_MS - broke

    def history() -> Iterator[bytes]:
        for event in simulate(450, 90, seed=3):
            if event.occurred_at < broke:
                moved = msgspec.structs.replace(event, occurred_at=event.occurred_at + shift)
                yield message(moved)

    async with site(broker, named, tmp_path, before=lambda one: sent(one, history())) as one:
        (first, *_) = await one.called("SlipawayAlertsSuspended")
        await one.shows(first, "suspended")


async def test_a_flood_of_poison(
    broker: LocalBroker, named: dict[str, str], tmp_path: Path
) -> None:
    """A sender has renamed its field: the rest goes on, and the sender is named."""
    async with site(broker, named, tmp_path) as one:
        enough = asyncio.Event()

        async def flood() -> None:
            while not enough.is_set():
                await sent(one, used(3))
                await sent(one, iter([b'{"type":"track","event":"x","user":"c1"}']))

        async with asyncio.TaskGroup() as group:
            group.create_task(flood())
            try:
                (first, *_) = await one.called("SlipawayDeadLetterBurn")
            finally:
                enough.set()
        await one.shows(first, "dead letters: .*no_customer of ")


async def test_a_model_that_is_of_last_week(
    broker: LocalBroker, named: dict[str, str], tmp_path: Path
) -> None:
    """Whoever trained is gone, or days do not end."""
    old = name(
        msgspec.structs.replace(
            cold(HORIZON_DAYS, HORIZON_DAYS / 12), effective_from=now_ms() - 7 * DAY_MS
        )
    )

    async def learned(one: Site) -> None:
        (one.folder / "models.jsonl").write_bytes(snapshots.encode(old))
        one.typed("slipaway topics create --bootstrap-servers HOST:9092")
        one.typed("slipaway model publish models.jsonl --bootstrap-servers HOST:9092")

    async with site(broker, named, tmp_path, before=learned) as one:
        (first, *_) = await one.called("SlipawayModelStale")
        await one.shows(first, rf"model: {old.version}, in force for 7.0 days: .* somebody trains")
