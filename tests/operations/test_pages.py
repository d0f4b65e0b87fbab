"""Every command that a page tells its reader to type: it can be, or it is said who runs it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from kubelet import builder
from needs import ROOT
from typed import commands, parse

PAGES = ("CONTRIBUTING.md", "deploy/README.md", "POLICY.md", "METHODS.md")
ELSEWHERE = {
    "uv run pytest": "it is this",
    "docker compose": "it needs a container engine; test_compose_live.py runs its processes",
    "kubectl apply": "it needs a cluster; test_kubernetes_live.py runs its pods",
    "kubectl rollout": "it needs a cluster",
    "kubectl scale": "it needs a cluster",
}
"""What no test types, and why."""
USAGE_ERROR: Any = typer.BadParameter.__base__


def said(name: str) -> list[str]:
    """Return the commands of a page, in whichever kind of block."""
    text = (ROOT / name).read_text(encoding="utf-8")
    known = re.compile(r"uv run |slipaway [a-z]|just |kubectl |docker |[A-Z_]+=\S+ ")
    return [line for line in commands(text, "", "sh") if known.match(line)]


CASES = [pytest.param(name, line, id=line[:60]) for name in PAGES for line in said(name)]


def test_pages_say_something() -> None:
    """Else the test below says nothing."""
    counts = {name: len(said(name)) for name in PAGES}
    assert counts["CONTRIBUTING.md"] >= 5
    assert counts["deploy/README.md"] >= 10


@pytest.mark.parametrize(("name", "line"), CASES)
def test_what_a_page_says_to_type_can_be_typed(name: str, line: str) -> None:
    """By the command line itself, by just, or by kubectl; what needs more is told apart."""
    plain = re.sub(r"^(?:[A-Z_]+=\S+ )*(?:uv run )?", "", line)
    if any(re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line).startswith(known) for known in ELSEWHERE):
        return
    program, *words = plain.split()
    if program == "slipaway":
        parse(plain.replace("...", ""))
    elif program == "just":
        assert not words or words[0] in recipes(), line
    else:
        assert plain.startswith("kubectl kustomize "), f"{name}: {line}: nobody knows it"
        done = subprocess.run([*builder(), words[1]], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def recipes() -> list[str]:
    """Return what just knows."""
    just = shutil.which("just", path=str(Path(sys.executable).parent))
    assert just is not None
    done = subprocess.run([just, "--summary"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_what_cannot_be_typed_is_noticed() -> None:
    """Else the test above says nothing."""
    with pytest.raises(USAGE_ERROR):
        test_what_a_page_says_to_type_can_be_typed("POLICY.md", "uv run slipaway replai x")
    with pytest.raises(AssertionError):
        test_what_a_page_says_to_type_can_be_typed("POLICY.md", "uv run just nothing")
