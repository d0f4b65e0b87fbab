"""Health: how the work goes at this moment, partition by partition."""

from typing import Final, NamedTuple

from stream.console.letters import Letters
from stream.console.workers import Look, owners
from stream.detector.events import SECOND_MS

ROWS_MAX: Final = 200
"""Partitions shown: those without an owner, then those furthest behind."""


class Row(NamedTuple):
    """One partition; moments in ms since 1970 UTC, None: nobody said."""

    topic: str
    partition: int
    owner: str
    """Empty: nobody that we know of."""
    lag: int | None
    """Records behind the end of the log."""
    decided: int | None
    """Event time up to which it has decided."""
    late_seconds: float | None
    """How far that is behind the clock, beyond the allowed lateness; None: not by the clock."""
    saved_seconds: float | None
    """Since its last transaction."""
    customers: int | None
    restoring: int | None
    """State records still to read."""


class Health(NamedTuple):
    """What a page shows."""

    at: int
    """Ms since 1970 UTC."""
    look: Look
    rows: list[Row]
    more: int
    """Partitions that are not shown."""
    lag: int | None
    """Records that wait, in all of them; None: nobody knows."""
    letters: Letters
    told: bool
    """Somebody said where the workers answer."""


def health(look: Look, letters: Letters) -> Health:
    """Put together what was said."""
    rows = sorted(_rows(look), key=lambda row: (bool(row.owner), -(row.lag or 0)))
    shown = sorted(rows[:ROWS_MAX], key=lambda row: (row.topic, row.partition))
    at = round(look.picture.at * SECOND_MS)
    known = [row.lag for row in rows if row.lag is not None]
    lag = sum(known) if known else None
    return Health(at, look, shown, len(rows) - len(shown), lag, letters, bool(look.scrapes))


def _rows(look: Look) -> list[Row]:
    """Give every partition that anybody knows of."""
    by_brokers = owners(look)
    said = {
        where: (scrape.said, partition)
        for scrape in look.scrapes
        if scrape.said is not None
        for where, partition in scrape.said.partitions.items()
    }
    rows = []
    for one in look.picture.partitions:
        where = one.topic, one.partition
        worker, partition = said.get(where, (None, None))
        watermark = partition.watermark if partition is not None else None
        late = None
        if worker is not None and worker.clock == "wall" and watermark:
            late = max(0.0, look.picture.at - watermark - worker.allowed_lateness)
        rows.append(
            Row(
                topic=one.topic,
                partition=one.partition,
                owner=one.owner or by_brokers.get(where, ""),
                lag=one.lag,
                decided=round(watermark * SECOND_MS) if watermark else None,
                late_seconds=late,
                saved_seconds=one.checkpoint_seconds,
                customers=one.customers,
                restoring=one.restoring,
            )
        )
    return rows
