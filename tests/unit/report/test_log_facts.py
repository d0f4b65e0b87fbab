"""What was in a log: by hand, and as a replay reads it."""

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, HOUR_MS, UsageEvent
from stream.detector.policy import Policy
from stream.replay.refusals import Refusals
from stream.replay.run import Outputs, replay
from stream.report.buckets import Step, buckets_between, date_of
from stream.report.drawing import ticks
from stream.report.log import NEVER_ACTIVE, ONE_DAY, Log, Recorder, usual_gaps
from stream.report.replay_page import page
from stream.report.replayed import Hearing, Replayed
from stream.report.sentences import quality
from stream.wire.policy_file import PolicyFile

MONDAY = 20_094  # 2025-01-06
POLICY = Policy(horizon_ms=30 * DAY_MS, ignore=("synced",), allowed_lateness_ms=HOUR_MS)


def event(customer: str, day: float, name: str = "opened", **more: object) -> UsageEvent:
    """Return an event on a day from that Monday on."""
    fields: dict[str, object] = {"message_id": "", "volume": 1.0} | more
    return UsageEvent(customer, name, int((MONDAY + day) * DAY_MS), 0, **fields)  # type: ignore[arg-type]


def told(*events: UsageEvent, results: Counter[str] | None = None) -> Log:
    """Return what a log of these events, as they stand in one file, is said to be."""
    recorder = Recorder(POLICY)
    recorder.read("folder/a.csv", EventBatch.of(events))
    recorder.take(EventBatch.of(sorted(events, key=lambda one: one.occurred_at)))
    refusals = Refusals()
    refusals.rows = len(events)
    return recorder.log(refusals, results or Counter())


def test_customers_are_told_by_how_often_they_come() -> None:
    """By the median of the gaps between their active days; everybody is in one band."""
    daily = [event("daily", day) for day in range(5)]
    weekly = [event("weekly", 7 * week) for week in range(3)]
    mixed = [event("mixed", day) for day in (0, 1, 21)]  # gaps of 1 and 20: a median of 10.5
    rare = [event("rare", day) for day in (0, 40)]
    others = [event("once", 2), event("once", 2.3), event("idle", 3, "synced")]
    found = told(*daily, *weekly, *mixed, *rare, *others)
    assert {band.name: band.customers for band in found.bands} == {
        "up to a day and a half": 1,
        "up to a week": 1,
        "up to a month": 1,
        "rarer": 1,
        ONE_DAY: 1,
        NEVER_ACTIVE: 1,
    }
    assert found.customers == 6


def test_usual_gaps_are_medians() -> None:
    """As another way of reckoning has them, of many customers drawn at random."""
    draw = np.random.default_rng(3)
    pairs = np.unique(np.stack([draw.integers(0, 40, 600), draw.integers(0, 300, 600)], 1), axis=0)
    customers, usual = usual_gaps(pairs[:, 0], pairs[:, 1])
    expected = {
        who: float(np.median(np.diff(pairs[pairs[:, 0] == who, 1])))
        for who in np.unique(pairs[:, 0]).tolist()
        if (pairs[:, 0] == who).sum() > 1
    }
    assert dict(zip(customers.tolist(), usual.tolist(), strict=True)) == expected


def test_what_stands_behind_a_later_event_is_counted() -> None:
    """And what does so by more than is allowed: it would have come late."""
    found = told(event("a", 2), event("b", 1.99), event("b", 1.5), event("a", 3))
    (file,) = found.files
    assert (file.name, file.events, file.out_of_order, file.too_late) == ("a.csv", 4, 2, 1)
    assert file.first == "2025-01-07T12:00:00Z"
    assert "50 % of the events stand behind" in " ".join(quality(found)).replace("\xa0", " ")


def test_each_file_has_an_order_of_its_own() -> None:
    """The second one begins anew."""
    recorder = Recorder(POLICY)
    for file, day in (("a", 9.0), ("b", 1.0), ("b", 2.0)):
        recorder.read(file, EventBatch.of([event("c", day)]))
    recorder.take(EventBatch.of([event("c", day) for day in (1.0, 2.0, 9.0)]))
    files = recorder.log(Refusals(), Counter()).files
    assert [(file.name, file.out_of_order) for file in files] == [("a", 0), ("b", 0)]


def test_days_without_an_event_are_told_by_weekday_and_by_length() -> None:
    """A shop that is closed on Sundays, and once for four days."""
    open_on = [day for day in range(28) if day % 7 != 6 and day not in {21, 22, 23, 24}]
    found = told(*(event("a", day) for day in open_on))
    assert (found.days, found.days_without) == (27, 7)
    assert found.weekdays_without["Sunday"] == 3
    longest = found.spans_without[0]
    assert (longest.begin, longest.days) == (date_of(MONDAY + 20), 5)  # the Sunday before, too


