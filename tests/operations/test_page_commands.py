"""Every command of the pages of operations is typed by a test, or it is said why by none."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from kubelet import KUBERNETES, Cluster
from needs import ROOT
from page_commands import (
    ANSWERS,
    BROKER,
    ELSEWHERE,
    IN_ORDER,
    NEVER,
    THE_SAME,
    commands_of,
    told,
)
from started import free_ports
from typed import parse

from stream.cli import cli
from stream.settings import Settings

TYPED = {BROKER, *IN_ORDER, *ANSWERS, *THE_SAME, *ELSEWHERE, *NEVER}
ASKS_A_SERVER = "connection refused|was refused"
"""What kubectl says once nothing is wrong with its words, and nobody answers."""


def a_name_only(command: str) -> bool:
    """Say whether words only name a command of ours, and options of it: nobody types that."""
    program, *words = command.split()
    if program != "slipaway":
        return False
    named: Any = typer.main.get_command(cli)
    context = named.context_class(named, info_name=program)
    while words and hasattr(named, "resolve_command") and not words[0].startswith("-"):
        _, named, words = named.resolve_command(context, words)
    options = {option for parameter in named.params for option in parameter.opts}
    return set(words) <= options


def test_every_command_of_a_page_is_typed_or_it_is_said_why_not() -> None:
    """Whoever writes another one down says here what it answers."""
    unknown = {
        command: pages
        for command, pages in told().items()
        if command not in TYPED and not a_name_only(command)
    }
    assert unknown == {}
    assert set(THE_SAME.values()) <= ANSWERS.keys()


def test_what_is_typed_stands_in_a_page() -> None:
    """A command that no reader sees any more is tested for nobody."""
    assert set(told()) >= TYPED


def test_commands_are_found_wherever_they_stand() -> None:
    """In blocks of a shell, in blocks of no language, and quoted in a sentence."""
    page = (
        "Type `slipaway doctor\n--json`, or `slipaway.usage`.\n\n```sh\nanything at all # said\n"
        "```\n\n```\nuv run just x\nN = just a formula\n```\n"
    )
    assert list(commands_of(page)) == ["anything at all", "just x", "slipaway doctor --json"]
    assert a_name_only("slipaway deliver --port")
    assert a_name_only("slipaway dlq list")
    assert not a_name_only("slipaway dlq list --code no_time")
    assert not a_name_only("kubectl apply")
    with pytest.raises(Exception, match="No such command"):
        a_name_only("slipaway deliber")


@pytest.mark.parametrize(("file", "words"), ELSEWHERE.values())
def test_another_test_does_type_it(file: str, words: str) -> None:
    """The one that is named; it reads the pages itself, or has the words."""
    assert words in (Path(__file__).parent / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [command for command in NEVER if command.startswith("just ")])
def test_a_recipe_that_is_not_run_can_be(command: str) -> None:
    """As far as just says without doing anything."""
    just = shutil.which("just", path=str(Path(sys.executable).parent))
    assert just is not None
    done = subprocess.run([just, "--dry-run", *command.split()[1:]], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_a_list_of_jars_that_is_not_made_could_be() -> None:
    """Its words are known."""
    words = ["-m", "stream.broker", "lock"]
    assert " ".join(["python", *words]) in NEVER
    done = subprocess.run(
        [sys.executable, *words, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "lock" in done.stdout


def test_a_composition_is_told_what_it_knows() -> None:
    """The profile and the policy; how they are read is for test_compose.py."""
    (command,) = [command for command in NEVER if "docker compose" in command]
    (profile,) = re.findall(r"--profile (\S+)", command)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert any(profile in service.get("profiles", ()) for service in services.values())
    assert "${SLIPAWAY_POLICY:-" in str(services["worker"])


@pytest.mark.parametrize(
    "command", [command for command in NEVER if command.startswith("kubectl ") and "/" in command]
)
def test_a_cluster_is_asked_for_what_the_manifests_make(command: str) -> None:
    """The things by their names and namespace; by kubectl itself, where it is installed."""
    example = Cluster(KUBERNETES / "overlays" / "example")
    words = command.split()
    made = {
        f"{thing['kind'].lower()}/{thing['metadata']['name']}": thing["metadata"].get("namespace")
        for thing in example.objects
    }
    for thing in (word for word in words if word.startswith("statefulset/")):
        assert made[thing] == words[words.index("--namespace") + 1]
    if shutil.which("kubectl") is None:
        return  # kustomize alone built the manifests; nothing else is known of these words
    (nobody,) = free_ports(1)
    done = subprocess.run(
        [*words, "--server", f"http://127.0.0.1:{nobody}", "--request-timeout", "5s"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},  # no cluster of whoever runs this
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert re.search(ASKS_A_SERVER, done.stderr), done.stderr


def test_kafka_s_own_tools_are_told_of_a_topic_of_ours() -> None:
    """Of which a transaction may be left open."""
    (command,) = [command for command in NEVER if command.startswith("kafka-")]
    assert f"--topic {Settings().topics.state}" in command


def test_what_is_not_run_can_be_parsed() -> None:
    """What is ours, whoever runs it."""
    for command in TYPED:
        if command.startswith("slipaway "):
            parse(command)
