"""The screen: the picture for people, in eighty columns, in which nothing commands a terminal."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.tap.line import shown
from stream.top.picture import Picture, Row, Worker
from stream.wire.times import iso

ROWS_MAX = 24
"""Partitions shown; those furthest behind, where there are more."""
LAGGING = 10_000
SLOW_SECONDS = 60.0

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_SECONDS = len("2026-03-01T09:30:00")


def screen(found: Picture) -> RenderableType:
    """Give the whole of it."""
    parts: list[RenderableType] = [_head(found), _workers(found.workers)]
    if found.kafka:
        parts.append(Text(f"Kafka says nothing: {shown(found.kafka)}", style="bold red"))
    if found.suspended:
        parts.append(Text("Alerts are suspended: use has collapsed.", style="bold red"))
    if found.partitions:
        parts.append(_partitions(found.partitions))
    parts += _counts(found)
    return Group(*parts)


def _head(found: Picture) -> Text:
    lag = sum(row.lag or 0 for row in found.partitions)
    customers = sum(row.customers or 0 for row in found.partitions)
    here = sum(row.here or 0 for row in found.partitions)
    at = iso(round(found.at * 1_000))[:_SECONDS].replace("T", " ")
    return Text.assemble(
        (shown(found.app_id) or "slipaway", "bold"),
        f"  {at} UTC  lag {lag:,}  customers {customers:,}, {here:,} here",
    )


def _workers(workers: Iterable[Worker]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    for name in ("worker", "state", "partitions", "release", "policy", "model"):
        right = name == "partitions"
        table.add_column(name, justify="right" if right else "left", no_wrap=True, max_width=21)
    for worker in workers:
        if worker.problem:
            words = Text(f"not reached: {shown(worker.problem)}", style="bold red")
            table.add_row(shown(worker.name), words)
            continue
        state = Text("ready", "green") if worker.ready else Text("not ready", "bold yellow")
        cells = (worker.release, worker.policy, worker.model)
        table.add_row(shown(worker.name), state, f"{worker.partitions}", *map(shown, cells))
    return table


def _partitions(rows: list[Row]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    table.add_column("topic", no_wrap=True, max_width=20)
    for name in ("#", "lag", "behind", "saved", "customers", "here"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("owner", no_wrap=True, max_width=21)
    some = rows
    if len(rows) > ROWS_MAX:
        furthest = sorted(rows, key=lambda row: (bool(row.owner), -(row.lag or 0)))[:ROWS_MAX]
        some = [row for row in rows if row in furthest]
    for row in some:
        table.add_row(
            shown(row.topic),
            f"{row.partition}",
            Text(_number(row.lag), "bold yellow" if (row.lag or 0) > LAGGING else ""),
            _ago(row.behind_seconds, worry=True),
            _ago(row.checkpoint_seconds, worry=False),
            f"({row.restoring:,} to restore)" if row.restoring else _number(row.customers),
            _number(row.here),
            shown(row.owner) if row.owner else Text("nobody asked", "bold red"),
        )
    if len(some) == len(rows):
        return table
    return Group(table, Text(f"... and {len(rows) - len(some)} nearer to their ends", "dim"))


def _counts(found: Picture) -> list[RenderableType]:
    """Give what was said and what could not be used, in all and lately."""
    rates = found.alerts_per_minute or {}
    said = [
        f"{shown(kind)} {count:,}" + (f" (+{rates[kind]:g}/min)" if rates.get(kind) else "")
        for kind, count in found.alerts.items()
    ]
    events = sum(found.events.values())
    parts: list[RenderableType] = [
        Text(f"events   {events:,}{_rate(found.events_per_second, 's')}"),
        Text(f"alerts   {', '.join(said) or 'none since the start'}"),
    ]
    letters = [f"{shown(code)} {count:,}" for code, count in found.dead_letters.items()]
    lately = found.dead_letters_per_minute
    parts.append(
        Text(
            f"dead     {', '.join(letters) or 'none since the start'}{_rate(lately, 'min')}",
            style="bold yellow" if lately else "",
        )
    )
    return parts


def _rate(rate: float | None, per: str) -> str:
    return "" if rate is None else f"  (+{rate:,g}/{per})"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _ago(seconds: float | None, *, worry: bool) -> Text:
    """Give a time that has passed, in its largest unit."""
    if seconds is None:
        return Text("-")
    style = "bold yellow" if worry and seconds > SLOW_SECONDS else ""
    for size, unit in _UNITS:
        if seconds >= size:
            return Text(f"{seconds / size:.1f} {unit}", style)
    return Text(f"{seconds:.1f} s", style)
