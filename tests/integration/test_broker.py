"""The local broker is a real one, keeps what it was given, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.broker import BrokerError, JarsMissingError, LocalBroker, jars

pytestmark = pytest.mark.integration

TopicNames = Callable[[str], str]

_OWNER = """
import time
from stream.broker import LocalBroker
broker = LocalBroker.start()
print(broker.pid, broker.directory, flush=True)
time.sleep(600)
"""


@pytest.fixture
def own_broker(broker: LocalBroker) -> Iterator[LocalBroker]:
    """Return a broker that a test may kill."""
    del broker  # asked for only so that its jars are there
    with LocalBroker.start() as own:
        yield own


async def create(bootstrap: str, topic: str) -> None:
    """Create `topic` with one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, values: list[bytes], **options: object) -> None:
    """Send `values` in their order, each acknowledged."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **options) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str, count: int, **options: object) -> list[bytes]:
    """Return the first `count` values, or fewer where no more come within 10 s."""
    values: list[bytes] = []
    deadline = time.monotonic() + 10
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", **options
    ) as consumer:
        while len(values) < count and time.monotonic() < deadline:
            batches = await consumer.getmany(timeout_ms=500)
            values += [record.value for batch in batches.values() for record in batch]
    return values


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
async def test_compressed_batches_come_back(
    broker: LocalBroker, topic_names: TopicNames, codec: str
) -> None:
    """Without its codec installed, a consumer ends at the first such batch."""
    topic = topic_names("usage")
    sent = [b"%d" % number * 100 for number in range(20)]
    await create(broker.bootstrap, topic)
    await produce(broker.bootstrap, topic, sent, compression_type=codec)
    assert await consume(broker.bootstrap, topic, len(sent)) == sent


async def test_an_aborted_transaction_stays_unread(
    broker: LocalBroker, topic_names: TopicNames, unique: str
) -> None:
    """Exactly-once rests on this, and no mock does it."""
    topic = topic_names("alerts")
    await create(broker.bootstrap, topic)
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, transactional_id=unique
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
    read = await consume(broker.bootstrap, topic, 1, isolation_level="read_committed")
    assert read == [b"committed"]


async def test_a_killed_broker_keeps_what_it_acknowledged(
    own_broker: LocalBroker, topic_names: TopicNames
) -> None:
    """The fault tests kill it and expect their data on the same port."""
    topic, bootstrap, pid = topic_names("usage"), own_broker.bootstrap, own_broker.pid
    await create(bootstrap, topic)
    await produce(bootstrap, topic, [b"kept"])
    own_broker.kill()
    assert not is_alive(pid)
    own_broker.restart()
    assert own_broker.bootstrap == bootstrap
    assert await consume(bootstrap, topic, 1) == [b"kept"]


def test_stopping_leaves_no_process_and_no_data(own_broker: LocalBroker) -> None:
    """A broker left behind holds half a gigabyte and a port for ever."""
    pid = own_broker.pid
    own_broker.stop()
    assert (is_alive(pid), own_broker.running, own_broker.directory.exists()) == (
        False,
        False,
        False,
    )


def test_the_broker_goes_when_its_owner_is_killed(broker: LocalBroker) -> None:
    """`kill -9` runs no clean-up; the guard sees its pipe close."""
    del broker
    owner = subprocess.Popen([sys.executable, "-c", _OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        pid, directory = owner.stdout.readline().split()
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 20
    while (is_alive(int(pid)) or Path(directory).exists()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (is_alive(int(pid)), Path(directory).exists()) == (False, False)


def test_a_given_directory_outlives_its_broker(broker: LocalBroker, tmp_path: Path) -> None:
    """Developers keep their topics from one day to the next."""
    del broker
    with LocalBroker.start(directory=tmp_path / "kept") as first:
        cluster = (first.directory / "data" / "meta.properties").read_text()
    with LocalBroker.start(directory=tmp_path / "kept") as second:
        assert (second.directory / "data" / "meta.properties").read_text() == cluster


def test_a_taken_port_is_said(broker: LocalBroker) -> None:
    """Else Kafka's own stack trace says it, after seconds, in its log."""
    with pytest.raises(BrokerError, match=rf"Port {broker.port} on .* is taken"):
        LocalBroker.start(port=broker.port)


def test_a_refused_setting_shows_the_log(broker: LocalBroker) -> None:
    """A broker that ends at once says why, rather than that time ran out."""
    del broker
    with pytest.raises(BrokerError, match=r"num\.io\.threads"):
        LocalBroker.start(properties={"num.io.threads": "none"})


def test_no_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start fetches; whoever is offline then must learn that it is once only."""
    with socket.socket() as closed:  # bound, not listening: every connection is refused
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(JarsMissingError, match="fetched once"):
            jars.fetch(tmp_path)
    assert not list((tmp_path / "jars").glob("*.jar"))


def test_a_frozen_broker_still_stops(own_broker: LocalBroker) -> None:
    """A fault test that fails between SIGSTOP and SIGCONT must not hang the run."""
    pid = own_broker.pid
    os.kill(pid, signal.SIGSTOP)
    own_broker.stop()
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether a process of that id is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
