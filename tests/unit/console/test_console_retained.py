"""The page of who stays: rates over periods, episodes over time, and what alerts brought."""

from collections.abc import Sequence
from itertools import count

import pytest
from msgspec.structs import replace
from said import alert

from stream.console import chronicle as chronicle_module
from stream.console.chronicle import Chronicle
from stream.console.retained import EVERYBODY, NONE, SPANS, Cohort, brought, course, rates
from stream.detector.alerts import Kind, Trigger
from stream.detector.calendar import Calendar, local_time
from stream.detector.events import DAY_MS
from stream.detector.periods import Boundaries, Every
from stream.detector.policy import Policy, Retention
from stream.detector.turnover import Counted, Counts
from stream.uplift.figures import LEAST_CUSTOMERS
from stream.wire.alerts import encode_alert
from stream.wire.retained import Group, encode_retained

THURSDAY = 20_377 * DAY_MS
"""2025-10-16."""
LOCAL = local_time(Calendar())
H = 30 * DAY_MS


def told(
    found: Chronicle,
    months: Sequence[dict[str, Counts] | None],
    *,
    partition: int = 0,
    every: Every = Every.MONTH,
    horizon_days: int = 30,
) -> None:
    """Tell what a partition counted of months (or weeks) from October 2025 on; None: nothing."""
    policy = Policy(horizon_ms=horizon_days * DAY_MS, retention=Retention(every=every))
    calendar = Boundaries(every, LOCAL)
    begin = calendar.begin(THURSDAY)
    for segments in months:
        end = calendar.next(begin)
        if segments is not None:
            found.retained(*encode_retained(Counted(begin, end, segments), policy, partition))
        begin = end


def said(
    found: Chronicle, episode: str, day: float, kind: Kind = Kind.OPENED, **fields: object
) -> None:
    """Say something of an episode, so many days after the Thursday."""
    one = alert(
        episode_id=episode,
        alert_id=f"{episode}-{kind}",
        kind=kind,
        time=THURSDAY + round(day * DAY_MS),
        **{"customer_id": episode} | fields,
    )
    found.alert(one.customer_id.encode(), encode_alert(one))


def test_rates_are_ratios_of_sums_over_partitions() -> None:
    """90 of 100 and 1 of 10 are 91 of 110, not a half."""
    found = Chronicle()
    told(found, [{"pro": Counts(at_start=100, lapsed=10)}])
    told(found, [{"pro": Counts(at_start=10, lapsed=4, ended=5, new=2, back=1)}], partition=1)
    every = rates(found)
    assert every is not None
    (month,) = every.everybody
    assert month.share == pytest.approx(91 / 110)
    assert (month.counts.at_start, month.counts.new, month.counts.back) == (110, 2, 1)
    assert (month.first_day, month.partitions, every.most) == ("2025-10-01", 2, 2)
    assert every.segments["pro"] == [month]


def test_what_is_told_again_counts_once() -> None:
    """A late event changes what was told; a worker that is restored tells it once more."""
    found = Chronicle()
    for lapsed in (4, 5, 5):
        told(found, [{"": Counts(at_start=10, lapsed=lapsed)}])
    every = rates(found)
    assert every is not None
    assert every.everybody[0].share == 0.5
    assert every.segments == {}, "a policy without segments has none to show"


def test_segments_are_shown_the_largest_first_and_few_of_them() -> None:
    """A drawing of forty lines tells nobody anything."""
    found = Chronicle()
    told(found, [{f"s{n}": Counts(at_start=n) for n in range(9)} | {"": Counts(at_start=7)}] * 2)
    every = rates(found)
    assert every is not None
    assert list(every.segments) == ["s8", NONE, "s7", "s6", "s5"]
    assert next(iter(every.lines)) == EVERYBODY
    assert [len(line) for line in every.lines.values()] == [2] * 6


