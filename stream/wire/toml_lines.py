"""Where each key of a TOML text stands: the standard parser does not say.

The text has passed the standard parser before it comes here, so this only has
to find the ends of strings and brackets, never to judge them.
"""

import re

Path = tuple[str | int, ...]
"""Section, index for [[...]] sections, key: ("mapping", 0, "time")."""

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?!")'
    r"|'''.*?'''(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}=\n]"
    r"|[^\s\"'\#\[\]{}=]+",
    re.DOTALL,
)
_KEY_PART = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^.\s"\']+)')


def key_lines(text: str) -> dict[Path, int]:
    """Map the path of every section and key to its line, counted from 1."""
    lines: dict[Path, int] = {}
    sections: dict[Path, int] = {}
    section: Path = ()
    depth = 0
    statement: list[str] = []
    """The tokens of the line so far, up to its equals sign."""
    in_value = False
    line = 1
    for match in _TOKEN.finditer(text):
        part = match.group()
        started = line
        line += part.count("\n")
        if part.startswith("#"):
            continue
        if in_value:
            depth += (part in "[{") - (part in "]}")
            if part == "\n" and depth == 0:
                in_value, statement = False, []
        elif part == "=":
            lines.setdefault((*section, *_parts("".join(statement))), started)
            in_value = True
        elif part == "\n":
            if statement and statement[0] == "[":
                section = _section(statement, sections)
                lines.setdefault(section, started)
            statement = []
        else:
            statement.append(part)
    if statement and statement[0] == "[":
        lines.setdefault(_section(statement, sections), line)
    return lines


def _section(statement: list[str], sections: dict[Path, int]) -> Path:
    name = _parts("".join(part for part in statement if part not in ("[", "]")))
    if statement[1:2] != ["["]:
        return name
    index = sections.get(name, -1) + 1
    sections[name] = index
    return (*name, index)


def _parts(name: str) -> Path:
    return tuple(next(filter(None, found), "") for found in _KEY_PART.findall(name))
