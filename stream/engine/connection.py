"""Connection: where the brokers are and how to be let in; and waiting for them.

Brokers are away at times, most often when everything starts at once.  A worker
that ends because of it is started again, and again: the starts alone took a
core in a 40 s outage.  So a worker waits for its broker inside the process,
and says so in one line now and then, where aiokafka writes a hundred a second.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from stream.engine.exits import ALLOW, Fatal
from stream.engine.refusals import Refusal, understand
from stream.engine.tokens import show_token

log = structlog.get_logger("slipaway.engine")

T = TypeVar("T")

SETTLING_SECONDS_MAX = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How every Kafka client of a worker connects."""

    bootstrap: str  # host:port, with commas between several
    security_protocol: str = "PLAINTEXT"  # or SSL, SASL_PLAINTEXT, SASL_SSL
    sasl_mechanism: str = "PLAIN"  # or SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tokens: AbstractTokenProvider | None = field(default=None, repr=False)  # for OAUTHBEARER
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)  # None: the system's CAs

    def client(self) -> dict[str, Any]:
        """Return the arguments with which any aiokafka client connects."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self.ssl_context or ssl.create_default_context()
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
                "sasl_oauth_token_provider": self.tokens,
            }
        return options


async def wait_for_broker(connection: Connection, topics: Collection[str] = ()) -> dict[str, int]:
    """Return the partition counts of `topics`, once the broker answers and has them all.

    Faust would end when the broker is away, and idle without a word when a
    topic is missing.  Raises `Fatal` where the broker is there and refuses us.
    """
    pause = 0.25
    while True:
        try:
            if connection.tokens is not None:  # whose refusal aiokafka does not hear
                await _look_closer(connection)
            counts = await _ask(connection, topics)
        except (KafkaError, OSError, TimeoutError) as error:
            await _look_closer(connection)
            log.warning("broker away", broker=connection.bootstrap, error=str(error), pause=pause)
        else:
            missing = sorted(topic for topic in topics if not counts.get(topic))
            if not missing:
                return counts
            log.warning("topics missing", topics=missing, action="create them", pause=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)


async def _look_closer(connection: Connection) -> None:
    """Raise `Fatal` if a host refuses us."""
    for host, answer in (await knock(connection)).items():
        if isinstance(answer, Refusal):
            raise Fatal(f"{host} {answer}") from answer


async def _ask(connection: Connection, topics: Collection[str]) -> dict[str, int]:
    """Return the partition count of each topic that exists."""
    admin = AIOKafkaAdminClient(**connection.client(), request_timeout_ms=5_000)
    try:
        await asyncio.wait_for(admin.start(), 10)
        found = await asyncio.wait_for(describe(admin, topics), 10) if topics else []
    finally:
        await admin.close()
    counts = {}
    for topic in found:
        error = for_code(topic["error_code"])
        if error.errno and not error.retriable:
            raise Fatal(f"Topic {topic['topic']}: {error.message}. {ALLOW}")
        counts[topic["topic"]] = len(topic["partitions"])
    return counts


async def knock(connection: Connection) -> dict[str, Exception | None]:
    """Return how each of the hosts to ask first answers: with an error, or None.

    aiokafka's clients only tell that they found nobody, whether it is the host
    that is away or the password that is wrong; here the latter is a `Refusal`.
    """
    options = {k: v for k, v in connection.client().items() if k != "bootstrap_servers"}
    answers: dict[str, Exception | None] = {}
    for host, port, _ in collect_hosts(connection.bootstrap):
        try:
            if connection.tokens is not None:
                context = options.get("ssl_context")
                await show_token(host, port, context, connection.tokens)
            opened = await create_conn(host, port, **options, request_timeout_ms=5_000)
            try:
                # Who should have said a name first is sent away by this, and not before.
                await opened.send(MetadataRequest([], allow_auto_topic_creation=False))
            finally:
                await opened.close()
            answers[f"{host}:{port}"] = None
        except (KafkaError, OSError, TimeoutError) as error:
            answers[f"{host}:{port}"] = await understand(
                error, host, port, connection.security_protocol, options.get("ssl_context")
            )
    return answers


async def describe(admin: AIOKafkaAdminClient, topics: Collection[str]) -> list[dict[str, Any]]:
    """Return what the broker says of each topic; one that is not there stays so.

    Asked in the client's own way, a broker that makes topics on first use would
    make a misspelt one, and whoever waits for the right one would never know.
    """
    request = MetadataRequest(sorted(topics), allow_auto_topic_creation=False)
    response = await admin._send_request(request)  # noqa: SLF001 - the public way cannot say it
    found: list[dict[str, Any]] = response.to_object()["topics"]
    return found


async def patient(asking: Callable[[], Awaitable[T]]) -> T:
    """Ask again for a while where the brokers are still settling: after a start, or a new topic."""
    until = time.monotonic() + SETTLING_SECONDS_MAX
    while True:
        try:
            return await asking()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > until:
                raise
        await asyncio.sleep(0.2)


class Muffle(logging.Filter):
    """Lets each kind of message of a logger through once in `seconds`, with a count of the rest."""

    def __init__(self, seconds: float = 10.0) -> None:
        """Let nothing be repeated within `seconds`."""
        super().__init__()
        self.seconds = seconds
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether `record` is the first of its kind for a while."""
        kind = (record.name, str(record.msg))
        now = time.monotonic()
        last, held_back = self._seen.get(kind, (float("-inf"), 0))
        if now - last < self.seconds:
            self._seen[kind] = (last, held_back + 1)
            return False
        self._seen[kind] = (now, 0)
        if held_back:
            record.msg = f"{record.msg} ({held_back} more like it)"
        return True


def muffle_clients() -> None:
    """Rate-limit what aiokafka logs; call it once, after aiokafka is imported."""
    muffle = Muffle()
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "aiokafka":
            logging.getLogger(name).addFilter(muffle)
