"""Terminal: the figures as tables, in colour where somebody watches, plain in a file."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.retention.figures import Period, Retention
from stream.tap.line import shown

_WIDTH = 100
"""Where nobody says how wide it may be."""
_LATER_MAX = 12
"""Periods after its first that a cohort is followed for; the JSON has all."""


def show(found: Retention, console: Console | None = None) -> None:
    """Print the figures to standard output."""
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH)
    for table in (_periods(found), *_segments(found), _cohorts(found)):
        console.print(table)
    console.print(Text(meaning(found)))


def show_periods(found: Retention, console: Console) -> None:
    """Print the figures by period and by segment alone."""
    for table in (_periods(found), *_segments(found)):
        console.print(table)
    console.print(Text(meaning(found)))


def meaning(found: Retention) -> str:
    """Say what is counted."""
    others = "".join(
        f", in “{shown(name)}” {days:g}" for name, days in found.segment_horizon_days.items()
    )
    return (
        f"A customer is who was active in the {found.horizon_days:g} days before{others}, and"
        " has not said that it left. Retention: of those at the start, who still are at the end;"
        " who came meanwhile counts in neither."
    )


def _periods(found: Retention) -> Table:
    table = _table(found.every.value.capitalize())
    _count_columns(table)
    for period in found.periods:
        table.add_row(period.begin, *_counts(period), *_shares(period))
    return table


def _segments(found: Retention) -> list[Table]:
    """Give the latest period that has figures, by segment; nothing where there are none."""
    latest = found.segments[-1].begin if found.segments else ""
    table = _table(f"Segment, {latest}")
    _count_columns(table)
    for period in (one for one in found.segments if one.begin == latest):
        name = shown(period.segment or "") or "(none)"
        table.add_row(name, *_counts(period), *_shares(period))
    return [table] if latest else []


def _count_columns(table: Table) -> None:
    for name in ("at start", "new", "back", "lapsed", "ended", "at end", "retention", "churn"):
        table.add_column(name, justify="right")


def _shares(period: Period) -> tuple[str, str]:
    return share_of(period.retention), share_of(period.churn)


def _counts(period: Period) -> list[str]:
    counts = (period.at_start, period.new, period.back, period.lapsed, period.ended, period.at_end)
    return [f"{count:,}" for count in counts]


def _cohorts(found: Retention) -> Table:
    table = _table("Came first in")
    table.add_column("customers", justify="right")
    longest = max((len(cohort.kept) for cohort in found.cohorts), default=0)
    shown = min(longest, _LATER_MAX + 1)
    for later in range(shown):
        table.add_column(f"+{later}", justify="right")
    for cohort in found.cohorts:
        kept = [f"{share:.0%}" for share in cohort.kept[:shown]]
        table.add_row(cohort.begin, f"{cohort.size:,}", *kept)
    return table


def _table(first: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    return table


def share_of(share: float | None) -> str:
    """Write a share of customers; a dash where nobody knows."""
    return "-" if share is None else f"{share:.1%}"
