"""Log: what a log held, which a reader wants to know before believing anything made of it.

Rows are looked at twice: as they stand in their files, for their order says how they would have
arrived, and once they are in the order of their times.  Days are UTC.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, INTERNAL, SECOND_MS
from stream.detector.policy import EventClass, Policy
from stream.replay.refusals import Refusals
from stream.report.buckets import NO_BUCKETS, Buckets, Step, buckets_between, date_of
from stream.wire.times import iso

Ints = NDArray[np.int64]

NAMES_TOLD: Final = 20
"""Names of events, the most frequent first."""
SPANS_TOLD: Final = 10
"""Spans of days without an event, the longest first."""
CADENCES: Final = (
    ("up to a day and a half", 0.0, 1.5),
    ("up to a week", 1.5, 7.0),
    ("up to a month", 7.0, 30.4375),
    ("rarer", 30.4375, np.inf),
)
"""Bands of the usual gap: name, and days: above the first, up to the second."""
ONE_DAY: Final = "active on one day only"
NEVER_ACTIVE: Final = "nothing that counts as use"
_WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
_DAY_BITS = 20
"""A day (since 1970) fits into them for some thousand years."""


class FileRead(msgspec.Struct, kw_only=True):
    """The events of one file, as they stand in it."""

    name: str
    """Without its folder."""
    events: int = 0
    first: str = ""
    """The earliest and the latest event, ISO 8601."""
    last: str = ""
    out_of_order: int = 0
    """Events that stand behind one that is later."""
    too_late: int = 0
    """Of these, behind it by more than the policy's allowed lateness: live, had they arrived so,
    they would have come late."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that could not be used, for one reason."""

    code: str
    rows: int
    examples: list[str]
    """File, row, and what was found."""


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one name."""

    name: str
    events: int
    means: str
    """What the policy takes them for: engagement, ignored, warning ..."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Customers by how often they come: the median of the days between their active days."""

    name: str
    customers: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Days in a row."""

    begin: str
    """The first, as 2026-01-31."""
    days: int


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A day, week or month of the log."""

    begin: str
    """Its first day, as 2026-01-31."""
    events: int
    customers: int
    """Active in it."""
    new: int
    """Active in it for the first time."""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What was in it."""

    files: list[FileRead]
    """Empty where a topic was read: what stands there stands in the order of its arrival."""
    rows: int
    """As read, all files together."""
    events: int
    used: int
    """Of the events, those that count as use."""
    ignored: int
    """Rows that the policy's mapping leaves out."""
    heartbeats: int
    erasures: int
    refused: list[Refused]
    with_id: int
    """Events that have a message id: of the others nobody can tell a repetition."""
    duplicates: int
    """Repeated a message id of their customer's, and were not counted."""
    lateness_seconds: float
    """That the policy allows."""
    first: str
    """The earliest and the latest event, ISO 8601; empty: there is none."""
    last: str
    days: int
    """From the day of the first event to that of the last one."""
    days_without: int
    """Of these, days without any event."""
    weekdays_without: dict[str, int]
    """The same by weekday; those without any left out."""
    spans_without: list[Span]
    """The longest of them, then the earliest."""
    customers: int
    bands: list[Band]
    names: list[Name]
    """The most frequent ones."""
    other_names: int
    """How many more there are."""
    step: Step
    """What a bucket is."""
    buckets: list[Bucket]


