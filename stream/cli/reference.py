"""The reference pages, from the command line's own declarations: `just reference` writes them.

Nothing is said here that `--help`, `config show` and the types do not say; a test holds the pages
against the code.  In a command's help, a paragraph that begins with its name is an example.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from models.working import Odds, Target, Term, Working
from stream.cli import cli
from stream.cli.errors import EXIT_CODES
from stream.contract.alert_schema import words_of
from stream.explain.explanation import (
    Check,
    EarlierWarnings,
    Explanation,
    Fall,
    Past,
    Said,
    Silence,
    Worth,
)
from stream.settings import CONFIG_VARIABLE, PREFIX, SECRET, Settings

PROGRAM = "slipaway"
SHARED = ("config", "assign", "bootstrap_servers")
"""Parameters that mean the same wherever they stand: told of once."""
_KINDS = {"int": "N", "float": "N", "str": "TEXT", "path": "FILE"}
"""What an option takes that does not say so itself."""
_WRITTEN = "<!-- Written by `just reference`: change what it says in the code. -->"

_STREAMS = """\
Standard output is data, standard error is talk: what a pipe gets can be read by a program. `--json`
prints the same figures as JSON in place of text; of `backtest` it names a file, or `-` for standard
output. `--help` says of every command what this page says.
"""
_SHARED = """
## Where the settings come from

Commands that talk to Kafka take these, too; [settings](settings.md) are found by them.
"""
_COMPLETION = """
## Completion

`slipaway --install-completion` sets it up for the shell it is called from (bash, zsh, fish,
PowerShell), `slipaway --show-completion` prints what that would add. Where the shell cannot be
told, name it:

```sh
_SLIPAWAY_COMPLETE=source_bash slipaway >> ~/.bashrc
_SLIPAWAY_COMPLETE=source_zsh slipaway >> ~/.zshrc
_SLIPAWAY_COMPLETE=source_fish slipaway > ~/.config/fish/completions/slipaway.fish
```

Tab then offers commands, options, the words that an option takes, the names of settings after
`--set`, and files wherever a file is meant."""
_SETTINGS = f"""\
Where to connect and how to run; what slipping away means is in the [policy](../../POLICY.md). A
setting is given by `--set NAME=VALUE`, by its variable, or in a TOML file (`--config`,
`{CONFIG_VARIABLE}`), in that order of precedence. `slipaway config show` says what is in force.
"""
_EXPLANATION = """\
What `slipaway explain CUSTOMER --json` prints. Durations are days, moments ISO 8601 texts (UTC),
pushes and logits natural logarithms. Nothing is rounded: added up again in the order given, the
figures come to the risk that the alert says, which has six digits of it.
"""


def pages() -> dict[str, str]:
    """Give every page by its file's name."""
    return {
        "commands.md": _page(_commands()),
        "settings.md": _page(_settings()),
        "explanation.md": _page(_explanation()),
    }


def commands() -> Iterator[tuple[list[str], Any]]:
    """Give every command that does something, with the words it is called by."""
    yield from _below(typer.main.get_command(cli), [PROGRAM])


def examples(command: Any) -> list[str]:
    """Give the examples in a command's help."""
    return [part for part in _parts(command) if part.startswith(f"{PROGRAM} ")]


