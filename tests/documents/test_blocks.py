"""Every block of the pages that people begin with: what it is, and that somebody checks it."""

import json
import re
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from needs import ROOT
from pages import FOLLOWED, READ, all_blocks
from standardwebhooks import Webhook
from typed import parse

from stream.delivery.endpoints import parse as parse_endpoints
from stream.wire.policy_file import parse as parse_policy

LANGUAGES = {"sh", "text", "toml", "json", "python"}
"""The README's picture and its two commands have none or one that no test needs."""
MARKS = {"stays", "until it is so", "varies", "terminal", "file", "given", "parsed"}
WITH_WHY = {"file", "given", "parsed"}
README_LINES_MAX = 165
SUBSCRIBE = "docs/how-to/subscribe.md"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the example of Standard Webhooks


def test_pages_are_told_apart() -> None:
    """Every page of the documentation is followed, read, or an index without commands."""
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    others = there - {*FOLLOWED, *READ, "docs/README.md"}
    assert {name for name in others if not name.startswith("docs/reference/")} == set()
    assert len(all_blocks(*FOLLOWED)) > 50


@pytest.mark.parametrize("name", [*FOLLOWED, *READ])
def test_every_block_says_what_it_is(name: str) -> None:
    """And a comment for tests is one that they know; what is not run has a reason."""
    for _, block in all_blocks(name):
        place = f"{name}:{block.line}"
        assert block.language in LANGUAGES or name == "README.md", place
        assert not block.mark or block.mark in MARKS, f"{place}: {block.mark}"
        assert block.mark not in WITH_WHY or block.saying, f"{place}: why?"
        assert block.mark != "varies" or block.language == "text", place
        assert block.text.strip(), f"{place}: says nothing"
        for test in re.findall(r"tests/[\w/.]*\w", block.saying):
            assert (ROOT / test).exists(), f"{place}: {test} is not there"


@pytest.mark.parametrize("name", READ)
def test_what_is_only_read_says_who_runs_it(name: str) -> None:
    """Nobody follows these pages: whoever adds a command says where it is tested."""
    for _, block in all_blocks(name):
        assert block.language != "sh" or block.mark == "parsed", f"{name}:{block.line}"


@pytest.mark.parametrize("name", [*FOLLOWED, *READ])
def test_commands_can_be_typed(name: str) -> None:
    """By the command line itself, also where a test runs them: this one needs no broker."""
    for _, block in all_blocks(name):
        if block.language == "sh":
            for line in typed(block.text):
                parse(line)


@pytest.mark.parametrize("name", [*FOLLOWED, *READ])
def test_what_is_data_can_be_read(name: str) -> None:
    """A policy is one, also in parts; endpoints are; JSON and Python are what they say."""
    for _, block in all_blocks(name):
        if block.language == "json":
            json.loads(block.text.replace(", ...", ""))
        elif block.language == "python":
            compile(block.text, f"{name}:{block.line}", "exec")
        elif block.language == "toml" and "[[endpoint]]" in block.text:
            parse_endpoints(block.text, {"CRM_SECRET": SECRET})
        elif block.language == "toml":
            parse_policy(block.text)


def test_the_readme_has_no_policy_of_its_own() -> None:
    """It is the front page: what is longer stands in docs."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES_MAX


def typed(text: str) -> list[str]:
    """Return the calls of slipaway in a block, as one would type them alone."""
    joined = re.sub(r"(^|\s)#.*", "", text.replace("\\\n", ""), flags=re.MULTILINE)
    calls = re.findall(r"(?:uv run )(slipaway [^|>\n]*)", joined)
    assert joined.count("slipaway ") >= len(calls)
    return [shlex.join(shlex.split(call)) for call in calls]


def test_receivers_check_signatures_as_they_are_made() -> None:
    """The page's receiver against what signs for us: genuine, forged, and too old."""
    (block,) = [block for _, block in all_blocks(SUBSCRIBE) if block.saying == "receiver.py"]
    receiver: dict[str, Any] = {}
    exec(compile(block.text, SUBSCRIBE, "exec"), receiver)  # noqa: S102 - our own page
    genuine, body = receiver["genuine"], b'{"kind":"opened"}'
    at = datetime(2026, 11, 23, tzinfo=UTC)
    headers = {
        "webhook-id": "a-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("a-1", at, body.decode()),
    }
    now = at.timestamp() + 10
    assert genuine(headers, body, SECRET, now)
    assert not genuine(headers, body + b" ", SECRET, now)
    assert not genuine(headers | {"webhook-id": "a-2"}, body, SECRET, now)
    assert not genuine(headers, body, SECRET, now + 600)
