"""Scoring: the moments of a replay at which customers are ranked, and the table of their risks.

A ranking asks of everybody at one moment, every Monday, or of each customer at
a moment of its own, such as the tenth day of a trial.  What it says uses nothing
from after that moment.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from stream.detector.events import DAY_MS
from stream.replay.errors import LogError
from stream.wire.times import from_iso, iso

WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS  # 1970-01-05


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: the moments in ms since 1970 UTC."""

    as_of: int | None = None
    """One moment; the log's end where nothing is said."""
    weekly: bool = False
    """Instead: every Monday, 00:00 UTC."""
    moments: tuple[tuple[int, str], ...] = ()
    """Instead: (moment, customer id), each of its own."""
    ahead_days: float | None = None
    """Days over which a customer may come back; None: the horizon."""


class Question(NamedTuple):
    """Whose risk is asked for, at which moment (ms)."""

    at: int
    of: tuple[str, ...] | None
    """None: everybody's."""


Answer = Callable[[Question, float | None], Iterable[tuple[str, float]]]
"""Gives (customer id, risk), of so many days ahead."""


class Scoring:
    """Asks the questions of a ranking as their times come, and writes the answers down."""

    def __init__(self, ranking: Ranking, file: IO[str], answer: Answer) -> None:
        """Write to `file` what `answer` says."""
        self._table = csv.writer(file, lineterminator="\n")
        self._answer = answer
        self._dated = ranking.weekly or bool(ranking.moments)
        self._ranking = ranking
        self._asked: Iterator[Question] = iter(())
        self.next: Question | None = None
        self._table.writerow(["customer_id", "risk", "as_of"][: 2 + self._dated])

    def begin(self, at: int) -> None:
        """Hear that the log begins at a moment (ms)."""
        ranking = self._ranking
        if ranking.moments:
            self._asked = _own_moments(ranking.moments)
        elif ranking.weekly:
            self._asked = _mondays(at)
        elif ranking.as_of is not None:
            self._asked = iter([Question(ranking.as_of, None)])
        self.next = next(self._asked, None)

    def score(self) -> None:
        """Answer the next question: its time has come."""
        assert self.next is not None
        self._write(self.next)
        self.next = next(self._asked, None)

    def end(self, at: int) -> None:
        """Answer what is asked of the log's end (ms) and of moments after it."""
        ranking = self._ranking
        while self.next is not None and (self.next.at <= at or not ranking.weekly):
            self.score()
        if not ranking.weekly and not ranking.moments and ranking.as_of is None:
            self._write(Question(at, None))

    def _write(self, question: Question) -> None:
        """Write the rows of one question."""
        date = [iso(question.at)] if self._dated else []
        for customer_id, risk in self._answer(question, self._ranking.ahead_days):
            self._table.writerow([customer_id, f"{risk:.6f}", *date])


def read_moments(path: Path) -> tuple[tuple[int, str], ...]:
    """Read a table of customer_id and time (a date is its end); LogError: it is none."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            return tuple(sorted((read_moment(row["time"]), row["customer_id"]) for row in rows))
        except (KeyError, ValueError, TypeError) as error:
            raise LogError(
                f"{path}, line {rows.line_num}: {error!r}; a table of moments has the columns"
                " customer_id and time, the time as 2026-01-31 or 2026-01-31T00:00:00Z"
            ) from error


def read_moment(text: str) -> int:
    """Read a time as milliseconds since 1970 UTC; a date is its end."""
    return from_iso(text) + (DAY_MS if len(text) == len("2026-01-31") else 0)


def _own_moments(moments: tuple[tuple[int, str], ...]) -> Iterator[Question]:
    """Ask together for those whose moment is the same."""
    for at, group in groupby(sorted(moments), key=lambda moment: moment[0]):
        yield Question(at, tuple(customer_id for _, customer_id in group))


def _mondays(after: int) -> Iterator[Question]:
    """Ask for everybody, every week."""
    at = (after - MONDAY_MS) // WEEK_MS * WEEK_MS + MONDAY_MS
    while True:
        at += WEEK_MS
        yield Question(at, None)