def test_a_cohort_is_followed_through_the_periods_after_it() -> None:
    """Of eight who came in October four are left in November, and one more is back in December."""
    found = Chronicle()
    october, november = "2025-10-01", "2025-11-01"
    zero = Group(at_start=0, kept=0, lapsed=0, ended=0, new=0, back=0)
    cohorts = (
        {october: replace(zero, new=5)},
        {october: replace(zero, at_start=5, kept=4), november: replace(zero, new=4)},
        {october: replace(zero, at_start=4, kept=4, back=1), november: replace(zero, kept=1)},
    )
    told(found, [{"": Counts()}] * 3)
    for (_, partitions), of_month in zip(sorted(found.periods.items()), cohorts, strict=True):
        partitions[0] = replace(partitions[0], cohorts=of_month)
    other = replace(zero, new=3, kept=0)
    first = min(found.periods)
    found.periods[first][1] = replace(
        found.periods[first][0], partition=1, cohorts={october: other}
    )
    every = rates(found)
    assert every is not None
    assert every.cohorts == [
        Cohort(october, 8, [0.5, 0.625]),
        Cohort(november, 4, [0.25]),
    ]


def test_a_period_in_which_nobody_was_there_has_no_rate() -> None:
    """Nought of nought is neither good nor bad."""
    found = Chronicle()
    told(found, [{"": Counts(new=3)}, {"": Counts(at_start=3)}])
    every = rates(found)
    assert every is not None
    assert [one.share for one in every.everybody] == [None, 1.0]
    assert len(every.lines[EVERYBODY]) == 1


def test_periods_of_other_terms_are_not_compared() -> None:
    """By another horizon somebody else is a customer."""
    found = Chronicle()
    told(found, [{"": Counts(at_start=9)}] * 2)
    told(found, [None, {"": Counts(at_start=9)}, {"": Counts(at_start=8)}], horizon_days=14)
    told(found, [{"": Counts(at_start=9)}] * 2, partition=1)
    every = rates(found)
    assert every is not None
    assert (every.horizon_days, every.left_out) == (14, 1)
    assert [one.counts.at_start for one in every.everybody] == [9, 8]


def test_of_a_period_that_not_all_have_told_of_it_is_said() -> None:
    """The slowest partition is some hours behind, and its customers are not yet in the sums."""
    found = Chronicle()
    told(found, [{"": Counts(at_start=9)}] * 2)
    told(found, [{"": Counts(at_start=9)}], partition=1)
    every = rates(found)
    assert every is not None
    assert [one.partitions for one in every.everybody] == [2, 1]
    assert (every.most, every.whole) == (2, 0), "the headline is of a period that is whole"


