"""The reference says what the code says; every command has an example, and every example parses."""

import re
import shlex
from typing import Any

import pytest
import typer
from needs import ROOT
from typer.testing import CliRunner

from stream.cli import cli
from stream.cli.errors import EXIT_CODES
from stream.cli.reference import PROGRAM, commands, examples, pages
from stream.engine.exits import Exit

FOUND = {" ".join(words): command for words, command in commands()}
USAGE_ERROR = typer.BadParameter.__mro__[1]
EXAMPLES = [example for command in FOUND.values() for example in examples(command)]


@pytest.mark.parametrize("name", pages())
def test_a_page_is_what_the_code_says(name: str) -> None:
    """After a change of either: `just reference`."""
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == pages()[name], "run `uv run just reference`"


def test_every_command_has_an_example() -> None:
    """Who does not know a command learns it sooner from one than from its options."""
    assert [name for name, command in FOUND.items() if not examples(command)] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_parses(example: str) -> None:
    """As the command itself reads it: names, options and the kinds of their values."""
    words = shlex.split(example.partition(" > ")[0])
    name = max((one for one in FOUND if f"{' '.join(words)} ".startswith(f"{one} ")), key=len)
    given = words[len(name.split()) :]
    context: Any = FOUND[name].make_context(name, given)
    assert context.params


def test_an_example_that_is_wrong_does_not_parse() -> None:
    """Or the test above would say nothing."""
    for given in (["--nonsense"], ["log.jsonl", "--every", "fortnight"], []):
        with pytest.raises(USAGE_ERROR):
            FOUND[f"{PROGRAM} retention"].make_context("retention", given)


def test_every_page_of_the_reference_is_listed() -> None:
    """And nothing is listed that is not there."""
    folder = ROOT / "docs" / "reference"
    listed = re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert [page for page in listed if not (folder / page).exists()] == []
    assert {page.name for page in folder.glob("*.md")} - {"README.md"} <= set(listed)


def test_the_exit_codes_of_a_worker_are_the_documented_ones() -> None:
    """A supervisor decides by them."""
    assert {code.value for code in Exit} <= set(EXIT_CODES)


def test_what_prints_figures_prints_them_as_json() -> None:
    """By one option of one name; what has no figures of its own is named here."""
    without = {
        *("run", "demo", "console", "deliver"),  # go on until they are stopped
        *("model publish", "policy init", "replay"),  # what they make is a file, or goes to Kafka
        *("contract asyncapi", "contract schema", "contract figures"),  # print a document
    }
    names = {
        name.removeprefix(f"{PROGRAM} ")
        for name, command in FOUND.items()
        if not any("--json" in param.opts for param in command.params)
    }
    assert names == without


def test_a_mistyped_command_is_answered_with_the_right_one() -> None:
    """Nobody should have to read a list for one letter."""
    done = CliRunner().invoke(cli, ["bakctest"])
    assert done.exit_code == 2
    assert "Did you mean 'backtest'" in done.stderr