def _page(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _below(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
    """Give the commands of a group, and of the groups in it."""
    for name, one in getattr(command, "commands", {}).items():
        if hasattr(one, "commands"):
            yield from _below(one, [*words, name])
        else:
            yield [*words, name], one


def _parts(command: Any) -> list[str]:
    """Give the paragraphs of a command's help, each as one line."""
    return [" ".join(part.split()) for part in (command.help or "").split("\n\n")]


def _commands() -> Iterator[str]:
    """Write the page of the commands."""
    yield "# Commands\n"
    yield f"{_WRITTEN}\n"
    yield _STREAMS
    found = list(commands())
    yield "| command | |"
    yield "| --- | --- |"
    for words, command in found:
        name = " ".join(words[1:])
        yield f"| [{name}](#{'-'.join(words)}) | {_cell(_parts(command)[0])} |"
    yield "\n## Exit codes\n"
    yield "| code | meaning |"
    yield "| --- | --- |"
    for code, meaning in EXIT_CODES.items():
        yield f"| {code} | {_cell(meaning)} |"
    yield _SHARED
    yield from _parameters([p for p in found[0][1].params if p.name in SHARED])
    yield _COMPLETION
    for words, command in found:
        yield from _command(words, command)


def _command(words: list[str], command: Any) -> Iterator[str]:
    """Write the section of one command."""
    yield f"\n## {' '.join(words)}\n"
    shown = examples(command)
    told = [part for part in _parts(command) if part not in shown]
    yield "\n\n".join(told)
    if shown:
        yield "\n```sh"
        yield from shown
        yield "```"
    own = [p for p in command.params if p.name not in SHARED]
    if own:
        yield ""
        yield from _parameters(own)
    if len(own) < len(command.params):
        yield "\nAnd [where the settings come from](#where-the-settings-come-from)."


def _parameters(params: list[Any]) -> Iterator[str]:
    """Write a table of arguments and options."""
    yield "| | | |"
    yield "| --- | --- | --- |"
    for one in params:
        yield f"| {_names(one)} | {_cell(one.help or '')} | {_cell(_default(one))} |"


def _names(one: Any) -> str:
    """Give how a parameter is written."""
    if one.param_type_name == "argument":
        return f"`{one.metavar}`"
    takes = "" if one.is_flag else f" {_takes(one)}"
    names = " / ".join([*one.opts, *one.secondary_opts])
    return _cell(f"`{names}{takes}`{', again and again' if one.multiple else ''}")


def _takes(one: Any) -> str:
    """Give what an option takes, as `--help` has it."""
    if one.metavar is not None:
        return str(one.metavar)
    shown = str(one.display_type_rich(typer.Context(typer.main.get_command(cli)))).strip("<>")
    return _KINDS.get(shown.removesuffix(" range"), shown)


def _default(one: Any) -> str:
    """Say what holds where nothing is given."""
    said = []
    if one.default is True:
        said.append(f"default `{one.opts[0]}`")
    elif one.default not in (None, False, ()):
        said.append(f"default `{getattr(one.default, 'value', one.default)}`")
    if one.required:
        said.append("required")
    if one.envvar:
        said.append(f"or `{one.envvar}`")
    return ", ".join(said)


def _settings() -> Iterator[str]:
    """Write the page of the settings."""
    yield "# Settings\n"
    yield f"{_WRITTEN}\n"
    yield _SETTINGS
    yield from _group(Settings, "")


def _group(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Write the tables of a group of settings, and of the groups in it."""
    groups: list[tuple[str, type[BaseModel]]] = []
    yield "| setting | default | what it does |"
    yield "| --- | --- | --- |"
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            groups.append((name, field.annotation))
            continue
        dotted = f"{prefix}{name}"
        variable = PREFIX + dotted.upper().replace(".", "__")
        default = "" if dotted in SECRET else _value(field.default)
        said = _cell(field.description or "")
        yield f"| `{dotted}`<br>`{variable}` | {_cell(default)} | {said} |"
    for name, group in groups:
        yield f"\n## {prefix}{name}\n"
        if group.__doc__:
            yield f"{' '.join(group.__doc__.split())}\n"
        yield from _group(group, f"{prefix}{name}.")


def _value(default: object) -> str:
    """Write a default as a settings file has it."""
    if default is PydanticUndefined:
        return "required"
    if default is None or default == "":
        return "unset"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{list(default)}`"
    return f"`{default}`"


def _explanation() -> Iterator[str]:
    """Write the page of what `explain --json` says."""
    yield "# An explanation\n"
    yield f"{_WRITTEN}\n"
    yield _EXPLANATION
    parts = (Explanation, Said, Past, Silence, Working, Odds, Target, Term, Worth, Fall, Check)
    for part in (*parts, EarlierWarnings):
        yield f"\n## {part.__name__}\n"
        yield f"{' '.join((part.__doc__ or '').split())}\n"
        yield "| field | is | |"
        yield "| --- | --- | --- |"
        words = words_of(part)
        for field in msgspec.structs.fields(part):
            said = " ".join(words.get(field.name, "").split()).replace("None:", "null:")
            yield f"| `{field.name}` | {_cell(_type(field.type))} | {_cell(said)} |"


def _type(found: Any) -> str:
    """Name the type of a field; of another table of the page, lead there."""
    options = [one for one in get_args(found) if one is not type(None) and one is not Ellipsis]
    if len(options) < len(get_args(found)) and get_origin(found) is not tuple:
        return f"{' or '.join(map(_type, options))} or null"
    if get_origin(found) is tuple:
        return f"list of {_type(options[0])}"
    if get_origin(found) is dict:
        return "object"
    if isinstance(found, type) and issubclass(found, msgspec.Struct):
        return f"[{found.__name__}](#{found.__name__.lower()})"
    return {str: "text", float: "number", int: "whole number", bool: "true or false"}[found]


def _cell(text: str) -> str:
    """Keep a text within its cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for file_name, text in pages().items():
        (folder / file_name).write_text(text, encoding="utf-8")
