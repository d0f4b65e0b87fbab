"""The commands that our pages tell a reader to type."""

import re
import shlex
from typing import Any

import typer

from stream.cli import cli


def commands(text: str, *languages: str) -> list[str]:
    """Return what a page's blocks in a language ("sh") say to type, without comments."""
    within, lines = None, []
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            within = line.strip().removeprefix("```") if within is None else None
        elif within in (languages or ("sh",)):
            lines.append(re.sub(r"(^|\s)#.*", "", line).strip())
    joined = "\n".join(lines).replace("\\\n", "")
    return [line for line in joined.splitlines() if line]


def parse(line: str) -> None:
    """Parse a command line without running it; raise what is wrong with it."""
    program, *words = shlex.split(line)
    assert program == "slipaway"
    command: Any = typer.main.get_command(cli)
    context = command.context_class(command, info_name=program)
    while hasattr(command, "resolve_command"):  # a group of commands
        _, command, words = command.resolve_command(context, words)
    command.make_context(line, words, parent=context)
