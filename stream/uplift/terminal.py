"""Terminal: the comparison as a table and in words."""

from collections.abc import Iterator, Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.uplift.figures import LEAST_CUSTOMERS, WORTH_KNOWING, Uplift

_WIDTH = 100
"""Where nobody says how wide it may be."""


def show(everybody: Uplift, triggers: Mapping[str, Uplift], console: Console | None = None) -> None:
    """Print what acting on alerts brought, to standard output."""
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("trigger", no_wrap=True)
    for name in ("alerted", "came back", "held out", "came back", "difference", "90 % interval"):
        table.add_column(name, justify="right")
    for name, found in {"all": everybody, **triggers}.items():
        table.add_row(name, *_row(found))
    console.print(table)
    console.print(Text(" ".join(sentences(everybody))))


def sentences(found: Uplift) -> Iterator[str]:
    """Say what the comparison means."""
    if not found.holdout.episodes:
        yield (
            "Nobody was held out, so nobody knows who would have come back anyway: set [holdout]"
            " share in the policy, and give the alerts of its topic, too."
        )
        return
    if found.difference is None or found.low is None or found.high is None:
        yield (
            f"Too few to compare: {found.alerted.customers} customers alerted and"
            f" {found.holdout.customers} held out, where {LEAST_CUSTOMERS} of each are the least."
        )
        return
    if found.clear:
        more = "more" if found.difference > 0 else "fewer"
        yield (
            f"Of 100 episodes {abs(100 * found.difference):.1f} {more} ended with the customer back"
            f" where alerts were delivered ({100 * found.low:.1f} to {100 * found.high:.1f})."
        )
        return
    yield (
        f"Not enough to tell: of 100 episodes between {100 * found.low:.1f} and"
        f" {100 * found.high:.1f} more ended with the customer back where alerts were delivered."
    )
    if found.customers_wanted is not None and found.customers_wanted > found.holdout.customers:
        yield (
            f"To show a difference of {100 * WORTH_KNOWING:.0f} it takes about"
            f" {found.customers_wanted:,} customers in the holdout; there are"
            f" {found.holdout.customers:,}."
        )
    else:
        yield f"A difference of {100 * WORTH_KNOWING:.0f} would most likely have shown."


def _row(found: Uplift) -> Iterator[str]:
    for side in (found.alerted, found.holdout):
        yield f"{side.episodes:,}"
        yield "-" if side.share is None else f"{side.share:.1%}"
    if found.difference is None or found.low is None or found.high is None:
        yield from ("-", "-")
        return
    yield f"{found.difference:+.1%}"
    yield f"{found.low:+.1%} to {found.high:+.1%}"
