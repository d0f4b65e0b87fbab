"""Suspension: what is said, and what is not, while everybody is silent at once."""

from itertools import pairwise
from math import exp

import msgspec
import pytest

from models.inputs import NAMES, thaw
from models.online import OnlineModel
from models.protocol import Guarded
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Kind, Severity, Trigger
from stream.detector.cadence import fresh
from stream.detector.calendar import Calendar, Holiday, local_time
from stream.detector.customer import Customer
from stream.detector.decline import Levels
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS, UsageEvent
from stream.detector.features import facts
from stream.detector.landmarks import Ladder
from stream.detector.policy import Decline, Guard, Policy
from stream.detector.segments import Segment
from stream.detector.suspension import Suspension
from stream.wire.calendars import calendar_of

START = 1_700_006_400_000  # a Wednesday, 00:00 UTC
POLICY = Policy(
    horizon_ms=20 * DAY_MS,
    allowed_lateness_ms=0,
    warning=("cancel_page",),
    ending=("cancelled",),
    decline=Decline(enabled=True, visits_min=4, alarm_nats=1.5),
)


def day(number: float) -> int:
    """Give the moment (ms) so many days after the start."""
    return START + round(number * DAY_MS)


def models(*suspended: tuple[float, float, float], threshold: float | None = 1.0) -> Timeline:
    """Give models that suspend: (day since when, day it is noticed, day it ends)."""
    first = msgspec.structs.replace(cold(20.0, 2.0), threshold=threshold)
    timeline = Timeline(OnlineModel(first))
    before = 0
    for begin, noticed, end in suspended:
        lasted = day(end) - day(begin)
        down = Guarded(
            suspended_since=day(begin), changed_at=day(noticed), suspended_before_ms=before
        )
        before += lasted
        up = Guarded(changed_at=day(end), lasted_ms=lasted, suspended_before_ms=before)
        for found in (down, up):
            at = found.changed_at
            timeline.add(
                OnlineModel(
                    msgspec.structs.replace(
                        first, version=f"m{at}", effective_from=at, guarded=found
                    )
                )
            )
    return timeline


def story(
    timeline: Timeline,
    days: list[float],
    until: float,
    policy: Policy = POLICY,
    **signals: float,
) -> list[Alert]:
    """Let one customer come on these days; give what is said of it."""
    detector = Detector(policy, timeline)
    events = [("open", number) for number in days] + list(signals.items())
    alerts: list[Alert] = []
    for name, number in sorted(events, key=lambda event: event[1]):
        event = UsageEvent("ann", name, day(number), day(number))
        alerts += detector.on_events([event]).alerts
    return alerts + detector.on_tick(day(until)).alerts


def said(alerts: list[Alert]) -> list[tuple[Kind, float]]:
    """Give the stages of customers' episodes, and on which day."""
    return [(a.kind, (a.time - START) / DAY_MS) for a in alerts if a.customer_id]


DAILY = [0.0, 1.0, 2.0, 3.0, 4.0]
HORIZON_MS = POLICY.horizon_ms
CALM = msgspec.structs.replace(POLICY, decline=Decline())
NEVER: tuple[float, float, float] = (90, 91, 92)


def test_silence_alerts_on_nobody_while_suspended_nor_before_they_could_come_back() -> None:
    """The alert of a silence that goes on comes later by what was suspended, and no sooner."""
    ((_, plain), *_) = said(story(models(NEVER), DAILY, 20, CALM))
    begin = plain - 0.5
    alerts = said(story(models((begin, begin + 0.25, begin + 2.5)), DAILY, 30, CALM))
    assert alerts[0][0] is Kind.OPENED
    assert plain + 2.5 <= alerts[0][1] <= plain + 4.5


