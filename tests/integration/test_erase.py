"""Erasure over a real broker: what every topic says of a customer, read from its beginning."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refolded import customers, refolded, settings_of
from worker_process import PARTITIONS, TOPICS, Process, create, producer, read_all, until, worker

from stream.broker import LocalBroker
from stream.detector.events import DAY_MS
from stream.erasing.run import moved_to
from stream.wire.customers import CustomerCodec
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

POLICY = """
[events]
warning = ["cancel_page_viewed"]

[time]
allowed_lateness = "1s"

[holdout]
share = 0.5
"""
START = 1_700_000_000_000
WHO = ["ann", "\N{GRINNING FACE} \N{FAMILY} é", "x" * 512, "-rf", '{"a":1}']
OTHER = "zoe"
NAMED = ("state", "customers", "alerts", "holdout")
DEATHS = ("mid:1", "before_commit:2", "after_commit:2", "after_fold:3")


def use(customer: str, event: str, at: int) -> bytes:
    """Return an event as its sender writes it."""
    said = {"type": "track", "userId": customer, "event": event, "timestamp": iso(at)}
    return json.dumps(said).encode()


async def send(broker: LocalBroker, raw: str, *values: bytes) -> None:
    """Send values to the one partition of a raw topic."""
    async with producer(broker) as sender:
        for value in values:
            await sender.send_and_wait(raw, value, partition=0)


def history() -> list[bytes]:
    """Return what leads to an alert on everybody."""
    events = [
        use(customer, event, START + day * DAY_MS + number)
        for day, event in enumerate(("opened", "opened", "cancel_page_viewed"))
        for number, customer in enumerate([*WHO, OTHER])
    ]
    return [*events, use(OTHER, "opened", START + 3 * DAY_MS)]


class Application:
    """One application on the broker: its topics, and what works on them."""

    def __init__(
        self, broker: LocalBroker, topic_names: Callable[[str], str], folder: Path
    ) -> None:
        """Name everything of it."""
        self.broker = broker
        self.folder = folder
        self.raw = topic_names("raw")
        self.names = {name: topic_names(name) for name in TOPICS}
        self.policy = folder / "policy.toml"
        self.policy.write_text(POLICY)

    def worker(self, **more: str) -> Any:
        """Run a worker."""
        knobs = {"POLICY": str(self.policy), "INSTANCE_ID": "w0", **more}
        return worker(self.broker, self.names, self.raw, self.folder, **knobs)

    def erase(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        knobs = {
            "BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "APP_ID": self.names["usage"],
            "CLOCK": "event",
            "TOPICS__SOURCES": self.raw,
            **{f"TOPICS__{name.upper()}": topic for name, topic in self.names.items()},
        }
        return subprocess.run(
            [sys.executable, "-m", "stream", "erase", *arguments],
            env={**os.environ, **{f"SLIPAWAY_{name}": value for name, value in knobs.items()}},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    async def of(self, topic: str, customer: str) -> list[bytes | None]:
        """Return the values under a customer's key, in order."""
        records = await read_all(self.broker, self.names[topic])
        return [record.value for record in records if record.key == customer.encode()]

    async def said(self) -> Counter[bytes]:
        """Return every alert, wherever it is."""
        topics = ("alerts", "holdout")
        records = [r for t in topics for r in await read_all(self.broker, self.names[t])]
        return Counter(record.value for record in records if record.value is not None)


