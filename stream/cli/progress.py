"""Progress of a command that reads logs, and what it could not use."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import time
from typing import TYPE_CHECKING, Self

import typer

if TYPE_CHECKING:
    from stream.replay.refusals import Refusals


class Bar:
    """A progress bar over what there is to do; on a terminal only, and on standard error."""

    def __init__(self, logs: list[str]) -> None:
        """Show how much of these logs has been read."""
        from rich.console import Console
        from rich.progress import Progress

        from stream.replay.source import total_bytes

        console = Console(stderr=True)
        self._bar = Progress(console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("reading", total=total_bytes(logs))
        self._events = 0

    def __enter__(self) -> Self:
        """Appear."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Disappear."""
        self._bar.stop()

    def read(self, size: int) -> None:
        """Hear that more bytes were read."""
        self._bar.advance(self._task, size)

    def decided(self, events: int, of: int) -> None:
        """Hear that more events are decided."""
        self._events += events
        words = f"{self._events:,} events"
        self._bar.update(self._task, total=of, completed=self._events, description=words)

    def phase(self, words: str, steps: int) -> None:
        """Hear that something else begins."""
        self._events = 0
        self._bar.reset(self._task, total=steps, description=words)

    def step(self) -> None:
        """Hear that a part of it is done."""
        self._bar.advance(self._task)


class Counting:
    """A line that tells how much of a topic was read; on a terminal only, and on standard error."""

    def __init__(self) -> None:
        """Count from nought."""
        from rich.console import Console
        from rich.status import Status

        console = Console(stderr=True)
        self._status = Status("reading", console=console) if console.is_terminal else None
        self._records = 0

    def __enter__(self) -> Self:
        """Appear."""
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Disappear."""
        if self._status is not None:
            self._status.stop()

    def read(self, records: int) -> None:
        """Hear that more records were read."""
        self._records += records
        if self._status is not None:
            self._status.update(f"{self._records:,} records read")


def say_refused(refusals: "Refusals") -> None:
    """Say which rows could not be used, by example."""
    if not refusals.refused:
        return
    typer.echo(f"{refusals.refused:,} of {refusals.rows:,} rows could not be used:", err=True)
    for code, count in refusals.counts.most_common():
        typer.echo(f"  {code.value} {count:,}", err=True)
        for found in (example for example in refusals.examples if example.code is code):
            typer.echo(f"    {found.file}, row {found.row}: {found.message}", err=True)


def now_ms() -> int:
    """Read the clock: this is a shell."""
    return time.time_ns() // 1_000_000
