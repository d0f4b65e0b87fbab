"""Pages: the templates, and what they may ask for; every text of a customer's is escaped."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stream.console.view import NONE
from stream.detector.events import DAY_MS, SECOND_MS
from stream.detector.reasons import duration
from stream.wire.times import iso

HERE: Final = Path(__file__).parent
_DAY_SECONDS: Final = DAY_MS / SECOND_MS
_MINUTES: Final = len("2025-03-14T09:26")
_SHORT: Final = 40
_UNITS: Final = {"d": 86_400, "h": 3_600, "min": 60}
_CHOICES: Final = {
    "segment": "Segment",
    "trigger": "Trigger",
    "severity": "Severity",
    "owner": "Owner",
}
_COMMANDS: Final = frozenset(
    "\x7f\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Controls of the direction of writing; what of them is needed, the page says by itself."""
_ABSENT: Final = {"segment": "no segment", "owner": "no owner"}


def environment() -> Environment:
    """Give what renders the pages."""
    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["when"] = when
    pages.filters["since"] = since
    pages.filters["for"] = lambda seconds: duration(seconds / _DAY_SECONDS)
    pages.filters["age"] = age
    pages.filters["percent"] = lambda share: f"{100 * share:.0f}\N{NO-BREAK SPACE}%"
    pages.filters["share"] = share
    pages.filters["short"] = short
    pages.globals["choices"] = _CHOICES
    pages.globals["chosen_name"] = chosen_name
    return pages


def visible(value: Any) -> Any:
    r"""Write what would command a reader's eye as its escape: `\u202e` turns a name about."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        letter.encode("unicode_escape").decode() if letter in _COMMANDS or letter < " " else letter
        for letter in value
    )


def when(at: int) -> Markup:
    """Write a moment (ms since 1970 UTC), for the page to put into its reader's zone."""
    text = iso(at)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        text, text[:_MINUTES].replace("T", " ")
    )


def since(at: int) -> Markup:
    """Leave room for how long ago a moment (ms since 1970 UTC) was: only its reader has a clock."""
    return Markup('<small data-since="{}"></small>').format(iso(at))


def age(seconds: float) -> str:
    """Write how long ago something was, in a unit in which it is a number that one can read."""
    for size, unit in ((2 * 86_400, "d"), (2 * 3_600, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / _UNITS[unit]:.0f}\N{NO-BREAK SPACE}{unit}"
    return f"{max(seconds, 0):.0f}\N{NO-BREAK SPACE}s"


def share(part: float) -> str:
    """Write a share of customers, to a tenth of a hundredth."""
    return f"{100 * part:.1f}\N{NO-BREAK SPACE}%"


def short(text: str) -> str:
    """Cut a long text, for a table."""
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def chosen_name(choice: str, value: str) -> str:
    """Name a value of a choice, as people call it."""
    return _ABSENT.get(choice, value) if value == NONE else value


def render(pages: Environment, name: str, **facts: Any) -> str:
    """Write a page."""
    return pages.get_template(f"{name}.html.jinja").render(**facts)