def test_a_lapse_waits_as_long_as_it_was_suspended_and_not_longer() -> None:
    """Nobody lapses because the events are lost, and nobody is forgotten over it."""
    plain = story(models(NEVER), DAILY, 40, CALM)
    assert said(plain)[-1] == (Kind.LAPSED, 24.0)
    assert said(story(models((22, 22.25, 30)), DAILY, 40, CALM))[-1] == (Kind.LAPSED, 32.0)
    assert said(story(models((6, 6.25, 9), (12, 12.25, 13)), DAILY, 40, CALM))[-1][1] == 28.0
    assert said(story(models((30, 30.25, 33)), DAILY, 40, CALM))[-1][1] == 24.0


def test_a_ceiling_takes_suspended_time_off() -> None:
    """The silence is as long as it would have been without; so is what it is judged by."""
    ceiling = msgspec.structs.replace(
        CALM, segments=(Segment(name="all", silent_max_ms=round(7.3 * DAY_MS)),)
    )
    found = []
    for suspended, until in ((NEVER, 11.35), ((6, 6.25, 9), 14.35)):
        detector = Detector(ceiling, models(suspended, threshold=None))
        for number in DAILY:
            detector.on_events([UsageEvent("ann", "open", day(number), day(number))])
        alerts = detector.on_tick(day(until)).alerts
        found.append((said(alerts), detector.progress.day.chance_raised))
    (plain, chance_plain), (later, chance_later) = found
    assert plain == [(Kind.OPENED, pytest.approx(11.3))]
    assert later == [(Kind.OPENED, pytest.approx(14.3))]
    # Of a silence of ten days it would be another.
    assert 0 < chance_later == pytest.approx(chance_plain)


def test_what_was_put_off_is_forgotten_at_the_return() -> None:
    """The next silence is put off by what was suspended of it alone."""
    timeline = models((22, 22.25, 30))
    assert said(story(timeline, [*DAILY, 29.0], 60, CALM))[-1] == (Kind.LAPSED, 50.0)


def test_a_lapse_never_comes_while_it_lasts() -> None:
    """However long: the guard says when use is back."""
    alerts = said(story(models((22, 22.25, 200)), DAILY, 199, CALM))
    assert Kind.LAPSED not in {kind for kind, _ in alerts}


def test_a_decline_waits_too() -> None:
    """A customer who comes less looks the same as one whose events are lost."""
    policy = msgspec.structs.replace(
        POLICY, horizon_ms=60 * DAY_MS, decline=Decline(enabled=True, visits_min=6, alarm_nats=4.0)
    )
    days = [2.0 * n for n in range(20)] + [40 + 8.0 * n for n in range(12)]
    ((kind, plain), *_) = said(story(models(threshold=None), days, 130, policy))
    assert kind is Kind.OPENED
    down = models((plain - 1, plain - 0.5, plain + 1), threshold=None)
    later = said(story(down, days, 130, policy))
    assert later[0] == (Kind.OPENED, pytest.approx(plain + 8.0))


def test_warnings_endings_and_returns_speak_all_the_same() -> None:
    """Who says so is believed, whatever everybody else does."""
    alerts = story(models((4.5, 4.75, 9)), DAILY, 6, CALM, cancel_page=5.0, cancelled=5.5)
    assert said(alerts) == [(Kind.OPENED, 5.0), (Kind.LAPSED, 5.5)]
    back = story(models((20, 20.25, 29)), [*DAILY, 21.0], 22, CALM)
    assert said(back)[-1] == (Kind.RECOVERED, 21.0)


def test_what_is_suspended_is_told_once_and_told_when_it_is_over() -> None:
    """An alert about nobody, of one form with the others, at its place in time."""
    alerts = story(models((10, 10.25, 12), (15, 15.25, 16)), DAILY, 18, CALM)
    told = [alert for alert in alerts if alert.trigger is Trigger.POPULATION]
    assert [(a.kind, (a.time - START) / DAY_MS) for a in told] == [
        (Kind.SUSPENDED, 10.25),
        (Kind.RESUMED, 12),
        (Kind.SUSPENDED, 15.25),
        (Kind.RESUMED, 16),
    ]
    assert [alert.time for alert in alerts] == sorted(alert.time for alert in alerts)
    first, second, third, _ = told
    assert first.episode_id == second.episode_id != third.episode_id
    assert len({alert.alert_id for alert in told}) == 4
    assert (first.severity, second.severity) == (Severity.HIGH, Severity.LOW)
    assert second.silent_for_seconds == 2 * 86_400
    assert "returns where" in first.reason_1_text


