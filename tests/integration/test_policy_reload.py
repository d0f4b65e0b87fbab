"""A changed policy takes effect in a running worker; a broken one does not, and is told of."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from refolded import customers, refolded, settings_of
from worker_process import TOPICS, Process, create, get, producer, read_all, until, worker

from stream.broker import LocalBroker
from stream.detector.events import DAY_MS
from stream.wire import policy_file
from stream.wire.times import iso

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# No warning wears off: whatever is alerted on is so under the policy of its day.
FIRST = """
[events]
warning = ["cancel"]

[time]
allowed_lateness = "1s"

[slipping]
warning_cleared_by_visits = 100
"""
SECOND = FIRST.replace('"cancel"', '"downgrade"') + "visits_min = 2\n"
THIRD = SECOND.replace('"downgrade"', '"complain"')
BROKEN = SECOND.replace("visits_min = 2", "visits_min = 0\nhorizont = 3")
START = 1_700_000_000_000
WHO = [f"c{number}" for number in range(12)]


def version(text: str) -> str:
    """Return the version of a policy."""
    return policy_file.parse(text).policy.version


def in_force(process: Process) -> str:
    """Return the version of the policy that a worker says it obeys; empty while it is away."""
    lines = get(f"{process.address}/metrics", or_else="").splitlines()
    return next((line.split('"')[1] for line in lines if line.startswith("slipaway_policy_in")), "")


def metric(process: Process, name: str) -> float:
    """Return a metric without labels."""
    lines = get(f"{process.address}/metrics").splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"slipaway_{name} "))


def use(customer: str, event: str, at: int) -> bytes:
    """Return an event as its sender writes it."""
    said = {"type": "track", "userId": customer, "event": event, "timestamp": iso(at)}
    return json.dumps(said).encode()


class Sender:
    """Sends events, a day of everybody's at a time."""

    def __init__(self, broker: LocalBroker, raw: str) -> None:
        """Begin at the first day."""
        self._broker = broker
        self._raw = raw
        self._day = 0

    async def day(self, *events: str, who: Iterable[str] = WHO) -> None:
        """Send the events of one day, and one that shows that it is over."""
        at = START + self._day * DAY_MS
        self._day += 1
        values = [use(customer, event, at) for event in events for customer in who]
        values.append(use("clock", "opened", at + 60_000))
        async with producer(self._broker) as sender:
            for value in values:
                await sender.send_and_wait(self._raw, value, partition=0)


async def verify(broker: LocalBroker, names: dict[str, str], raw: str, splits: list[int]) -> None:
    """Hold alerts and customers against one policy after the other, without a worker."""
    said = [record.value for record in await read_all(broker, names["alerts"])]
    opened = [json.loads(v) for v in said if json.loads(v)["kind"] == "opened"]
    by_version = {alert["customer_id"]: alert["policy_version"] for alert in opened}
    texts = [FIRST] * 4 + [SECOND] * 6 + [THIRD] * 2
    assert by_version == {who: version(text) for who, text in zip(WHO, texts, strict=True)}
    assert len(opened) == len(WHO)
    settings = settings_of(broker, names, raw)
    usage = await read_all(broker, names["usage"])
    expected, known = refolded(settings, usage, [FIRST, SECOND, THIRD], splits)
    alerts = {value: n for (topic, _, value), n in expected.items() if topic == names["alerts"]}
    assert Counter(said) == alerts
    state = await read_all(broker, names["state"])
    assert customers((record.key, record.value) for record in state) == known


async def begun_anew(process: Process, times: int, text: str) -> None:
    """Wait until a worker obeys a policy, for which it has begun so many times."""
    await until(lambda: process.log.read_text().count('"event": "worker"') == times)
    await process.ready()
    await until(lambda: in_force(process) == version(text))


