"""With any one permission missing, somebody says which, before anything is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from secured_broker import SecuredBroker
from secured_commands import acl, allow, permissions, slipaway
from worker_process import PARTITIONS, create

from stream.doctor.examine import examine
from stream.doctor.findings import Fault, Finding, Verdict
from stream.engine.exits import Exit
from stream.settings import load
from stream.worker.connection import connection
from stream.worker.permissions import Kind, Permission, Role
from stream.worker.topics import ensure

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.fixture
async def own(
    secured: SecuredBroker, names: dict[str, str], topic_names: Callable[[str], str], unique: str
) -> dict[str, Any]:
    """Return the settings of a worker to whom exactly what is listed is allowed."""
    raw = topic_names("raw")
    await create(secured.local, raw, {})
    shared = {"app_id": unique, "partitions": PARTITIONS, "topics": {**names, "sources": raw}}
    administrator = load(shared | {"bootstrap_servers": secured.bootstrap})
    await ensure(administrator, connection(administrator))
    await allow(secured, unique, Role.WORKER, shared)
    return shared | await secured.new_user(unique, "SCRAM-SHA-256")


def bad(findings: list[Finding]) -> list[Finding]:
    """Return what is not good, and that the trial's single copies are not meant."""
    return [f for f in findings if f.verdict is not Verdict.OK and f.check != "copies"]


async def test_the_doctor_names_each_permission_that_is_missing(
    secured: SecuredBroker, own: dict[str, Any], unique: str
) -> None:
    """Taken away one by one: what nobody misses is not needed, and should not be listed."""
    assert bad(await examine(load(own))) == []
    for missing in permissions(Role.WORKER, own):
        if missing.operation == "DESCRIBE_CONFIGS":
            continue
        await secured.forbid(unique, [acl(missing)])
        found = bad(await examine(load(own)))
        assert any(named(missing, finding) for finding in found), (missing, found)
        await secured.allow(unique, [acl(missing)])


def named(missing: Permission, finding: Finding) -> bool:
    """Say whether a finding tells what is missing, and that it has to be allowed."""
    if missing.kind is Kind.TRANSACTIONAL_ID:
        check, about = "transaction", missing.name
    elif missing.kind is Kind.GROUP:
        check, about = "group", missing.name
    else:
        check, about = f"topic {missing.name}", ""
    allow_it = finding.action.startswith("allow ") and missing.operation in finding.action
    return (
        finding.check == check
        and about in finding.reason
        and allow_it
        and finding.fault is Fault.PERMISSION
    )


async def test_a_topic_whose_configuration_may_not_be_read_is_warned_of(
    secured: SecuredBroker, own: dict[str, Any], unique: str
) -> None:
    """A worker goes without, and nobody would notice that a topic forgets."""
    asked = permissions(Role.WORKER, own)
    configs = [one for one in asked if one.operation == "DESCRIBE_CONFIGS"]
    await secured.forbid(unique, map(acl, configs))
    found = bad(await examine(load(own)))
    assert {(finding.check, finding.verdict) for finding in found} == {
        (f"topic {one.name}", Verdict.WARNING) for one in configs
    }
    assert all("DESCRIBE_CONFIGS" in finding.action for finding in found)


@pytest.mark.parametrize(
    ("kind", "which", "operation", "words"),
    [
        (Kind.GROUP, "", "READ", "We are not allowed: READ on group {}."),
        (Kind.TRANSACTIONAL_ID, "-", "WRITE", "a permission on transactional id {}-"),
        (Kind.TOPIC, ".raw", "READ", "We are not allowed: READ on topic {}.raw."),
        (Kind.TOPIC, ".state", "READ", "We are not allowed: READ on topic {}.state."),
        (Kind.TOPIC, ".alerts", "WRITE", "WRITE on topic {}.alerts."),
    ],
)
async def test_a_worker_without_a_permission_ends_and_says_which(
    secured: SecuredBroker,
    own: dict[str, Any],
    unique: str,
    kind: Kind,
    which: str,
    operation: str,
    words: str,
) -> None:
    """It is for a person to allow it: no supervisor should start it again and again."""
    asked = permissions(Role.WORKER, own)
    (missing,) = [
        p for p in asked if p.name == unique + which and p.operation == operation and p.kind is kind
    ]
    await secured.forbid(unique, [acl(missing)])
    ended = await slipaway(own | {"web_port": 0, "log_format": "json"}, "run")
    assert ended.returncode == Exit.HUMAN
    assert words.format(unique) in ended.stderr


async def test_a_deliverer_without_a_permission_ends_and_says_which(
    secured: SecuredBroker, own: dict[str, Any], unique: str, tmp_path: Path
) -> None:
    """All that it lacks at once: whoever allows it wants to do so in one go."""
    endpoints = tmp_path / "endpoints.toml"
    endpoints.write_text(
        '[[endpoint]]\nname = "crm"\nurl = "https://crm.test"\ntemplate = "slack"\n'
    )
    who = f"{unique}-deliverer"
    delivering = own | await secured.new_user(who, "SCRAM-SHA-256")
    group = Permission(Kind.GROUP, f"{unique}.deliver.", "READ", prefixed=True)
    letters = Permission(Kind.TOPIC, own["topics"]["dead_letters"], "WRITE")
    listed = permissions(Role.DELIVER, own)
    assert {group, letters} <= set(listed)
    await secured.allow(who, [acl(one) for one in listed if one not in {group, letters}])
    ended = await slipaway(delivering | {"log_format": "json"}, "deliver", str(endpoints))
    assert ended.returncode == Exit.HUMAN
    assert f"We are not allowed: {letters}; READ on group {unique}.deliver.crm." in ended.stderr