def test_one_partition_tells_and_a_restart_does_not_tell_again() -> None:
    """Whatever the number of partitions, everybody is told once."""
    timeline = models((10, 10.25, 12))
    mute = Detector(CALM, timeline, announces=False)
    speaking = Detector(CALM, timeline)
    told: list[Kind] = []
    for begin, end in pairwise([0, 4, 11, 11.5, 14, 15]):
        event = UsageEvent("ann", "open", day(begin), day(begin))
        assert mute.on_events([event]).alerts == mute.on_tick(day(end)).alerts == []
        told += [a.kind for a in speaking.on_events([event]).alerts]
        told += [a.kind for a in speaking.on_tick(day(end)).alerts]
        speaking = Detector(CALM, timeline, progress=speaking.progress)
    assert told == [Kind.SUSPENDED, Kind.RESUMED]


def test_what_is_learned_from_is_the_silence_as_it_was() -> None:
    """What becomes of it is counted in days as they come, suspended or not."""
    detector = Detector(CALM, models((10, 10.25, 12)))
    for number in DAILY:
        detector.on_events([UsageEvent("ann", "open", day(number), day(number))])
    detector.on_tick(day(20))
    learned = [mark for mark in detector.customers["ann"].landmarks if mark.at > day(12)]
    assert learned
    for mark in learned:
        silence = exp(thaw(mark.inputs)[NAMES.index("ln_silence")])
        assert silence == pytest.approx((mark.at - day(4)) / DAY_MS, rel=0.005)


def test_a_policy_without_a_guard_heeds_none() -> None:
    """Models of another policy may say what they like."""
    bold = msgspec.structs.replace(CALM, guard=Guard(enabled=False))
    timeline = models((5, 5.25, 30))
    assert said(story(timeline, DAILY, 29, bold)) == said(story(models(NEVER), DAILY, 29, bold))


def test_the_grace_fits_the_length_of_what_happened() -> None:
    """An hour's outage hides hardly a visit; a long one is waited out for the usual gap."""

    def held(length: float, usual_gap_days: float) -> float:
        suspension = Suspension(CALM, models((10, 10.05, 10 + length)))
        begin = 10 + length
        hours = (
            n
            for n in range(24 * 40)
            if not suspension.holds(day(9), day(begin) + n * HOUR_MS, usual_gap_days, HORIZON_MS)
        )
        return next(hours) / 24

    assert held(0.25, usual_gap_days=3.0) == 0.75
    assert held(4, usual_gap_days=3.0) == 3.0
    assert held(4, usual_gap_days=30.0) == CALM.horizon_ms * 0.25 / DAY_MS
    suspension = Suspension(CALM, models((10, 10.05, 11)))
    assert not suspension.holds(day(9), day(10), 3.0, HORIZON_MS), "nobody knew yet"
    assert suspension.holds(day(9), day(10.05), 0.0, HORIZON_MS)
    assert not suspension.holds(day(11), day(11.5), 3.0, HORIZON_MS), "was seen since"


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [(1, 9, 0), (1, 11, 1), (1, 12, 2), (1, 40, 5), (10.5, 11, 0.5), (13, 40, 3), (26, 40, 0)],
)
def test_what_of_a_silence_was_suspended_is_counted(
    since: float, until: float, days: float
) -> None:
    """Of all suspensions within it, and of the one under way."""
    suspension = Suspension(CALM, models((10, 10.25, 12), (20, 20.25, 23)))
    assert suspension.within(day(since), day(until)) == days * DAY_MS


def closed(*spans: tuple[int, int], policy: Policy = CALM) -> Policy:
    """Give the policy with holidays from one day after the start to another."""
    first = START // DAY_MS
    days = tuple(Holiday(f"fair {a}", first + a, first + b) for a, b in spans)
    return msgspec.structs.replace(policy, calendar=Calendar(holidays=days))