class Recorder:
    """Hears of a log's events, twice each, and keeps what can be said of them together."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing; `policy` says what is use."""
        self._policy = policy
        self._files: dict[str, FileRead] = {}
        self._latest: dict[str, int] = {}
        self._span: dict[str, tuple[int, int]] = {}
        self._codes: dict[str, int] = {}
        self._active: list[Ints] = []
        self._daily: Counter[int] = Counter()
        self._names: Counter[str] = Counter()
        self._classes: dict[str, EventClass] = {}
        self._used = self._with_id = 0
        self._ends: tuple[int, int] | None = None

    # ------------------------------------------------------------ in the order of the file

    def read(self, file: str, batch: EventBatch) -> None:
        """Hear of events as they stand in a file."""
        if not batch:
            return
        found = self._files.setdefault(file, FileRead(name=Path(file).name or file))
        at, latest = batch.occurred_at, self._latest.get(file, 0)
        before = np.maximum(np.maximum.accumulate(np.append(latest, at[:-1])), latest)
        found.events += len(batch)
        found.out_of_order += int((at < before).sum())
        found.too_late += int((at < before - self._policy.allowed_lateness_ms).sum())
        self._latest[file] = max(latest, int(at.max()))
        first, last = self._span.get(file, (int(at[0]), int(at[0])))
        self._span[file] = min(first, int(at.min())), max(last, int(at.max()))

    # ------------------------------------------------------------ in the order of their times

    def take(self, batch: EventBatch) -> None:
        """Hear of events in the order of their times; what is said of who is who is none."""
        names = Counter(batch.names)
        if any(name.startswith(INTERNAL) for name in names):
            told = [place for place, name in enumerate(batch.names) if name[:1] != INTERNAL]
            batch = batch.taken(np.array(told, np.int64))
            names = Counter(batch.names)
        if not batch:
            return
        for name in names.keys() - self._classes.keys():
            self._classes[name] = self._policy.classify(name)
        self._names.update(names)
        self._with_id += len(batch) - batch.message_ids.count("")
        codes = self._codes
        for customer_id in dict.fromkeys(batch.customer_ids):
            codes.setdefault(customer_id, len(codes))
        day = batch.occurred_at // DAY_MS
        days, counts = np.unique(day, return_counts=True)
        self._daily.update(dict(zip(days.tolist(), counts.tolist(), strict=True)))
        customer = np.fromiter(map(codes.__getitem__, batch.customer_ids), np.int64, len(batch))
        engages = {name: self._classes[name].engages for name in names}
        used = np.fromiter(map(engages.__getitem__, batch.names), np.bool_, len(batch))
        used &= batch.volumes > 0
        self._used += int(used.sum())
        self._active.append(np.unique(customer[used] << _DAY_BITS | day[used]))
        first, last = int(batch.occurred_at[0]), int(batch.occurred_at[-1])
        self._ends = (first if self._ends is None else self._ends[0], last)

    def buckets(self) -> Buckets:
        """Give the days, weeks or months that the log is told in."""
        if self._ends is None:
            return NO_BUCKETS
        first, last = self._ends
        return buckets_between(first // DAY_MS, last // DAY_MS)

    def log(self, refusals: Refusals, results: Counter[str]) -> Log:
        """Say what was in the log; `results` are the detector's: events by what became of them."""
        active = np.unique(np.concatenate([np.zeros(0, np.int64), *self._active]))
        customer, day = active >> _DAY_BITS, active & ((1 << _DAY_BITS) - 1)
        buckets = self.buckets()
        without = self._days_without(buckets)
        told = [name for name, _ in self._names.most_common()]
        first, last = map(iso, self._ends) if self._ends else ("", "")
        return Log(
            files=list(self._read_files()),
            rows=refusals.rows,
            events=self._names.total(),
            used=self._used,
            ignored=refusals.ignored,
            heartbeats=refusals.heartbeats,
            erasures=len(refusals.erasures),
            refused=_refused(refusals),
            with_id=self._with_id,
            duplicates=results["duplicate"],
            lateness_seconds=self._policy.allowed_lateness_ms / SECOND_MS,
            first=first,
            last=last,
            days=buckets.last - buckets.first + 1,
            days_without=len(without),
            weekdays_without=_by_weekday(without),
            spans_without=_spans(without)[:SPANS_TOLD],
            customers=len(self._codes),
            bands=_bands(customer, day, len(self._codes)),
            names=[
                Name(name=name, events=self._names[name], means=self._classes[name].name.lower())
                for name in told[:NAMES_TOLD]
            ],
            other_names=len(told[NAMES_TOLD:]),
            step=buckets.step,
            buckets=self._in_buckets(buckets, customer, day),
        )

    def _read_files(self) -> Iterator[FileRead]:
        for file, found in self._files.items():
            first, last = self._span[file]
            yield msgspec.structs.replace(found, first=iso(first), last=iso(last))

    def _days_without(self, buckets: Buckets) -> list[int]:
        """Give the days (since 1970) between the first and the last that no event is of."""
        return [day for day in range(buckets.first, buckets.last + 1) if day not in self._daily]

    def _in_buckets(self, buckets: Buckets, customer: Ints, day: Ints) -> list[Bucket]:
        events = buckets.sums(self._daily)
        there = np.unique(customer * len(buckets.begins) + buckets.places(day))
        active = np.bincount(there % len(buckets.begins), minlength=len(buckets.begins))
        starts = np.append(True, customer[1:] != customer[:-1])[: len(customer)]
        new = np.bincount(buckets.places(day[starts]), minlength=len(buckets.begins))
        return [
            Bucket(begin=date_of(begin), events=count, customers=int(here), new=int(fresh))
            for begin, count, here, fresh in zip(buckets.begins, events, active, new, strict=True)
        ]


def usual_gaps(customer: Ints, day: Ints) -> tuple[Ints, NDArray[np.float64]]:
    """Give customers, and the median of the days between their active days.

    Of active days by customer and then by day, each once; who has only one is left out.
    """
    same = customer[1:] == customer[:-1]
    who, gap = customer[1:][same], np.diff(day)[same]
    order = np.lexsort((gap, who))
    who, gap = who[order], gap[order]
    customers, begin, count = np.unique(who, return_index=True, return_counts=True)
    return customers, (gap[begin + (count - 1) // 2] + gap[begin + count // 2]) / 2


def _bands(customer: Ints, day: Ints, customers: int) -> list[Band]:
    """Sort everybody by how often they come."""
    _, usual = usual_gaps(customer, day)
    bands = [
        Band(name=name, customers=int(((usual > above) & (usual <= up_to)).sum()))
        for name, above, up_to in CADENCES
    ]
    active = len(np.unique(customer))
    bands.append(Band(name=ONE_DAY, customers=active - len(usual)))
    if customers > active:
        bands.append(Band(name=NEVER_ACTIVE, customers=customers - active))
    return bands


def _refused(refusals: Refusals) -> list[Refused]:
    """Give what could not be used, the most frequent first."""
    return [
        Refused(
            code=code.value,
            rows=rows,
            examples=[
                f"{Path(found.file).name}, row {found.row}: {found.message}"
                for found in refusals.examples
                if found.code is code
            ],
        )
        for code, rows in refusals.counts.most_common()
    ]


def _by_weekday(days: Sequence[int]) -> dict[str, int]:
    counts = Counter((day + 3) % 7 for day in days)  # 1970 began on a Thursday
    return {_WEEKDAYS[weekday]: counts[weekday] for weekday in sorted(counts)}


def _spans(days: Sequence[int]) -> list[Span]:
    """Put days in a row together, the longest span first."""
    if not days:
        return []
    begins = [days[0], *(later for earlier, later in pairwise(days) if later - earlier > 1)]
    ends = [*(earlier for earlier, later in pairwise(days) if later - earlier > 1), days[-1]]
    found = [(end - begin + 1, begin) for begin, end in zip(begins, ends, strict=True)]
    ordered = sorted(found, key=lambda span: (-span[0], span[1]))
    return [Span(begin=date_of(begin), days=length) for length, begin in ordered]
