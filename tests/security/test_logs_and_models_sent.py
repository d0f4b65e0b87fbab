"""A log and its models, sent to topics of a secured broker: by who may, and by nobody else."""

from pathlib import Path
from typing import Any

import pytest
from secured_broker import SecuredBroker
from secured_commands import acl, allow, slipaway
from worker_process import PARTITIONS, read_all

from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.worker.permissions import Kind, Permission, Role

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

POLICY = '[slipping]\nhorizon = "14d"\n'


async def test_models_and_logs_are_sent_with_what_an_operator_is_allowed(
    secured: SecuredBroker, names: dict[str, str], unique: str, tmp_path: Path
) -> None:
    """Over TLS with a password; without the one permission, it is said which, and nothing sent."""
    shared: dict[str, Any] = {"app_id": unique, "partitions": PARTITIONS, "topics": names}
    who = f"{unique}-operator"
    operator = shared | await secured.new_user(who, "SCRAM-SHA-512")
    await allow(secured, who, Role.OPERATOR, shared)
    log, policy, models = (tmp_path / name for name in ("log.jsonl", "policy.toml", "models.jsonl"))
    events = simulate(customers=12, days=60, seed=3)
    log.write_bytes(b"".join(message(event) + b"\n" for event in events))
    policy.write_text(POLICY)
    made = await slipaway(operator, "topics", "create")
    assert made.returncode == 0, made.stderr
    replayed = ("replay", str(log), "--policy", str(policy))
    saved = await slipaway(operator, *replayed, "--save-model", str(models))
    assert saved.returncode == 0, saved.stderr
    for topic, words in (
        ("model", ("model", "publish", str(models))),
        ("usage", (*replayed, "--to-topic", names["usage"])),
    ):
        write = Permission(Kind.TOPIC, names[topic], "WRITE")
        await secured.forbid(who, [acl(write)])
        refused = await slipaway(operator, *words)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"We are not allowed: {write}. Operator action")
        assert await read_all(secured.local, names[topic], 1) == []
        await secured.allow(who, [acl(write)])
        done = await slipaway(operator, *words)
        assert done.returncode == 0, done.stderr
    assert len(await read_all(secured.local, names["model"], 1)) == 60
    assert len(await read_all(secured.local, names["usage"])) >= 12