def test_periods_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The earliest is forgotten, in whatever order they come."""
    monkeypatch.setattr(chronicle_module, "PERIODS_MAX", 2)
    found = Chronicle()
    told(found, [{"": Counts(at_start=9)}] * 3)
    told(found, [{"": Counts(at_start=9)}])
    every = rates(found)
    assert every is not None
    assert [one.first_day for one in every.everybody] == ["2025-11-01", "2025-12-01"]


def test_what_is_nothing_of_ours_is_passed_over() -> None:
    """Somebody else may write to a topic."""
    found = Chronicle()
    found.alert(b"ann", b"{}")
    found.retained(b"month", b"{}")
    found.retained(b"month", None)
    assert (found.unread, rates(found), course(found, Every.WEEK).since) == (2, None, None)


def test_episodes_are_counted_in_the_week_in_which_it_happened() -> None:
    """Also a week in which nothing did: a gap in a curve is not nothing."""
    found = Chronicle()
    said(found, "a", 0)
    said(found, "a", 15, Kind.RECOVERED)
    said(found, "b", 1, segment="pro")
    said(found, "b", 1.5, Kind.ESCALATED, segment="pro")
    said(found, "b", 2, Kind.RETRACTED, segment="pro")
    said(found, "c", 15, segment="pro")
    said(found, "", 15, Kind.SUSPENDED, trigger=Trigger.POPULATION)
    weeks = course(found, Every.WEEK)
    first = THURSDAY - 3 * DAY_MS
    assert [span.begin for span in weeks.spans] == [first + n * 7 * DAY_MS for n in range(3)]
    assert [
        (s.moves.opened, s.moves.recovered, s.moves.lapsed, s.moves.retracted) for s in weeks.spans
    ] == [(2, 0, 0, 1), (0, 0, 0, 0), (1, 1, 0, 0)]
    assert {name: moves.opened for name, moves in weeks.segments.items()} == {"pro": 2, "": 1}
    of_pro = course(found, Every.WEEK, "pro")
    assert [span.moves.opened for span in of_pro.spans] == [1, 0, 1]
    assert [span.moves.opened for span in course(found, Every.WEEK, "").spans] == [1, 0, 0]
    (month,) = course(found, Every.MONTH).spans
    assert (month.first_day, month.moves.opened) == ("2025-10-01", 3)


def test_alerts_that_come_again_are_counted_once() -> None:
    """A topic may be copied, and a copy may repeat itself."""
    found = Chronicle()
    for _ in range(3):
        said(found, "a", 0)
        said(found, "a", 1, Kind.LAPSED)
    (week,) = course(found, Every.WEEK).spans
    assert (week.moves.opened, week.moves.lapsed) == (1, 1)


def test_as_many_weeks_are_shown_as_can_be_told_apart() -> None:
    """Half a year, the latest."""
    found = Chronicle()
    for week in range(40):
        said(found, f"e{week}", 7 * week)
    weeks = course(found, Every.WEEK)
    assert len(weeks.spans) == SPANS[Every.WEEK]
    assert weeks.spans[-1].begin > THURSDAY + 38 * 7 * DAY_MS
    assert weeks.segments[""].opened == SPANS[Every.WEEK]
    assert weeks.since == THURSDAY


def test_what_alerts_brought_is_held_against_the_holdout() -> None:
    """Half of the alerted came back, none of those held out; an erased customer is in neither."""
    found = Chronicle()
    names = count()
    for _ in range(LEAST_CUSTOMERS):
        for holdout in (False, False, True):
            name = f"c{next(names)}"
            said(found, name, 0, holdout=holdout)
            if int(name[1:]) % 3 == 1:
                said(found, name, 5, Kind.RECOVERED, holdout=holdout)
    said(found, "late", 31)
    what = brought(found, 30, {})
    assert what.everybody.alerted.recovered == LEAST_CUSTOMERS
    assert what.everybody.holdout.recovered == 0
    assert what.everybody.clear
    assert "more ended with the customer back" in what.words[0]
    assert list(what.triggers) == ["silence"]
    found.alert(b"c1", None)
    after = brought(found, 30, {})
    assert after.everybody.alerted.episodes == what.everybody.alerted.episodes - 1
    assert course(found, Every.WEEK).spans[0].moves.opened == 3 * LEAST_CUSTOMERS


def test_too_few_are_not_compared_and_without_a_holdout_nobody_is() -> None:
    """A difference of two customers is a difference of opinion."""
    found = Chronicle()
    said(found, "a", 0)
    said(found, "b", 40)
    assert "Nobody was held out" in brought(found, 30, {}).words[0]
    said(found, "h", 0, holdout=True)
    assert (
        "Too few to compare: 1 customers alerted and 1 held out" in brought(found, 30, {}).words[0]
    )


def test_episodes_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large product has millions; the latest say what alerts bring."""
    monkeypatch.setattr(chronicle_module, "EPISODES_MAX", 2)
    found = Chronicle()
    for day in range(4):
        said(found, f"e{day}", day, customer_id="ann")
    assert len(found.episodes) == 2
    found.alert(b"ann", None)
    assert len(found.episodes) == 0
