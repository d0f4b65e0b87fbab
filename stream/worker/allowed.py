"""Allowed: whether we may do all that we will have to, asked before any work begins.

A permission that is missing would else show where it is first needed, which may
be at the first alert; and some, aiokafka asks for again and again without a
word.  Brokers tell what they allow, topic by topic, and change nothing.  Only of
transactional ids they do not: the first producer will say so.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    NoError,
    TopicAuthorizationFailedError,
    for_code,
)

from stream.engine.connection import Connection, patient, wait_for_broker
from stream.engine.exits import Fatal
from stream.engine.protocol import DescribeGroup, DescribeTopics
from stream.worker.permissions import Kind, Permission

log = structlog.get_logger("slipaway.worker")

# An answer has a bit for each operation that is allowed, by its number in Kafka's protocol.
_BITS = {"READ": 3, "WRITE": 4, "CREATE": 5, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10}
_WHATEVER = -1  # every bit: of what is not there nothing is known, and it is not missed here
_NOTHING = 1 << _BITS["DESCRIBE_CONFIGS"]  # which alone does not need that we may be told of it


async def require(
    connection: Connection, permissions: Collection[Permission], groups: Collection[str]
) -> None:
    """Raise `Fatal` with all of `permissions` that are missing on topics, and on `groups`.

    What is only looked at (DESCRIBE_CONFIGS) is warned of.  Brokers before 2.3
    cannot be asked; then nothing is found.
    """
    await wait_for_broker(connection)
    admin = AIOKafkaAdminClient(**connection.client(), request_timeout_ms=10_000)
    await admin.start()
    try:
        topics = await _on_topics(admin, {p.name for p in permissions if p.kind is Kind.TOPIC})
        joining = [Permission(Kind.GROUP, group, "READ") for group in groups]
        on_groups = {group: await patient(partial(_on_group, admin, group)) for group in groups}
    except IncompatibleBrokerVersion as error:
        log.info("permissions cannot be asked for", reason=str(error))
        return
    finally:
        await admin.close()
    on_topics = [one for one in permissions if one.kind is Kind.TOPIC]
    missing = _missing(on_topics, topics) + _missing(joining, on_groups)
    looks = [one for one in missing if one.operation == "DESCRIBE_CONFIGS"]
    if looks:
        log.warning(
            "permissions missing",
            permissions=[str(one) for one in looks],
            action="allow them: a topic that deletes what must stay would not be noticed",
        )
    if len(missing) > len(looks):
        listed = "; ".join(str(one) for one in missing)
        raise Fatal(
            f"We are not allowed: {listed}. Operator action: allow it on the broker, then start"
            " again; `slipaway topics acls` prints the commands."
        )


def _missing(permissions: Collection[Permission], allowed: Mapping[str, int]) -> list[Permission]:
    """Say which permissions are not among what is allowed, a number of bits for each name."""
    return [one for one in permissions if not allowed[one.name] >> _BITS[one.operation] & 1]


async def _on_topics(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    """Ask what we may do with topics."""
    client = admin._client  # noqa: SLF001 - it has no public way to ask
    answer: Any = await client.send(client.get_random_node(), DescribeTopics(sorted(names)))
    allowed = {}
    for topic in answer.to_object()["topics"]:
        error = for_code(topic["error_code"])
        known = _NOTHING if error is TopicAuthorizationFailedError else _WHATEVER
        allowed[topic["topic"]] = topic["authorized_operations"] if error is NoError else known
    return allowed


async def _on_group(admin: AIOKafkaAdminClient, name: str) -> int:
    """Ask what we may do with a group, of which nobody need have heard yet."""
    try:
        node = await admin.find_coordinator(name)
    except GroupAuthorizationFailedError:
        return 0
    answer: Any = await admin._client.send(node, DescribeGroup(name))  # noqa: SLF001 - as above
    group = answer.to_object()["groups"][0]
    error = for_code(group["error_code"])
    if error.retriable:
        raise error
    known = 0 if error is GroupAuthorizationFailedError else _WHATEVER
    return int(group["authorized_operations"]) if error is NoError else known
