"""The contract as AsyncAPI's own parser reads it: `just asyncapi-parser` fetches that."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from needs import ROOT, lacking

from stream.detector.stages import Kind

PARSE = Path(__file__).parent / "parse.mjs"
ERROR, WARNING = 0, 1
"""Severities of the parser's; beyond them is advice."""


def parser() -> tuple[str, Path]:
    """Give Node.js and the folder of the parser, or skip the test."""
    node = shutil.which("node")
    if node is None:
        lacking("node is not installed: AsyncAPI's parser needs it")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "slipaway" / "asyncapi"
    if not (folder / "node_modules" / "@asyncapi" / "parser").is_dir():
        lacking("AsyncAPI's parser has not been fetched: just asyncapi-parser")
    return str(node), folder


def read(document: str) -> dict[str, Any]:
    """Give what the parser makes of a document."""
    node, folder = parser()
    done = subprocess.run(
        [node, str(PARSE), str(folder)],
        input=document,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def text() -> str:
    """Give the committed document."""
    return (ROOT / "deploy" / "contract" / "asyncapi.yaml").read_text()


def test_the_parser_objects_to_nothing(text: str) -> None:
    """It finds a message for every kind of alert, each with its example."""
    found = read(text)
    assert not [one for one in found["objections"] if one["severity"] in (ERROR, WARNING)]
    assert {kind.value for kind in Kind} <= found["messages"].keys()
    for kind in Kind:
        (example,) = found["messages"][kind.value]
        assert example["kind"] == kind.value


def test_the_parser_would_object(text: str) -> None:
    """To a document that is none."""
    broken = read(text.replace("channels:", "chanels:", 1))
    assert any(one["severity"] == ERROR for one in broken["objections"])