async def test_a_changed_policy_takes_over_and_a_broken_one_does_not(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """In the same process, with nothing lost, and nothing said twice."""
    raw, names = topic_names("raw"), {name: topic_names(name) for name in TOPICS}
    await create(broker, raw, {})
    folder, policy = tmp_path / "one", tmp_path / "policy.toml"
    folder.mkdir()
    (folder / "p.toml").write_text(FIRST)
    policy.symlink_to(folder / "p.toml")
    sender = Sender(broker, raw)
    knobs = {"POLICY": str(policy), "INSTANCE_ID": "w0"}
    splits = []
    with worker(broker, names, raw, tmp_path, **knobs) as process:
        await process.ready()
        assert in_force(process) == version(FIRST)
        await sender.day("opened")
        await sender.day("opened", "cancel", "downgrade", who=WHO[:4])
        await until(lambda: process.counted("alerts_total", kind="opened") == 4)

        # As a ConfigMap is: another folder, and a link that is swapped.
        other = tmp_path / "two"
        other.mkdir()
        (other / "p.toml").write_text(SECOND)
        (tmp_path / "link").symlink_to(other / "p.toml")
        splits.append(time.time_ns() // 1_000_000)
        (tmp_path / "link").rename(policy)
        for _ in range(5):  # nobody waits for it
            await sender.day("opened")
            await asyncio.sleep(0.3)
        await begun_anew(process, 2, SECOND)
        await sender.day("cancel", "downgrade", who=WHO[4:8])
        await until(lambda: process.counted("alerts_total", kind="opened") == 4)
        loaded = metric(process, "policy_loaded_timestamp_seconds")
        assert loaded >= splits[0] / 1000

        # What is broken is refused with all that is wrong, once, and the work goes on.
        (other / "p.toml").write_text(BROKEN)
        await until(lambda: metric(process, "policies_refused_total") == 1)
        assert metric(process, "policy_file_in_force") == 0
        refused = next(
            line for line in process.log.read_text().splitlines() if "policy refused" in line
        )
        assert "visits_min" in refused
        assert "horizont" in refused
        await sender.day("downgrade", who=WHO[8:10])
        await until(lambda: process.counted("alerts_total", kind="opened") == 6)
        assert metric(process, "policies_refused_total") == 1
        assert in_force(process) == version(SECOND)

        # Mended, and asked to look at once.
        splits.append(time.time_ns() // 1_000_000)
        (other / "p.toml").write_text(THIRD)
        os.kill(process.popen.pid, signal.SIGHUP)
        await begun_anew(process, 3, THIRD)
        await sender.day("downgrade", "complain", who=WHO[10:])
        await until(lambda: process.counted("alerts_total", kind="opened") == 2)
        await asyncio.sleep(1.5)
        assert process.stop() == 0

    await verify(broker, names, raw, splits)


async def test_what_was_learned_is_not_dropped_without_a_word(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Another horizon begins learning anew: that is for somebody to decide; so it is said."""
    raw, names = topic_names("raw"), {name: topic_names(name) for name in TOPICS}
    await create(broker, raw, {})
    policy = tmp_path / "policy.toml"
    policy.write_text(FIRST)
    with worker(broker, names, raw, tmp_path, POLICY=str(policy), MODEL="learn") as process:
        await process.ready()
        policy.write_text(FIRST + 'horizon = "20d"\n')
        await until(lambda: metric(process, "policies_refused_total") == 1)
        assert "they begin to learn anew" in process.log.read_text()
        policy.unlink()
        await until(lambda: metric(process, "policies_refused_total") == 2)
        assert "cannot be read" in process.log.read_text()
        policy.write_text(f"# as before\n{FIRST}")
        await until(lambda: metric(process, "policy_file_in_force") == 1)
        assert process.log.read_text().count('"event": "worker"') == 1
        # Whoever is told to end while it stops for another policy does not begin anew.
        policy.write_text(SECOND)
        await until(lambda: "taking it up" in process.log.read_text())
        assert process.stop() == 0
    assert process.log.read_text().count('"event": "worker"') == 1


async def test_workers_that_share_the_work_change_together(
    broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path
) -> None:
    """Each watches its own file; between them, nobody is told of twice, or not at all."""
    raw, names = topic_names("raw"), {name: topic_names(name) for name in TOPICS}
    await create(broker, raw, {})
    policy, sender = tmp_path / "policy.toml", Sender(broker, raw)
    policy.write_text(FIRST)
    folders = [tmp_path / name for name in ("w0", "w1")]
    for folder in folders:
        folder.mkdir()
    with (
        worker(broker, names, raw, folders[0], POLICY=str(policy), INSTANCE_ID="w0") as one,
        worker(broker, names, raw, folders[1], POLICY=str(policy), INSTANCE_ID="w1") as two,
    ):
        for process in (one, two):
            await process.ready()
        await sender.day("opened")
        policy.write_text(SECOND)
        for process in (one, two):
            await begun_anew(process, 2, SECOND)
        await sender.day("opened", "downgrade", "cancel")
        await until(
            lambda: sum(p.counted("alerts_total", kind="opened") for p in (one, two)) == len(WHO)
        )
        assert [process.stop() for process in (one, two)] == [0, 0]
    said = [json.loads(record.value) for record in await read_all(broker, names["alerts"])]
    assert sorted(alert["customer_id"] for alert in said) == sorted(WHO)
    assert {alert["policy_version"] for alert in said} == {version(SECOND)}
