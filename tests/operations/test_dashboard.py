"""The dashboard and the rules, in a real Prometheus that scrapes a real worker and deliverer."""

import asyncio
import itertools
import json
import math
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import scraping
from aiohttp import web
from dashboard import BOARD, PANELS, asked
from programs import RULES, promtool
from started import free_ports, running
from worker_process import TOPICS, create, get, producer, until, worker

from stream.broker import LocalBroker
from stream.detector.events import DAY_MS, HOUR_MS
from stream.wire.times import iso

POLICY = """
[events]
engagement = ["opened"]
warning = ["cancel_page_viewed"]

[slipping]
horizon = "3d"
false_alarms_per_customer_month = 0.5

[time]
allowed_lateness = "1s"

[retention]
every = "week"
"""
ENDPOINTS = """
[[endpoint]]
name = "crm"
url = "{url}/crm"
private = true
secrets = ["{secret}"]

[[endpoint]]
name = "slow"
url = "{url}/slow"
private = true
secrets = ["{secret}"]

[[endpoint]]
name = "left"
url = "{url}/left"
private = true
secrets = ["{secret}"]
"""
DAYS = 40
CUSTOMERS = 150
SEEN_SECONDS_MAX = 240
CALLED_SECONDS_MAX = 90

WRONG = ("SlipawayEndpointDisabled", "SlipawayDeadLetterBurn")
"""What somebody has to be called for: an endpoint said 410, and half of what comes is poison."""
RIGHT = (
    "SlipawayDown",
    "SlipawayNobodyWorks",
    "SlipawayNotReady",
    "SlipawayRestarting",
    "SlipawayPartitionUnowned",
    "SlipawayTrainerGone",
    "SlipawayPartitionStuck",
    "SlipawayCheckpointFailing",
    "SlipawayRestoreTooLong",
    "SlipawayModelStale",
    "SlipawayDeliveryBacklog",
)
"""What nobody must be called for: a worker that works."""


