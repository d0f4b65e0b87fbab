"""What a log held that could not be used: counted exactly, shown by example.

One bad row never stops a replay.  A file whose rows are mostly bad does, and at
once: it was read by the wrong mapping, and every figure made of the rest would
be wrong without looking it.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from stream.detector.errors import BadEvent, Code
from stream.replay.errors import LogError
from stream.wire.erasure import Erasure
from stream.wire.events import Decoder
from stream.wire.mapping import Columns, Mapping, alternatives

EXAMPLES_PER_CODE_MAX = 5  # larger: a longer report, no more information
TRIAL_ROWS = 1_000
"""After so many rows of a file (or at its end) most of them must have been usable."""

_SAMPLE_CHARACTERS = 200


class Refusal(msgspec.Struct, frozen=True):
    """One row that could not be used."""

    file: str
    row: int
    """Line in the file, the header being line 1; for Parquet the row, counted from 1."""
    code: Code
    message: str
    sample: str
    """How the row began."""


class Refusals:
    """The account of one replay's rows, over all of its files."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self.rows = 0
        self.ignored = 0
        self.heartbeats = 0
        self.erasures: list[Erasure] = []
        """Who is to be forgotten: seldom many, and needed once all rows are read."""
        self.counts: Counter[Code] = Counter()
        self.examples: list[Refusal] = []

    @property
    def refused(self) -> int:
        """Count the rows that could not be used."""
        return self.counts.total()

    @property
    def events(self) -> int:
        """Count the rows that became usage events."""
        others = self.ignored + self.heartbeats + len(self.erasures)
        return self.rows - others - self.refused

    def refuse(self, refusal: Refusal) -> None:
        """Note a row that could not be used."""
        self.counts[refusal.code] += 1
        if self.counts[refusal.code] <= EXAMPLES_PER_CODE_MAX:
            self.examples.append(refusal)


class FileTrial:
    """The first rows of one file, on trial for not being what the policy says they are."""

    def __init__(
        self, file: str, refusals: Refusals, decoder: Decoder, show: Callable[[Any], str]
    ) -> None:
        """Begin a file, whose rows are shown by `show`."""
        self.file = file
        self._refusals = refusals
        self._refused_before = refusals.refused
        self._decoder = decoder
        self._show = show
        self._first: Refusal | None = None

    def refuse(self, number: int, bad: BadEvent, row: object) -> None:
        """Note a row of this file that could not be used."""
        shown = self._show(row)[:_SAMPLE_CHARACTERS].rstrip()
        refusal = Refusal(self.file, number, bad.code, bad.message, shown)
        self._refusals.refuse(refusal)
        self._first = self._first or refusal

    def judge(self, rows: int) -> None:
        """Raise LogError if most of the file's first `rows` rows were refused."""
        refused = self._refusals.refused - self._refused_before
        first = self._first
        if first is None or refused * 2 <= rows:
            return
        tried = "\n".join(f"  mapping tried: {_described(m)}" for m in self._decoder.mappings)
        if not tried:
            tried = "  the policy has no [[mapping]]: only well-known forms can be read"
        raise LogError(
            f"{self.file}: {refused:,} of the first {rows:,} rows cannot be used.\n"
            f"  row {first.row}: {first.code}: {first.message}\n"
            f"  it looked like: {first.sample}\n"
            f"{tried}\n"
            "Change the policy's [[mapping]] or [log] section, or give another file."
        )


def _described(mapping: Mapping) -> str:
    event = _written(mapping.event) if mapping.event else f'{{const = "{mapping.event_const}"}}'
    customer, time = _written(mapping.customer), _written(mapping.time)
    return f"customer = {customer}, time = {time}, event = {event}"


def _written(columns: Columns) -> str:
    """Write columns as the policy does."""
    names = [f'"{name}"' for name in alternatives(columns)]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"
