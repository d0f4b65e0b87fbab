"""A page as its reader types it: its blocks, and what is said of them where nobody reads.

A comment before a block says to whoever follows the page what a reader knows by himself:

    <!-- test: stays -->              runs until the page is over, as in a terminal of its own
    <!-- test: until it is so -->     typed again and again, until it prints what the page shows
    <!-- test: varies -->             of the output, only that there is some
    <!-- test: terminal -->           printed to a terminal, not to a pipe
    <!-- test: file NAME -->          not typed but kept as a file
    <!-- test: given, WHY -->         the test brings what this would fetch
    <!-- test: parsed, WHY -->        cannot be run: the command line only reads it
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from needs import ROOT

FOLLOWED = (
    "docs/tutorial.md",
    *(f"docs/how-to/{path.name}" for path in sorted((ROOT / "docs" / "how-to").glob("*.md"))),
)
"""Pages whose blocks a test types: what none of its blocks says is done, is done."""
READ = (
    "README.md",
    *(
        f"docs/explanation/{path.name}"
        for path in sorted((ROOT / "docs" / "explanation").glob("*.md"))
    ),
)
"""Pages that are only read: their commands are parsed here, and each says who runs it."""
_FENCE = re.compile(r"^( *)```(\S*)\s*$")
_MARK = re.compile(r"^ *<!-- test: (until it is so|[a-z]+)(?:,? (.*?))? ?-->$")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    mark: str
    """What is to be done with it, by the comment before it; empty: what its language says."""
    saying: str
    """The rest of that comment: a file's name, or why."""
    line: int


def blocks(text: str) -> Iterator[Block]:
    """Give the blocks of a page, in order."""
    mark, saying = "", ""
    begun: tuple[str, str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if begun is not None:
            indent, language, at = begun
            if fence is not None and fence[2] == "":
                yield Block(language, "\n".join(lines), mark, saying, at)
                begun, mark, saying, lines = None, "", "", []
            else:
                lines.append(line.removeprefix(indent))
        elif fence is not None:
            begun = fence[1], fence[2], number
        elif said := _MARK.match(line):
            mark, saying = said[1], said[2] or ""
        elif line.strip():
            assert not mark, f"line {number}: a comment for a test, and no block below it"
    assert begun is None, "a block that does not end"


def all_blocks(*names: str) -> list[tuple[str, Block]]:
    """Return the blocks of pages."""
    return [
        (name, block)
        for name in names
        for block in blocks((ROOT / name).read_text(encoding="utf-8"))
    ]
