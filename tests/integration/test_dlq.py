"""Dead letters on a real broker: counted, looked at, tried by today's policy, sent again once."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from worker_process import TOPICS, create, producer, read_all, until, worker

from stream.broker import LocalBroker
from stream.detector.errors import BadEvent, Code
from stream.dlq.letters import Wanted
from stream.dlq.replaying import Replay, _producer
from stream.dlq.trial import Trial
from stream.settings import Settings
from stream.wire import policy_file
from stream.wire.dead_letters import dead_letter, dead_letter_headers, read_headers
from stream.wire.times import iso
from stream.worker.connection import connection

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

AT = 1_767_225_600_000  # 2026-01-01
MAPPING = """
[[mapping]]
customer = "who"
time = "when"
event = "what"
"""
NOW = AT + 3_600_000


class Place:
    """An application's topics, and its command line."""

    def __init__(
        self, broker: LocalBroker, topic_names: Callable[[str], str], folder: Path
    ) -> None:
        """Name everything of it."""
        self.broker = broker
        self.raw = topic_names("raw")
        self.names = {name: topic_names(name) for name in TOPICS}
        self.right = folder / "right.toml"
        self.right.write_text(MAPPING)
        self.wrong = folder / "wrong.toml"
        self.wrong.write_text('[slipping]\nhorizon = "30d"\n')
        self.knobs = {
            "BOOTSTRAP_SERVERS": broker.bootstrap,
            "APP_ID": self.names["usage"],
            "TOPICS__SOURCES": self.raw,
            **{f"TOPICS__{name.upper()}": topic for name, topic in self.names.items()},
        }

    def settings(self) -> Settings:
        """Return the settings in this process."""
        topics = {"sources": [self.raw], **self.names}
        return Settings(
            bootstrap_servers=self.broker.bootstrap, app_id=self.names["usage"], topics=topics
        )

    def dlq(self, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command on dead letters."""
        return subprocess.run(
            [sys.executable, "-m", "stream", "dlq", *map(str, arguments)],
            env={
                **os.environ,
                **{f"SLIPAWAY_{name}": value for name, value in {**self.knobs, **more}.items()},
            },
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    def bytes_of(self, where: str) -> bytes:
        """Return what `--raw` writes into a pipe."""
        return subprocess.run(
            [sys.executable, "-m", "stream", "dlq", "show", where, "--raw"],
            env={**os.environ, **{f"SLIPAWAY_{n}": v for n, v in self.knobs.items()}},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout

    def said(self, *arguments: object) -> Any:
        """Run a command that must succeed; return what it says as JSON."""
        done = self.dlq(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def put_aside(self, *letters: tuple[bytes, str], topic: str = "", **more: Any) -> None:
        """Write letters: values, and the codes they failed by."""
        async with producer(self.broker) as sender:
            for number, (value, code) in enumerate(letters):
                own = [("trace", b"\x00\xff"), ("n", b"%d" % number)]
                letter = dead_letter(
                    BadEvent(Code(code), f"of number {number}"),
                    topic=topic or self.raw,
                    partition=more.get("partition", 0),
                    offset=number,
                    stage="decode",
                    failed_at=AT + number,
                    app_version="0.1.0",
                    headers=more.get("before", ()),
                    timestamp=NOW + number,
                )
                await sender.send_and_wait(
                    self.names["dead_letters"],
                    value,
                    key=b"k%d" % number,
                    partition=number % 2,
                    headers=dead_letter_headers(letter, own),
                )


@pytest.fixture
async def place(broker: LocalBroker, topic_names: Callable[[str], str], tmp_path: Path) -> Place:
    """Return topics that hold nothing yet; what is sent to the raw one is kept for ever."""
    found = Place(broker, topic_names, tmp_path)
    await create(broker, found.raw, {"retention.ms": "-1", "max.message.bytes": "20000"})
    for name in ("dead_letters", "usage"):
        await create(broker, found.names[name], {}, partitions=4)
    return found


def mapped(customer: str, **more: object) -> bytes:
    """Return an event that only the right policy understands."""
    return json.dumps({"who": customer, "when": iso(AT), "what": "opened", **more}).encode()


FIXABLE = [(mapped(f"c{number}"), "unknown_type") for number in range(6)]
HOPELESS = [(b"\xff\x00\x1b[2J", "not_json"), (b"[]", "not_an_object")]


async def test_letters_are_counted_and_shown_and_command_no_terminal(place: Place) -> None:
    """By code and topic, with the first and the last; the bytes are whoever's."""
    assert "No dead letters" in place.dlq("list").stdout
    await place.put_aside(*FIXABLE, *HOPELESS)
    found = place.said("list")
    kinds = {kind["code"]: kind for kind in found["kinds"]}
    assert {code: kind["letters"] for code, kind in kinds.items()} == {
        "unknown_type": 6,
        "not_json": 1,
        "not_an_object": 1,
    }
    assert {kind["topic"] for kind in found["kinds"]} == {place.raw}
    assert place.said("list", "--code", "not_json")["letters"] == 1
    assert place.said("list", "--topic", "other")["letters"] == 0
    assert place.said("list", "--partition", "0")["letters"] == 8
    assert place.said("list", "--partition", "5")["letters"] == 0
    assert place.said("list", "--since", "2099-01-01")["letters"] == 0
    where = kinds["not_json"]["latest"]
    shown = place.dlq("show", where)
    assert shown.returncode == 0, shown.stderr
    assert "\x1b" not in shown.stdout
    assert "fault        the sender's" in shown.stdout
    assert "ff 00 1b 5b 32 4a" in shown.stdout
    assert "header       n = 6" in shown.stdout
    text = place.dlq("show", kinds["unknown_type"]["latest"], "--policy", place.right).stdout
    assert '{"who": "c' in text
    assert "now          can be used" in text
    assert place.bytes_of(where) == HOPELESS[0][0]
    assert place.dlq("show", "0:999").returncode == 1
    assert place.dlq("show", "nonsense").returncode == 2
    assert len(place.dlq("list", "--each").stdout.splitlines()) == 8


async def test_what_is_replayed_is_what_the_sender_sent_and_goes_out_once(place: Place) -> None:
    """Killed before and behind its commit, and run again and again: each letter once."""
    await place.put_aside(*FIXABLE, *HOPELESS)
    dry = place.said("replay", "--dry-run", "--policy", place.right)
    assert (dry["sent"], dry["fates"]) == (6, {"read": 6, "refused": 2})
    assert dry["wrong"] == {"not_utf8": 1, "not_an_object": 1}
    assert dry["late"] == 6
    assert place.said("replay", "--dry-run", "--policy", place.wrong)["sent"] == 0
    assert await read_all(place.broker, place.raw, 1) == []
    assert place.dlq("replay", "--policy", place.right).returncode == 2  # nobody confirms
    options = ("replay", "--yes", "--policy", place.right)
    killed = place.dlq(*options, "--limit", 4, FAILPOINT="before_commit:1")
    assert killed.returncode == -signal.SIGKILL
    assert await read_all(place.broker, place.raw, 1) == []
    killed = place.dlq(*options, "--limit", 4, FAILPOINT="after_commit:1")
    assert killed.returncode == -signal.SIGKILL
    done = place.said(*options)
    assert (done["sent"], done["fates"]["replayed"]) == (2, 4)
    again = place.said(*options)
    assert (again["sent"], again["fates"]) == (0, {"replayed": 6, "refused": 2})
    sent = await read_all(place.broker, place.raw, 1)
    assert Counter(record.value for record in sent) == Counter(value for value, _ in FIXABLE)
    for record in sent:
        number = int(record.key.removeprefix(b"k"))
        assert record.value == FIXABLE[number][0]
        assert record.timestamp == NOW + number
        assert list(record.headers[:2]) == [("trace", b"\x00\xff"), ("n", b"%d" % number)]
        assert dict(record.headers)["slipaway.replay.of"].startswith(b"%d:" % (number % 2))
    assert place.said("list")["replayed"] == 6


async def test_what_fails_again_says_so_and_is_not_tried_for_ever(
    place: Place, tmp_path: Path
) -> None:
    """The worker reads what is sent, with the policy put right; the hopeless comes back counted."""
    knobs = {"POLICY": str(place.wrong), "INSTANCE_ID": "w0", "CLOCK": "wall"}
    with worker(place.broker, place.names, place.raw, tmp_path, **knobs) as process:
        await process.ready()
        async with producer(place.broker) as sender:
            for value, _ in (*FIXABLE, *HOPELESS):
                await sender.send_and_wait(place.raw, value, key=b"k", partition=0)
        await until(lambda: process.count("dead_letters_total", place.raw) == 8)
        assert process.stop() == 0
    letters = await read_all(place.broker, place.names["dead_letters"])
    stamps = {read_headers(record.headers).timestamp for record in letters}  # type: ignore[union-attr]
    sent = await read_all(place.broker, place.raw, 1)
    assert stamps == {record.timestamp for record in sent}
    assert place.said("replay", "--yes", "--all", "--policy", place.right)["sent"] == 8
    knobs["POLICY"] = str(place.right)
    usage = place.names["usage"]
    with worker(place.broker, place.names, place.raw, tmp_path, **knobs) as process:
        await process.ready()
        await until(lambda: process.counted("events_total", topic=usage, result="applied") == 6)
        await until(lambda: process.count("dead_letters_total", place.raw) == 2)
        assert process.stop() == 0
    last = place.said("list")
    assert (last["letters"], last["replayed"]) == (10, 8)
    tried = place.said("replay", "--dry-run", "--attempts", "2", "--policy", place.right)
    assert tried["fates"] == {"replayed": 8, "tried": 2}


async def test_a_letter_goes_nowhere_but_to_where_events_are_read(place: Place) -> None:
    """Whoever may write letters names any topic in them; only ours are believed."""
    await place.put_aside(FIXABLE[0], topic=place.names["dead_letters"])
    await place.put_aside(FIXABLE[1], partition=77)
    done = place.said("replay", "--yes", "--all", "--policy", place.right)
    assert done["fates"] == {"elsewhere": 1, "read": 1}
    assert len(await read_all(place.broker, place.raw, 1)) == 1


async def test_what_the_broker_does_not_take_holds_up_nothing_else(place: Place) -> None:
    """It is named, stays a letter, and the exit code says that something is left."""
    large = (mapped("large", padding=os.urandom(40_000).hex()), "unknown_type")
    await place.put_aside(FIXABLE[0], large, FIXABLE[1])
    done = place.dlq("replay", "--yes", "--json", "--policy", place.right)
    assert done.returncode == 1, done.stderr
    assert not done.stderr, done.stderr
    said = json.loads(done.stdout)
    assert said["sent"] == 2
    assert len(said["not_taken"]) == 1
    sent = await read_all(place.broker, place.raw, 1)
    assert sorted(record.value for record in sent) == sorted([FIXABLE[0][0], FIXABLE[1][0]])


async def test_whoever_replays_next_ends_whoever_is_at_it(place: Place) -> None:
    """Two people who repair the same at night send nothing twice."""
    await place.put_aside(*FIXABLE)
    settings = place.settings()
    product = policy_file.load(place.right)
    trial = Trial(product, [place.raw], now=NOW, attempts_max=3)
    async with _producer(settings, connection(settings)) as first:
        await first.begin_transaction()
        await first.send_and_wait(place.raw, FIXABLE[0][0], partition=0)
        second = Replay(settings, Wanted(), trial, now=NOW, limit=None, everything=False)
        assert (await second.send()).sent == 6
        with pytest.raises(KafkaError):
            await first.commit_transaction()
    assert len(await read_all(place.broker, place.raw, 1)) == 6
