"""The runbooks: what they tell somebody to type at night can be typed."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from programs import RUNBOOKS
from typed import commands, parse

BOOKS = sorted(RUNBOOKS.glob("*.md"))
USAGE_ERROR: Any = typer.BadParameter.__base__
ALL_METRICS = RUNBOOKS.parent / "METRICS.md"


@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_and_what_to_type_first(book: Path) -> None:
    """In that order: who is called reads from the top."""
    text = book.read_text(encoding="utf-8")
    assert text.startswith(f"# {book.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["What it means", "First", "Then"]
    assert commands(text)
    for line in commands(text):
        parse(line)


def test_what_cannot_be_typed_is_noticed() -> None:
    """Else the test above says nothing."""
    with pytest.raises(USAGE_ERROR):
        parse("slipaway diagnose")
    with pytest.raises(USAGE_ERROR):
        parse("slipaway tap --sort kind")


@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.stem)
def test_what_a_runbook_points_at_is_there(book: Path) -> None:
    """Other runbooks, and metrics by their names."""
    text = book.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (book.parent / link).is_file(), link
    known = ALL_METRICS.read_text(encoding="utf-8")
    for metric in re.findall(r"\bslipaway_[a-z_]+", text):
        assert f"`{metric}`" in known, metric
