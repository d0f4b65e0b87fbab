"""Terminal: the findings as tables, in colour where somebody watches, plain in a file."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.backtest import changes, sentences, wording
from stream.backtest.curve import RATES
from stream.backtest.findings import SLIPAWAY, Findings
from stream.retention.terminal import show_periods
from stream.wire.fields import shown

_WIDTH = 100
"""Where nobody says how wide it may be."""
_CASES_MAX = 12
"""Lines for the rules that are as good; the report has all."""


def show(findings: Findings, console: Console | None = None) -> None:
    """Print the findings to standard output."""
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH)
    data = findings.data
    names = ", ".join(data.files)
    console.print(
        Text(
            f"{names}: {data.events:,} events of {data.customers:,} customers,"
            f" {data.first[:10]} to {data.last[:10]}; policy {data.policy_version}"
        )
    )
    first, *others = sentences.answer(findings)
    console.print(Text(first, style="bold"))
    console.print(Text(" ".join([*others, *wording.summary(findings)])))
    for table in (_delays(findings), _differences(findings), _dial(findings), _groups(findings)):
        console.print(table)
    if findings.segments:
        console.print(_segments(findings))
    for found in findings.fixed:
        console.print(Text(wording.fixed(findings, found)))
    for sentence in wording.declines(findings):
        console.print(Text(sentence))
    _as_good(findings, console)
    if findings.retention and findings.retention.periods:
        console.print(Text("\nWho stayed", style="bold"))
        show_periods(findings.retention, console)
    console.print(Text(wording.HINDSIGHT))
    _against(findings, console)


def _table(title: str, columns: Iterable[str], right_from: int = 1) -> Table:
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for number, column in enumerate(columns):
        table.add_column(
            column, justify="right" if number >= right_from else "left", no_wrap=not number
        )
    return table


def _delays(findings: Findings) -> Table:
    data = findings.data
    table = _table(
        f"Mean delay in days (missed: {data.horizon_days:g}) and share of lapses noticed,"
        " at equal false alarms per customer-month",
        ["", *(f"{rate:g}" for rate in RATES)],
    )
    for method in findings.everybody.methods:
        cells = [
            f"{wording.days(data, found.mean_delay_days)}  {wording.share(found.recall):>5}"
            for found in method.readings
        ]
        style = "bold" if method.name == SLIPAWAY else None
        table.add_row(wording.TITLES[method.name], *cells, style=style)
    return table


def _differences(findings: Findings) -> Table:
    table = _table(
        "How much later slipaway is than each rule, in days; minus: earlier; with 95 % intervals",
        ["slipaway and", *(f"{rate:g}" for rate in RATES)],
    )
    for comparison in findings.everybody.comparisons:
        cells = []
        for found in comparison.differences:
            style = "green" if found.high < 0 else "red" if found.low > 0 else ""
            days = wording.days(findings.data, found.days)
            cells.append(Text(f"{days}\n{wording.interval(findings.data, found)}", style=style))
        table.add_row(wording.TITLES[comparison.rule], *cells)
    return table


def _dial(findings: Findings) -> Table:
    table = _table(
        "The dial: false alarms per customer-month as set, and as measured",
        ["set", "measured", "times", "warm-up", "times", "mean delay", "noticed", "right"],
        right_from=0,
    )
    for setting in findings.dial:
        dial = "threshold" if setting.dial is None else f"{setting.dial:g}"
        table.add_row(
            f"{dial} (policy)" if setting.own else dial,
            wording.rate(setting.measured),
            "-" if setting.ratio is None else f"{setting.ratio:.2f}",
            wording.rate(setting.warm_up_measured),
            "-" if setting.warm_up_ratio is None else f"{setting.warm_up_ratio:.2f}",
            wording.days(findings.data, setting.mean_delay_days),
            wording.share(setting.recall),
            wording.share(setting.precision),
            style="bold" if setting.own else None,
        )
    return table


def _segments(findings: Findings) -> Table:
    table = _table(
        "The dial of each segment: false alarms per customer-month as set, and as measured",
        ["", "customers", "lapses", "set", "measured", "times", "warm-up", "times", "mean delay"],
    )
    for found in findings.segments:
        table.add_row(
            wording.segment(found),
            f"{found.customers:,}",
            f"{found.lapses:,}",
            "threshold" if found.dial is None else f"{found.dial:g}",
            wording.rate(found.measured),
            "-" if found.ratio is None else f"{found.ratio:.2f}",
            wording.rate(found.warm_up_measured),
            "-" if found.warm_up_ratio is None else f"{found.warm_up_ratio:.2f}",
            wording.days(findings.data, found.mean_delay_days),
        )
    return table


def _groups(findings: Findings) -> Table:
    at = wording.headline_rate(findings)
    table = _table(
        f"By group, at {at:g} false alarms per customer-month",
        ["", "customers", "lapses", "slipaway", "best rule", "difference"],
    )
    by = ""
    for group in (findings.everybody, *findings.groups):
        if group.by != by:
            by = group.by
            table.add_row(Text(by, style="italic"))
        rule, difference = wording.best_rule(group, at)
        table.add_row(
            f"  {group.name}" if by else group.name,
            f"{group.customers:,}",
            f"{group.lapses:,}",
            wording.days(findings.data, wording.reading_at(group, SLIPAWAY, at).mean_delay_days),
            f"{wording.days(findings.data, wording.reading_at(group, rule, at).mean_delay_days)}"
            f"  {wording.TITLES[rule]}",
            f"{wording.days(findings.data, difference.days)}"
            f" ({wording.interval(findings.data, difference)})",
        )
    return table


def _as_good(findings: Findings, console: Console) -> None:
    """Name where a simple rule does."""
    cases = sorted(findings.as_good, key=lambda case: -case.days)
    if cases:
        console.print(Text("\nWhere a simple rule is as early or earlier:", style="bold"))
    for case in cases[:_CASES_MAX]:
        rule, at = wording.TITLES[case.rule], case.false_per_customer_month
        later, low, high = (
            wording.days(findings.data, value) for value in (case.days, case.low, case.high)
        )
        console.print(
            Text(f'  {case.group}, at {at:g}: "{rule}" by {later} days ({low} to {high})')
        )
    if len(cases) > _CASES_MAX:
        console.print(Text(f"  and {len(cases) - _CASES_MAX} more: --json and --report have all"))
    if findings.left_out:
        console.print(Text(f"Too few lapses to say anything: {'; '.join(findings.left_out)}"))
    console.print()


def _against(findings: Findings, console: Console) -> None:
    """Show what the change of a policy does, if another one was given."""
    found = findings.against
    if found is None:
        return
    table = _table("The policy beside the old one", ["trigger", "", *changes.COLUMNS], right_from=2)
    for trigger, which, cells in changes.rows(findings.data, found):
        table.add_row(trigger if which == "old" else "", which, *cells)
    console.print(table)
    console.print(Text(" ".join(changes.sentences(findings.data, found))))
    for words, cases in changes.cases(found):
        console.print(Text(f"\n{words}:", style="bold"))
        for case in cases:
            who, when = shown(case.customer_id), case.time[:10]
            console.print(Text(f"  {who}, {when}, {case.trigger}, {case.came_to}: {case.reason}"))
    console.print(Text(f"\n{changes.JUDGED}"))
