"""Broker: whether anybody answers, lets us in, and speaks enough of Kafka's protocol.

Kafka tells no version.  What it can be asked tells the oldest release it can be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.metadata import MetadataRequest

from stream.doctor.findings import Fault, Finding, failure, ok, warning
from stream.engine.refusals import Refusal

CHECK = "broker"

# What a worker asks of its brokers: the request's number, the version needed, and what for.
NEEDED = (
    (22, 0, "transactions"),
    (24, 0, "transactions"),
    (11, 5, "static membership"),
)
# The first release that answers a request: number, version, release.
RELEASES = ((11, 5, "2.3"), (65, 0, "3.0"), (71, 0, "3.7"))


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """Who answers."""

    cluster: str
    brokers: tuple[str, ...]
    apis: Mapping[int, tuple[int, int]]
    """Which versions of each request are answered, from and to."""


async def ask(admin: AIOKafkaAdminClient) -> BrokerFacts:
    """Ask the brokers who they are."""
    client = admin._client  # noqa: SLF001 - versions are kept by connections, which are private
    node = client.get_random_node()
    answer = (await client.send(node, MetadataRequest([], False))).to_object()  # noqa: FBT003
    connection = await client._get_conn(node)  # noqa: SLF001 - as above
    return BrokerFacts(
        cluster=answer.get("cluster_id") or "unnamed",
        brokers=tuple(f"{broker['host']}:{broker['port']}" for broker in answer["brokers"]),
        apis=dict(connection._versions),  # noqa: SLF001 - as above
    )


def judge(facts: BrokerFacts) -> Iterator[Finding]:
    """Say whether a worker can work with these brokers."""
    release = "older than 2.3"
    for api, version, since in RELEASES:
        if _answers(facts, api, version):
            release = f"Kafka {since} or later"
    who = f"cluster {facts.cluster}, {release}, brokers {', '.join(facts.brokers)}"
    lacking = sorted({what for api, version, what in NEEDED if not _answers(facts, api, version)})
    if lacking:
        yield failure(
            CHECK,
            f"{who}: no {' and no '.join(lacking)}",
            Fault.BROKER,
            "use brokers of Kafka 2.3 or later",
        )
    else:
        yield ok(CHECK, who)


def judge_knocks(answers: Mapping[str, Exception | None]) -> Iterator[Finding]:
    """Say which of the hosts that are asked first do not let us in."""
    anybody = any(answer is None for answer in answers.values())
    for host, answer in answers.items():
        if answer is None:
            continue
        if isinstance(answer, Refusal):
            fault = Fault(answer.whose.value)
            yield failure(CHECK, f"{host} {answer.reason}", fault, answer.action)
        elif anybody:
            yield warning(
                CHECK,
                f"{host} does not answer: {_words(answer)}",
                Fault.ADDRESS,
                "start it, or take it out of bootstrap_servers: another one may be away as well",
            )
        else:
            yield failure(
                CHECK,
                f"{host} does not answer: {_words(answer)}",
                Fault.ADDRESS,
                "correct bootstrap_servers and security.protocol, or start the broker; a worker"
                " would wait for it",
            )


def _answers(facts: BrokerFacts, api: int, version: int) -> bool:
    first, last = facts.apis.get(api, (0, -1))
    return first <= version <= last


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
