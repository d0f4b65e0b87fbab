"""Reading: whether the topics may be read.  Each is asked for one fetch, and none waits."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import TopicPartition

from stream.doctor.findings import Fault, Finding, failure

_PARTITION = 0
_COMMITTED = 1


async def ask(admin: AIOKafkaAdminClient, topics: Collection[str]) -> dict[str, str]:
    """Fetch from topics that exist; return which were refused, and why.

    Raises what may pass, if asked again.
    """
    client = admin._client  # noqa: SLF001 - a consumer would ask for them one after the other
    await client.set_topics(set(topics))
    by_leader: dict[int, list[str]] = defaultdict(list)
    for topic in topics:
        leader = client.cluster.leader_for_partition(TopicPartition(topic, _PARTITION))
        if leader is not None and leader >= 0:
            by_leader[leader].append(topic)
    answers = await asyncio.gather(
        *[
            client.send(
                leader,
                FetchRequest(0, 0, 1, _COMMITTED, [(topic, [(_PARTITION, 0, 1)]) for topic in led]),
            )
            for leader, led in by_leader.items()
        ]
    )
    errors = {
        topic: for_code(partitions[0][1])
        for answer in answers
        for topic, partitions in answer.topics
    }
    for error in errors.values():
        if error.retriable and error is not OffsetOutOfRangeError:
            raise error
    # The first record may be long gone; whoever hears so was allowed to ask.
    return {
        topic: error.__name__
        for topic, error in errors.items()
        if error.errno and error is not OffsetOutOfRangeError
    }


def judge(unreadable: dict[str, str]) -> Iterator[Finding]:
    """Say which topics may not be read."""
    for topic, why in sorted(unreadable.items()):
        yield failure(
            f"topic {topic}",
            f"it may not be read: {why}",
            Fault.PERMISSION,
            "allow READ on it",
        )
