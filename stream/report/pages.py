"""Pages: one file each that opens anywhere, without a network and without scripts."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stream.report import charts
from stream.report.cost import Cost
from stream.report.drawing import Size
from stream.report.log import Log
from stream.report.raised import Raised
from stream.report.reliability import Reliability
from stream.report.words import amount, duration, minus, named, share
from stream.tap.line import shown

SizeOf = TypeVar("SizeOf", bound=Size)
_HERE: Final = Path(__file__).parent


def environment(*folders: Path) -> Environment:
    """Give what writes pages of the templates here and in `folders`; every text is escaped."""
    pages = Environment(
        loader=FileSystemLoader([*folders, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["amount"] = amount
    pages.filters["share"] = share
    pages.filters["duration"] = duration
    pages.filters["minus"] = minus
    pages.filters["named"] = named
    pages.filters["shown"] = shown
    return pages


def log_charts(log: Log, raised: Raised) -> dict[str, list[Markup]]:
    """Draw what was in a log, and what was raised of it."""
    sizes = (charts.WIDE, charts.NARROW)
    return {
        "volume": drawn(partial(charts.volume, log), sizes),
        "raised": drawn(partial(charts.alerts, log, raised), sizes),
    }


def reliability_charts(**found: Reliability | None) -> dict[str, list[Markup]]:
    """Draw how far each risk was to be believed, those that are known."""
    return {
        name: drawn(partial(charts.reliability, one, name), charts.SQUARES)
        for name, one in found.items()
        if one is not None
    }


def drawn(draw: Callable[[SizeOf], str], sizes: Sequence[SizeOf]) -> list[Markup]:
    """Draw a chart for a screen and for a phone."""
    # Our own drawings; every text in them went through an XML writer.
    return [Markup(draw(size)) for size in sizes]  # noqa: S704


def cost_facts(cost: Cost) -> list[tuple[str, str]]:
    """Give what a run took, as it is shown."""
    return [
        ("time", duration(cost.seconds)),
        ("events a second", amount(cost.events_per_second)),
        ("memory at most", f"{cost.peak_memory_bytes / 1e6:,.0f} MB"),
        ("processors to use", str(cost.cpus)),
        *((name, duration(seconds)) for name, seconds in cost.phases.items()),
    ]


def written(page: str) -> bytes:
    """Give a page's bytes; what is no character is written as its escape."""
    return page.encode("utf-8", "backslashreplace")
