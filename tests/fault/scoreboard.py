"""The scoreboard: one line for each row of the table of faults, printed when the run is over."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cluster import Cluster

HEAD = ("row", "fault", "rounds", "faults", "events", "alerts", "lost", "repeated", "verdict")


@dataclass
class Entry:
    """What became of one row."""

    row: int
    fault: str
    rounds: int
    cluster: Cluster | None = None
    survived: bool = False

    def cells(self) -> Sequence[str]:
        """Return the entry as a line of the table."""
        injected = 0 if self.cluster is None else self.cluster.injected
        verdict = None if self.cluster is None else self.cluster.verdict
        if verdict is None:
            counts = ("-",) * 4
        else:
            lost, repeated = verdict.lost.total(), verdict.repeated.total()
            counts = (f"{verdict.events}", f"{verdict.alerts}", f"{lost}", f"{repeated}")
        said = "survived" if self.survived else "FAILED"
        return (f"{self.row}", self.fault, f"{self.rounds}", f"{injected}", *counts, said)


@dataclass
class Scoreboard:
    """The entries of one run, and the seed it can be repeated with."""

    seed: int
    entries: list[Entry] = field(default_factory=list)

    @contextmanager
    def row(self, row: int, fault: str, rounds: int) -> Iterator[Entry]:
        """Open an entry; it is survived if nothing is raised."""
        entry = Entry(row, fault, rounds)
        self.entries.append(entry)
        yield entry
        entry.survived = True

    def table(self) -> list[str]:
        """Return the table's lines, in the order of the rows."""
        lines = [HEAD, *(entry.cells() for entry in sorted(self.entries, key=lambda e: e.row))]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