def test_names_are_told_with_what_they_mean() -> None:
    """The most frequent first; what is no use is no use."""
    found = told(event("a", 0, "synced"), event("a", 1, "synced"), event("a", 1))
    assert [(name.name, name.events, name.means) for name in found.names] == [
        ("synced", 2, "ignored"),
        ("opened", 1, "engagement"),
    ]
    assert (found.events, found.used) == (3, 1)


def test_what_has_no_volume_is_no_use() -> None:
    """It was sent by a server while nobody was there."""
    assert told(event("a", 0, volume=0.0), event("a", 1)).used == 1


@pytest.mark.parametrize(
    ("days", "step", "count"), [(62, Step.DAY, 62), (63, Step.WEEK, 9), (800, Step.MONTH, 27)]
)
def test_buckets_are_so_many_that_they_can_be_read(days: int, step: Step, count: int) -> None:
    """They begin at or before the first day, and add up to everything."""
    found = buckets_between(MONDAY, MONDAY + days - 1)
    assert (found.step, len(found.begins)) == (step, count)
    assert found.begins[0] <= MONDAY
    assert found.sums(dict.fromkeys(range(MONDAY, MONDAY + days), 1)) != []
    assert sum(found.sums(dict.fromkeys(range(MONDAY, MONDAY + days), 1))) == days


def test_months_begin_with_their_first_day() -> None:
    """Through a leap year."""
    found = buckets_between(MONDAY - 500, MONDAY)
    begins = [date_of(day) for day in found.begins]
    assert begins[0] == "2023-08-01"
    assert begins[-2:] == ["2024-12-01", "2025-01-01"]


def test_who_is_active_and_who_is_new_is_told_by_bucket() -> None:
    """Each customer once in a bucket, and new in one only."""
    found = told(*(event("a", day) for day in (0, 0.5, 1)), event("b", 1), event("z", 1, "synced"))
    assert [(one.events, one.customers, one.new) for one in found.buckets] == [(2, 1, 1), (3, 2, 1)]


def test_a_log_without_events_is_said_to_have_none() -> None:
    """Nothing is divided by it."""
    found = Recorder(POLICY).log(Refusals(), Counter())
    assert "There is no event in it." in list(quality(found))
    assert (found.events, found.customers, found.days, found.first) == (0, 0, 0, "")
    assert found.buckets == []


def test_the_page_of_nothing_says_so(tmp_path: Path) -> None:
    """And no date is made up."""
    log, hearing = tmp_path / "empty.jsonl", Hearing(POLICY)
    log.touch()
    product = PolicyFile(policy=POLICY)
    summary = replay([str(log)], product, received_at=0, outputs=Outputs(), audience=hearing)
    written = page(hearing.came_to(["empty.jsonl"], summary))
    assert "There is no event in the log." in written
    assert "1970" not in written


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (9, [0, 2, 4, 6, 8]),
        (40, [0, 10, 20, 30, 40]),
        (37_000, [0, 10_000, 20_000, 30_000]),
    ],
)
def test_an_axis_of_counts_has_round_counts(most: int, expected: list[int]) -> None:
    """None of half an alert."""
    assert ticks(most) == expected


def test_a_replay_tells_what_its_detector_counted(tmp_path: Path) -> None:
    """Repetitions, rows that are none, and what was read in which order."""
    log = tmp_path / "log.jsonl"
    lines = [
        (
            b'{"type":"track","userId":"a","event":"opened","messageId":"%d",'
            b'"timestamp":"2025-01-%02dT00:00:00Z"}' % (number, number)
        )
        for number in (1, 2, 4, 3)
    ]
    log.write_bytes(b"\n".join([*lines, lines[-1], b"nonsense"]))
    hearing = Hearing(POLICY)
    summary = replay(
        [str(log)],
        PolicyFile(policy=POLICY),
        received_at=1_800_000_000_000,
        outputs=Outputs(),
        audience=hearing,
    )
    found = hearing.came_to(["log.jsonl"], summary)
    assert (found.log.rows, found.log.events, found.log.duplicates) == (6, 5, 1)
    assert (found.log.with_id, found.log.files[0].too_late) == (5, 2)
    (refused,) = found.log.refused
    assert (refused.code, refused.rows) == ("not_json", 1)
    assert refused.examples[0].startswith("log.jsonl, row 6: ")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Replayed) == found