def test_every_panel_has_words_and_a_place_of_its_own() -> None:
    """Somebody who sees it for the first time has nothing but the title and these."""
    shown = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
    assert all(panel["title"] and panel["description"].endswith(".") for panel in shown)
    taken = [
        (x, y)
        for panel in BOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(numbers) == len(set(numbers))


@pytest.mark.integration
@pytest.mark.timeout(600)
async def test_every_panel_shows_something_and_rules_call_for_what_is_wrong(
    broker: LocalBroker, topic_names: Callable[[str], str], receiver: str, tmp_path: Path
) -> None:
    """An expression that asks for nothing there is looks like a quiet night."""
    names = {name: topic_names(name) for name in TOPICS}
    raw = topic_names("raw")
    await create(broker, raw, {}, 1)
    now = time.time_ns() // 1_000_000
    async with producer(broker) as sender:
        for value in (*usage(now), b"no event"):
            await sender.send(raw, value)
    (tmp_path / "policy.toml").write_text(POLICY)
    ports = free_ports(2)
    with ExitStack() as stack:
        prometheus = stack.enter_context(
            scraping.prometheus(
                tmp_path,
                rules=re.sub(r"\bfor: \w+", "for: 2s", RULES.read_text(encoding="utf-8")),
                jobs={"slipaway": ports[0], "slipaway-deliver": ports[1]},
            )
        )
        # Before the worker: an endpoint begins with what is published after it came.
        stack.enter_context(delivering(broker, names, receiver, tmp_path, ports[1]))
        await until(lambda: "200" in status(f"http://127.0.0.1:{ports[1]}/readyz"))
        process = stack.enter_context(
            worker(
                broker,
                names,
                raw,
                tmp_path,
                CLOCK="wall",
                MODEL="learn",
                POLICY=str(tmp_path / "policy.toml"),
                WEB_PORT=str(ports[0]),
            )
        )
        await process.ready()
        missing = [panel.title for panel in PANELS]
        steady = itertools.cycle(f"c{number}" for number in range(CUSTOMERS) if number % 3)
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while missing:
            assert time.monotonic() < deadline, "nothing is shown by " + "; ".join(missing)
            # What was decided before the first look counts as no increase: so there is always news.
            now, hesitant = time.time_ns() // 1_000_000, next(steady)
            async with producer(broker) as sender:
                for value in (
                    b"no event",
                    event(now, hesitant, "cancel_page_viewed"),
                    event(now + 500, hesitant),
                ):
                    await sender.send(raw, value)
            await asyncio.sleep(2)
            missing = await asyncio.to_thread(unseen, prometheus)
            assert process.popen.poll() is None, process.log.read_text()
        rules = query(prometheus, "rules")["groups"]
        assert [rule for group in rules for rule in group["rules"] if rule["health"] != "ok"] == []
        recorded = [
            rule["name"] for group in rules for rule in group["rules"] if "alerts" not in rule
        ]
        assert [name for name in recorded if not shows(prometheus, name)] == []
        for port in ports[:2]:
            promtool("check", "metrics", given=get(f"http://127.0.0.1:{port}/metrics"))
        await until(lambda: {*WRONG} <= firing(prometheus), CALLED_SECONDS_MAX)
        # While the backlog is worked off, the model is as old as what was last learned from.
        await until(lambda: firing(prometheus).isdisjoint(RIGHT), CALLED_SECONDS_MAX)
        assert process.stop() == 0
        await until(lambda: "SlipawayDown" in firing(prometheus), CALLED_SECONDS_MAX)


def firing(prometheus: str) -> set[str]:
    """Return the alerts that call somebody now."""
    alerts = query(prometheus, "alerts")["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def unseen(prometheus: str) -> list[str]:
    """Return what the dashboard asks for and is not given."""
    return [
        f"{panel.title} ({panel.expression})"
        for panel in PANELS
        if not shows(prometheus, asked(panel.expression))
    ]


def event(moment: int, customer: str, name: str = "opened") -> bytes:
    """Return a raw event."""
    said = {"type": "track", "userId": customer, "event": name, "timestamp": iso(moment)}
    return json.dumps(said).encode()


def usage(now: int) -> Iterator[bytes]:
    """Yield the events of some who come daily, some who stop, some who stay away for two days."""
    chance = random.Random(7)
    events: list[tuple[int, str, str]] = []
    for number in range(CUSTOMERS):
        start = now - int((DAYS - 10 * chance.random()) * DAY_MS)
        # Every third leaves on some day, some so late that their alerts are news.
        left = chance.choice([1.2, 1.6, 3.5, 5, 10, 20]) if number % 3 == 0 else 0
        end = now - int(left * DAY_MS)
        moment = start
        while moment < end:
            events.append((moment, f"c{number}", "opened"))
            gap = 2.5 if chance.random() < 0.05 else chance.uniform(0.3, 1.2)
            moment += int(gap * DAY_MS)
    # One hesitates, and thinks better of it.
    events.append((now - 20 * HOUR_MS, "c1", "cancel_page_viewed"))
    events += [(now - hours * HOUR_MS, "c1", "opened") for hours in (15, 10, 5)]
    for moment, customer, name in sorted(events):
        yield event(moment, customer, name)


@pytest.fixture
async def receiver() -> AsyncIterator[str]:
    """Give the address of a server that takes some webhooks, fails for others, wants no third."""
    answers = {"crm": 204, "slow": 500, "left": 410}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=answers[request.match_info["name"]])

    app = web.Application()
    app.router.add_post("/{name}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@contextmanager
def delivering(
    broker: LocalBroker, names: dict[str, str], url: str, folder: Path, port: int
) -> Iterator[None]:
    """Run `slipaway deliver` with its metrics at a port."""
    endpoints = folder / "endpoints.toml"
    endpoints.write_text(ENDPOINTS.format(url=url, secret="env:HOOK_SECRET"))  # noqa: S106
    environment = {
        "SLIPAWAY_BOOTSTRAP_SERVERS": broker.bootstrap,
        "SLIPAWAY_APP_ID": names["usage"],
        "SLIPAWAY_PARTITIONS": "4",
        "HOOK_SECRET": "whsec_" + "c2xpcGF3YXktc2xpcGF3YXktc2xpcGF3YXk=",
        **{f"SLIPAWAY_TOPICS__{name.upper()}": topic for name, topic in names.items()},
    }
    command = [sys.executable, "-m", "stream", "deliver", str(endpoints), "--port", str(port)]
    with running(command, folder / "deliver.log", environment):
        yield


def status(url: str) -> str:
    """Return what a page says, if anybody answers."""
    return "200" if re.search(r'"ready"', get(url, or_else="")) else ""


def query(address: str, path: str, **parameters: str) -> Any:
    """Return what Prometheus's interface gives; None while it does not answer."""
    text = get(f"{address}/api/v1/{path}?{urlencode(parameters)}", or_else="{}")
    found = json.loads(text)
    assert found.get("status") in {None, "success"}, text
    return found.get("data")


def shows(address: str, expression: str) -> bool:
    """Say whether an expression has at least one value that is a number."""
    data = query(address, "query", query=expression)
    return bool(data) and any(not math.isnan(float(one["value"][1])) for one in data["result"])