@pytest.fixture
async def application(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> Application:
    """Return an application that nobody works for yet, with events to be read."""
    found = Application(broker, topic_names, tmp_path)
    await create(broker, found.raw, {})
    await send(broker, found.raw, *history())
    return found


def alerted(process: Process) -> Callable[[], bool]:
    """Return the question whether everybody has been alerted on."""
    return lambda: process.counted("alerts_total", kind="opened") == len(WHO) + 1


async def test_whoever_is_erased_is_gone_from_every_topic_that_names_it(
    application: Application,
) -> None:
    """With the tombstone behind all that was said; of anybody else nothing is touched."""
    ids = application.folder / "ids.txt"
    ids.write_bytes("\r\n".join([*WHO[1:], "nobody", ""]).encode())
    with application.worker() as process:
        await process.ready()
        await until(alerted(process))
        done = application.erase("--yes", "--json", "--file", str(ids), "--", WHO[0])
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        # What comes late, what comes again, and what comes later.
        again = START + 3 * DAY_MS + 5_000
        late = [use(who, "opened", START + 2 * DAY_MS + 7) for who in WHO]
        await send(application.broker, application.raw, *late, use("ann", "opened", again))
        usage = application.names["usage"]
        await until(lambda: process.counted("events_total", topic=usage, result="erased") == 5)
        assert application.erase("--yes", "--", *WHO[1:]).returncode == 0
        await asyncio.sleep(1.5)  # rows are saved once a second
        assert process.stop() == 0
    by_id = {one["customer_id"]: one["places"] for one in found["customers"]}
    assert list(by_id) == ["ann", *WHO[1:], "nobody"]
    for customer, places in by_id.items():
        by_topic = {place["topic"]: place for place in places}
        assert set(by_topic) == {application.names[name] for name in NAMED}
        assert all(place["erased"] for place in places)
        known = customer != "nobody"
        assert (by_topic[application.names["state"]]["records"] > 0) == known
        told = sum(by_topic[application.names[name]]["records"] for name in ("alerts", "holdout"))
        assert told == known
    for customer in WHO[1:]:
        for topic in NAMED:
            values = await application.of(topic, customer)
            assert values[-1] is None
            assert values.count(None) == 2
    assert [value is None for value in await application.of("state", OTHER)].count(True) == 0
    (*_, row) = await application.of("state", "ann")
    assert row is not None
    fresh = CustomerCodec().decode(row)
    assert (fresh.visits, fresh.first_at, fresh.episode) in {(1, again, None), (0, 0, None)}
    marks = [
        record
        for record in await read_all(application.broker, application.names["state"])
        if record.key.startswith(b"\x00erased\x00")
    ]
    assert marks
    assert not any(who.encode() in record.key for record in marks for who in WHO)
    assert max((await application.said()).values()) == 1


async def test_an_erasure_survives_every_death(application: Application) -> None:
    """Killed at each point of a transaction, workers say it once, and forget for good."""
    with application.worker() as process:
        await process.ready()
        await until(alerted(process))
        assert process.stop() == 0
    before = await application.said()
    done = application.erase("--yes", "--no-wait", "--", *WHO)
    assert done.returncode == 0, done.stderr
    # One comes by the raw topic, among events.
    later = START + 4 * DAY_MS
    await send(
        application.broker,
        application.raw,
        use(OTHER, "opened", later),
        encode_erasure(Erasure("ann", later)),
        use("ann", "opened", later + 1),
        use(OTHER, "opened", later + DAY_MS),
    )
    for failpoint in DEATHS:
        with application.worker(FAILPOINT=failpoint) as process:
            await until(lambda process=process: process.popen.poll() is not None, 90)  # type: ignore[misc]
            assert process.popen.returncode == -signal.SIGKILL, process.log.read_text()
    with application.worker() as process:
        await process.ready()
        usage = application.names["usage"]
        await until(lambda: process.gauge_min("watermark_timestamp_seconds") >= later / 1000)
        await until(lambda: process.gauge_min("caught_up") == 1)
        assert process.stop() == 0
    assert await application.said() == before
    for customer in WHO:
        for topic in NAMED:
            values = await application.of(topic, customer)
            if topic == "state" and customer == "ann":
                assert values[-1] is not None
                continue
            assert values[-1] is None, (topic, customer)
            if topic != "state":
                assert values.count(None) == 1 + (customer == "ann")
    records = await read_all(application.broker, usage)
    settings = settings_of(application.broker, application.names, application.raw)
    expected, known = refolded(settings, records, [POLICY])
    state = await read_all(application.broker, application.names["state"])
    assert customers((record.key, record.value) for record in state) == known
    assert known.keys() == {OTHER, "ann"}
    for topic in ("alerts", "holdout"):
        name = application.names[topic]
        found = await read_all(application.broker, name)
        wanted = {key: n for key, n in expected.items() if key[0] == name}
        assert Counter((name, record.key, record.value) for record in found) == wanted
    keys = Counter(record.key for record in records if b"erase.v1" in record.value)
    assert keys == {who.encode(): 1 + (who == "ann") for who in WHO}
    assert len({record.partition for record in records}) == PARTITIONS


async def test_who_goes_by_another_id_by_now_is_erased_by_all_ids(application: Application) -> None:
    """An old id's erasure names the one that goes on, and is not done before that one is gone."""
    new = "zoe@example.com"
    alias = {"type": "alias", "previousId": OTHER, "userId": new}

    async def moved() -> bool:
        rows = await application.of("state", OTHER)
        return bool(rows) and moved_to(rows[-1]) == new

    with application.worker() as process:
        await process.ready()
        await until(alerted(process))
        said = START + 4 * DAY_MS
        await send(
            application.broker,
            application.raw,
            json.dumps(alias | {"timestamp": iso(said)}).encode(),
            use("ann", "opened", said + 5_000),
        )
        deadline = time.monotonic() + 60
        while not await moved():
            assert time.monotonic() < deadline, "the state of the old id has not moved"
            await asyncio.sleep(0.2)
        by_one = application.erase("--yes", "--json", "--", OTHER)
        by_all = application.erase("--yes", "--json", "--", OTHER, new)
        assert process.stop() == 0
    assert by_one.returncode == 1
    assert new in by_one.stderr
    (found,) = json.loads(by_one.stdout)["customers"]
    assert (found["customer_id"], found["goes_by"]) == (OTHER, new)
    assert by_all.returncode == 0, by_all.stderr
    for customer in (OTHER, new):
        for topic in NAMED:
            values = await application.of(topic, customer)
            assert values[-1] is None, (topic, customer)
    assert (await application.of("state", "ann"))[-1] is not None


async def test_what_no_worker_has_carried_out_is_said(application: Application) -> None:
    """The request stays in the log; whoever asked learns that nobody has come upon it."""
    with application.worker() as process:
        await process.ready()
        await until(alerted(process))
        assert process.stop() == 0
    done = application.erase("--yes", "--timeout", "2", "ann")
    assert done.returncode == 1
    assert "'ann': NOT ERASED YET" in done.stdout
    assert "see that a worker runs" in done.stderr
    assert application.erase("ann").returncode == 2  # nobody confirms
    with application.worker() as process:
        await process.ready()
        done = application.erase("--yes", "ann")
        assert done.returncode == 0, done.stderr
        assert process.stop() == 0
    assert "'ann': erased" in done.stdout
    assert (await application.of("customers", "ann"))[-1:] in ([None], [])
