"""Who was a customer when, and what that makes of a month."""

from itertools import pairwise

import msgspec
import pytest

from stream.detector.batch import EventBatch
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.periods import Every
from stream.detector.policy import Policy
from stream.detector.segments import Condition, Segment
from stream.retention.figures import Retention, retention
from stream.retention.spans import OPEN, Close, Recorder, Spans

MONDAY = 19_730 * DAY_MS
"""2024-01-08 00:00 UTC."""
Log = dict[str, list[float | tuple[float, str]]]
"""Customer -> days of use from a Monday on, and what else was done on which day."""
H = 10
POLICY = Policy(
    horizon_ms=H * DAY_MS,
    unobserved=("stop",),
    paused=("pause",),
    ending=("cancel",),
    engagement=("use",),
)


def spans_of(log: Log, *, until: float = 100) -> Spans:
    """Record uses, by customer and day from a Monday on, and what else they did."""
    uses = []
    for customer, did in log.items():
        for what in did:
            day, name = what if isinstance(what, tuple) else (what, "use")
            uses.append((float(day), customer, name))
    recorder = Recorder(POLICY)
    for day, customer, name in sorted([*uses, (until, "", "look")]):
        at = MONDAY + int(day * DAY_MS)
        recorder.take(EventBatch.of([UsageEvent(customer, name, at, 0, "")]))
    return recorder.spans()


def days(spans: Spans) -> list[tuple[int, float, float | None, Close]]:
    """Give spans by days."""
    rows = zip(
        *(c.tolist() for c in (spans.customer, spans.begin, spans.end, spans.close)), strict=True
    )
    return [
        (code, (b - MONDAY) / DAY_MS, None if e == OPEN else (e - MONDAY) / DAY_MS, Close(close))
        for code, b, e, close in rows
    ]


def weeks(log: Log, *, until: float = 100) -> Retention:
    """Give the figures by the week, of a log that has gone on for three when it begins."""
    spans = spans_of({"early": [-20], **log}, until=until)
    found = retention(spans, POLICY.horizon_ms, Every.WEEK)
    return msgspec.structs.replace(found, periods=found.periods[3:], cohorts=found.cohorts[1:])


def test_a_customer_is_one_until_silent_for_the_horizon_or_gone() -> None:
    """To the millisecond; whoever comes back begins a new span."""
    spans = spans_of({"a": [0, 5, 16], "b": [1, (3, "cancel"), 4], "c": [2, (90, "stop")]})
    assert days(spans) == [
        (0, 0.0, 15.0, Close.LAPSED),
        (0, 16.0, 26.0, Close.LAPSED),
        (1, 1.0, 3.0, Close.ENDED),
        (1, 4.0, 14.0, Close.LAPSED),
        (2, 2.0, 12.0, Close.LAPSED),
    ]


def test_what_is_done_in_the_visit_in_which_somebody_leaves_is_no_return() -> None:
    """The click that logs out; half an hour without one makes the next a return."""
    minute = 1 / 1_440
    log: Log = {"a": [1, (1 + minute, "cancel"), 1 + 5 * minute, 1 + 34 * minute], "b": [95]}
    assert days(spans_of(log))[0][3] is Close.ENDED
    assert len(days(spans_of(log))) == 2
    log["a"].append(1 + 65 * minute)
    assert len(days(spans_of(log))) == 3


def test_what_has_no_volume_is_no_activity() -> None:
    """A server's event of somebody who was not here, as for alerts."""
    recorder = Recorder(POLICY)
    recorder.take(EventBatch.of([UsageEvent("a", "use", MONDAY, 0, volume=0.0)]))
    assert recorder.spans().customers == 0


def test_the_last_span_is_open_where_the_log_ends_within_the_horizon() -> None:
    """Nobody has lapsed who still could come; at the horizon to the millisecond they have."""
    spans = spans_of({"a": [95], "b": [90], "c": [93, (96, "stop")]})
    assert days(spans) == [
        (0, 90.0, 100.0, Close.LAPSED),
        (1, 93.0, 96.0, Close.UNOBSERVED),
        (2, 95.0, None, Close.NOT),
    ]


def test_a_pause_is_no_loss() -> None:
    """Nobody knows whether the customer is one meanwhile; the next visit begins a span."""
    assert days(spans_of({"a": [0, 5, (7, "pause"), 60]})) == [
        (0, 0.0, 7.0, Close.UNOBSERVED),
        (0, 60.0, 70.0, Close.LAPSED),
    ]


def test_what_is_no_use_makes_nobody_a_customer() -> None:
    """Nor does a cancellation by somebody who never came."""
    assert days(spans_of({"a": [(1, "look")], "b": [(1, "cancel")]})) == []


def test_who_came_meanwhile_counts_neither_for_nor_against() -> None:
    """Fifty at the start, one acquired, forty at the end: 39 of 50 are 78 %, in small."""
    stay: Log = {f"s{n}": [1, 8, 15] for n in range(39)}
    left: Log = {f"l{n}": [1, (9, "cancel")] for n in range(11)}
    period = weeks({**stay, **left, "new": [10]}, until=15).periods[1]
    assert (period.at_start, period.new, period.back, period.at_end) == (50, 1, 0, 40)
    assert (period.lapsed, period.ended) == (0, 11)
    assert period.retention == pytest.approx(0.78)
    assert period.churn == pytest.approx(0.22)


