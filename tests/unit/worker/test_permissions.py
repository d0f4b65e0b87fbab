"""Permissions: the list of each role, and the same in the words of Kafka's own tool."""

import argparse
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import cli
from stream.settings import Settings, load
from stream.worker.permissions import Kind, Permission, Role, commands, needed

SETTINGS = load({"app_id": "app", "topics": {"sources": "raw-one,raw"}})


def parsed(line: str) -> set[Permission]:
    """Read a kafka-acls command as the tool does."""
    program, *words = shlex.split(line)
    assert program == "kafka-acls"
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    for kind in (Kind.TOPIC, Kind.GROUP, Kind.TRANSACTIONAL_ID):
        parser.add_argument(f"--{kind}", dest=kind)
    parser.add_argument("--cluster", action="store_const", const="kafka-cluster", dest="cluster")
    parser.add_argument("--resource-pattern-type", default="literal")
    asked = vars(parser.parse_args(words))
    ((kind, name),) = [(kind, asked[kind]) for kind in Kind if asked[kind]]
    prefixed = asked["resource_pattern_type"] == "prefixed"
    return {Permission(kind, name, operation, prefixed) for operation in asked["operation"]}


@pytest.mark.parametrize("role", Role)
def test_the_commands_say_the_list_and_nothing_else(role: Role) -> None:
    """Whoever runs them allows exactly what was tested."""
    listed = needed(role, SETTINGS, accounts=True)
    lines = list(commands("User:us", "broker:9092", listed))
    assert {one for line in lines for one in parsed(line)} == set(listed)
    assert len(set(listed)) == len(listed)


def on_topics(role: Role, settings: Settings, operation: str, *, accounts: bool) -> set[str]:
    """Return the topics on which a role may do something."""
    found = needed(role, settings, accounts=accounts)
    return {p.name for p in found if (p.kind, p.operation) == (Kind.TOPIC, operation)}


def test_what_is_not_used_is_not_asked_for() -> None:
    """Without accounts nobody writes their topics; without learning, nobody the model's."""
    pinned = SETTINGS.model_copy(update={"model": "pinned"})
    topics = SETTINGS.topics
    written = on_topics(Role.WORKER, SETTINGS, "WRITE", accounts=True)
    fewer = on_topics(Role.WORKER, pinned, "WRITE", accounts=False)
    assert written - fewer == {
        topics.members,
        topics.accounts_state,
        topics.accounts,
        topics.account_alerts,
        topics.account_holdout,
        topics.model,
        topics.examples,
        topics.trainer_state,
    }
    assert on_topics(Role.READER, SETTINGS, "WRITE", accounts=True) == set()
    assert on_topics(Role.DELIVER, SETTINGS, "READ", accounts=False) == {
        topics.alerts,
        topics.endpoints,
    }


def test_the_command_asks_no_broker_and_refuses_an_unknown_role(tmp_path: Path) -> None:
    """It is run where the permissions are still to be given; the policy says what is used."""
    policy = tmp_path / "policy.toml"
    policy.write_text("[accounts]\nenabled = true\n")
    words = ["topics", "acls", "--principal", "User:w", "--policy", str(policy)]
    shown = CliRunner().invoke(cli, words)
    assert shown.exit_code == 0, shown.output
    assert "--operation WRITE --topic slipaway.account-alerts" in shown.stdout
    unknown = CliRunner().invoke(cli, [*words, "--role", "king"])
    assert unknown.exit_code == 2
    assert "there is only worker, deliver" in unknown.output