def test_holidays_before_an_alert_do_not_put_its_end_off() -> None:
    """Of somebody who never came, nor in an old silence, does what lies before say anything."""
    policy = msgspec.structs.replace(closed((-400, -300), (20, 23)), warning=("bounced",))
    model = OnlineModel(cold(policy.horizon_ms / DAY_MS, 1))
    detector = Detector(policy, Timeline(model))
    at = day(10)
    said = list(detector.on_events([UsageEvent("ann", "bounced", at, at, volume=0.0)]).alerts)
    said += detector.on_tick(day(300)).alerts
    holidays = detector._suspension.within(at, said[-1].time)
    assert [alert.kind for alert in said] == [Kind.OPENED, Kind.LAPSED]
    assert said[-1].time == at + policy.horizon_ms + holidays


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [(1, 9, 1), (1, 11, 2), (1, 12, 3), (4, 9, 0), (9.5, 14, 3), (1, 24, 7), (19, 23, 3)],
)
def test_holidays_do_not_count_and_with_what_was_suspended_only_once(
    since: float, until: float, days: float
) -> None:
    """Where one begins as the other ends, and where one lies in the other."""
    policy = closed((2, 2), (11, 12), (22, 22))
    timeline = models((10, 10.25, 11), (20, 20.25, 22))
    assert Suspension(policy, timeline).within(day(since), day(until)) == days * DAY_MS
    while_down = models((20, 20.25, 90))
    assert Suspension(policy, while_down).within(day(19), day(24)) == 4 * DAY_MS


def test_an_alert_and_a_lapse_come_later_by_the_holidays_and_nothing_is_announced() -> None:
    """Of a customer who was silent before them."""
    plain = said(story(models(NEVER), DAILY, 60, CALM))
    begin = int(plain[0][1]) - 1
    alerts = story(models(NEVER), DAILY, 60, closed((begin, begin + 9)))
    (kind, opened), *_, (last, gone) = said(alerts)
    assert (kind, last) == (Kind.OPENED, Kind.LAPSED)
    assert opened > begin + 9
    assert gone == plain[-1][1] + 10 == 34.0
    assert {alert.kind for alert in alerts}.isdisjoint({Kind.SUSPENDED, Kind.RESUMED})


def test_words_say_which_holidays_did_not_count() -> None:
    """The seconds are those that have passed, and the sentence explains the difference."""
    opened, *_, lapsed = story(models(NEVER), DAILY, 60, closed((5, 6), (8, 8), (10, 10), (12, 12)))
    assert "Holidays in it do not count: fair " in opened.reason_1_text
    assert lapsed.reason_1_text.endswith(
        "Holidays in it do not count: fair 12, fair 10, fair 8, and more."
    )
    plain = story(models(NEVER), DAILY, 60, CALM)
    assert all("oliday" not in alert.reason_1_text for alert in plain)
    assert opened.expected_by is not None
    assert plain[0].expected_by is not None
    assert opened.expected_by > plain[0].expected_by


def test_short_horizons_are_judged_at_the_midnights_of_the_zone() -> None:
    """An hour earlier in summer, by UTC; days of the week likewise."""
    calendar = calendar_of("Europe/London")
    ladder = Ladder(msgspec.structs.replace(POLICY, calendar=calendar))
    march = 1_774_569_600_000  # 2026-03-27 00:00 UTC, a Friday: clocks are put forward on Sunday
    at = [ladder.at(march + 9 * HOUR_MS, rung) for rung in range(4)]
    assert [((moment or 0) - march) // HOUR_MS for moment in at] == [24, 48, 71, 95]
    where = local_time(calendar)
    assert [where.weekday(moment or 0) for moment in at] == [5, 6, 0, 1]
    known = facts(Customer(rhythm=fresh(20.0), levels=Levels()), march + 71 * HOUR_MS, where)
    assert known.weekday == 0
