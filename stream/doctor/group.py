"""Group: who works under this app id now, and whether we may join them.

To join is to disturb: it would take every partition from everyone for a moment.
So membership is asked for the way a heartbeat of an unknown member does, which
needs the same permission and changes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import GroupAuthorizationFailedError, for_code
from aiokafka.protocol.group import HeartbeatRequest

from stream.doctor.findings import Fault, Finding, failure, ok, warning
from stream.engine.protocol import DescribeGroup

CHECK = "group"
PROTOCOL = "faust"  # the name under which workers divide partitions, or how it begins
_NOBODY = "slipaway-doctor"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group."""

    instance: str
    """Its own name; empty: it has none."""
    host: str
    partitions: frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A consumer group as its coordinator sees it."""

    name: str
    state: str = ""
    protocol: str = ""
    members: tuple[Member, ...] = ()
    forbidden: bool = False
    """We may not join it."""


async def ask(admin: AIOKafkaAdminClient, name: str) -> GroupFacts:
    """Ask about a group, and whether we may join it."""
    found = await described(admin, name)
    if found.forbidden:
        return found
    client = admin._client  # noqa: SLF001 - no public way
    node = await admin.find_coordinator(name)
    beat = await client.send(node, HeartbeatRequest(name, -1, _NOBODY))
    return replace(found, forbidden=for_code(beat.error_code) is GroupAuthorizationFailedError)


async def described(admin: AIOKafkaAdminClient, name: str) -> GroupFacts:
    """Ask who is in a group, for which it takes DESCRIBE and no more."""
    client = admin._client  # noqa: SLF001 - the public way has no names of static members
    try:
        node = await admin.find_coordinator(name)
    except GroupAuthorizationFailedError:
        return GroupFacts(name, forbidden=True)
    found = (await client.send(node, DescribeGroup(name))).to_object()["groups"][0]
    return GroupFacts(
        name,
        state=found["state"],
        protocol=found["protocol"],
        members=tuple(
            Member(
                member["group_instance_id"] or "",
                member["client_host"].lstrip("/"),
                _assigned(member["member_assignment"]),
            )
            for member in found["members"]
        ),
        forbidden=for_code(found["error_code"]) is GroupAuthorizationFailedError,
    )


def judge(facts: GroupFacts, instance: str, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Say whether a worker named `instance` can join; `counts`: partitions of all sources."""
    if facts.forbidden:
        yield failure(
            CHECK,
            f"we may not join {facts.name}",
            Fault.PERMISSION,
            f"allow READ on group {facts.name}",
        )
        return
    if facts.members and facts.protocol.partition("-")[0] not in {"", PROTOCOL}:
        yield failure(
            CHECK,
            f"{facts.name} is in use by other software (it divides partitions by"
            f" {facts.protocol!r}): a worker could not join",
            Fault.SETTINGS,
            "set app_id to a name that nobody else has",
        )
        return
    names = [member.instance or member.host for member in facts.members]
    mine = [member for member in facts.members if member.instance == instance]
    if mine:
        yield warning(
            CHECK,
            f"{instance} is in use by a worker on {mine[0].host}: a second one of that name would"
            " end the first, and the first, started again, the second",
            Fault.SETTINGS,
            "fine if that worker is the one to be replaced; else set instance_id",
        )
    else:
        busy = f"{len(names)} members: {', '.join(sorted(names))}" if names else "nobody in it"
        yield ok(CHECK, f"{facts.name}: {busy}; {instance} is free")
    yield from _unread(facts, counts)


def _unread(facts: GroupFacts, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Find partitions that a settled group leaves to nobody."""
    if facts.state != "Stable":
        return
    held = {place for member in facts.members for place in member.partitions}
    unread = [
        f"{topic}/{partition}"
        for topic, count in sorted(counts.items())
        for partition in range(count)
        if (topic, partition) not in held
    ]
    if unread:
        yield warning(
            CHECK,
            f"the workers that run read nothing of {', '.join(unread)}: these came after they"
            " divided the work, or their settings do not name them; and a worker that is replaced"
            " within its session time-out takes over what the one before had, and no more",
            Fault.WORKER,
            "stop all workers of this app_id for longer than session_timeout_seconds, then start"
            " them with the same settings",
        )


def _assigned(assignment: bytes) -> frozenset[tuple[str, int]]:
    """Read which partitions a member was given."""
    if not assignment:
        return frozenset()
    decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment)
    return frozenset((tp.topic, tp.partition) for tp in decoded.partitions())