def test_left_and_back_within_a_period_is_retained_and_later_is_back() -> None:
    """The one was there at both ends of its week; the other was not."""
    found = weeks({"a": [1, 8, (9, "cancel"), 10, 15], "b": [1, 6, 22]}, until=28)
    second, third, fourth = found.periods[1:]
    assert (second.at_start, second.at_end, second.retention) == (2, 2, 1.0)
    assert (third.lapsed, third.ended, third.at_end) == (1, 0, 1)
    assert (fourth.at_start, fourth.new, fourth.back, fourth.lapsed) == (1, 0, 1, 1)


def test_whom_nobody_watches_any_more_is_in_neither() -> None:
    """A course that ends is not churn."""
    period = weeks({"a": [1, 8, 15], "b": [1, (9, "stop")]}, until=15).periods[1]
    assert (period.at_start, period.at_end, period.retention) == (1, 1, 1.0)


def test_the_parts_of_a_period_add_up_and_periods_follow_each_other() -> None:
    """What is at the end of one is at the start of the next, where everybody is watched."""
    log = {f"c{n}": [float(day) for day in range(n, 70, n + 3)] for n in range(20)}
    periods = weeks({key: list(value) for key, value in log.items()}, until=70).periods
    assert len(periods) == 10
    for p in periods:
        assert p.at_end == p.at_start - p.lapsed - p.ended + p.new + p.back
    for before, after in pairwise(periods):
        assert before.at_end == after.at_start


def test_cohorts_are_followed_from_the_period_they_came_in() -> None:
    """Two come in the first week, one of them stays on; nobody new in the second."""
    found = weeks({"a": [1, 8, 15], "b": [1, 6], "c": [15, (16, "cancel")]}, until=21)
    assert [(c.begin, c.size, c.kept) for c in found.cohorts] == [
        ("2024-01-08", 2, (1.0, 1.0, 0.5)),
        ("2024-01-22", 1, (0.0,)),
    ]


def test_a_rate_waits_until_everybody_could_have_lapsed() -> None:
    """A log that has just begun would show that nobody ever leaves."""
    log: Log = {"a": [0, 8, 16, 24], "b": [1]}
    found = retention(spans_of(log, until=28), POLICY.horizon_ms, Every.WEEK)
    assert [period.retention for period in found.periods] == [None, None, 1.0, 1.0]
    assert [period.lapsed for period in found.periods] == [0, 1, 0, 0]


def test_an_empty_log_has_no_periods() -> None:
    """And raises nothing."""
    found = retention(spans_of({}), POLICY.horizon_ms, Every.WEEK)
    nothing = Retention(every=Every.WEEK, horizon_days=H, periods=(), segments=(), cohorts=())
    assert found == nothing


SEGMENTED = msgspec.structs.replace(
    POLICY,
    segments=(
        Segment(name="trial", where=(Condition(trait="plan", one_of=("trial",)),)),
        Segment(name="team", where=(Condition(trait="plan", one_of=("team",)),)),
    ),
)


def test_by_segment_whoever_moved_counts_where_it_was_at_the_start() -> None:
    """A trial that becomes a team is kept, and was a trial; who was told nothing is in none."""
    recorder = Recorder(SEGMENTED)
    events = [
        *(("bob", day, "use", None) for day in range(-30, 60, 5)),
        *(("ann", day, "use", None) for day in range(-30, 60, 5)),
        *(("cat", day, "use", None) for day in range(-30, 8)),
        *(("dan", day, "use", None) for day in range(9, 60, 5)),
        ("ann", -40, "identify", {"plan": "trial"}),
        ("cat", -40, "identify", {"plan": "trial"}),
        ("ann", 9.5, "identify", {"plan": "team"}),
        ("cat", 10, "cancel", None),
        ("dan", 10, "identify", {"plan": "team", "other": 1}),
        ("eve", 10, "identify", {"plan": "team"}),
        ("ann", 51, "identify", {"plan": None}),
    ]
    for who, day, name, told in sorted(events, key=lambda event: event[1]):
        at = MONDAY + round(day * DAY_MS)
        recorder.take(EventBatch.of([UsageEvent(who, name, at, 0, traits=told)]))
    found = retention(recorder.spans(), SEGMENTED.horizon_ms, Every.WEEK)
    second = {one.segment: one for one in found.segments if one.begin == "2024-01-15"}
    figures = {
        name: (one.at_start, one.new, one.ended, one.at_end, one.retention)
        for name, one in second.items()
    }
    assert figures == {
        "trial": (2, 0, 1, 1, 0.5),
        "team": (0, 1, 0, 1, None),
        "": (1, 0, 0, 1, 1.0),
    }
    whole = next(one for one in found.periods if one.begin == "2024-01-15")
    assert (whole.at_start, whole.new, whole.ended, whole.at_end) == (3, 1, 1, 3)
    last = {one.segment: one.at_start for one in found.segments if one.begin == "2024-02-26"}
    assert last == {"team": 2, "": 1}


def test_without_segments_there_are_none_to_tell_of() -> None:
    """One table is enough."""
    assert weeks({"a": [0, 5, 16]}).segments == ()
