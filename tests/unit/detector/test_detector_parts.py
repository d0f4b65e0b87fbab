"""The parts the stories do not reach, each by its own law."""

from itertools import permutations

import msgspec
import pytest

from models.online import OnlineModel
from models.protocol import Example, Facts, Tally
from models.snapshots import cold
from models.timeline import KEPT, Timeline
from stream.detector import outcomes, visits
from stream.detector.cadence import deadline, expected_gap, fresh, outlasts
from stream.detector.customer import Customer, customer_hash
from stream.detector.decline import Levels
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.horizons import Horizons
from stream.detector.landmarks import Ladder
from stream.detector.lifecycle import SIGNALS_MAX
from stream.detector.policy import EventClass, Policy
from stream.detector.ranking import rank
from stream.detector.reasons import explain
from stream.detector.stages import Kind, Trigger
from stream.detector.visits import Visit

START = 1_700_006_400_000
GAP = 30 * MINUTE_MS


def merged(moments: tuple[int, ...]) -> tuple[Visit, ...]:
    """Merge events at these minutes, in this order."""
    waiting: tuple[Visit, ...] = ()
    for minute in moments:
        waiting = visits.merge(waiting, minute * MINUTE_MS, 1.0, 1, GAP)
    return waiting


@pytest.mark.parametrize("order", list(permutations((0, 25, 50, 75, 200))))
def test_visits_are_the_same_in_whatever_order_events_come(order: tuple[int, ...]) -> None:
    """An event may bridge two visits that had begun apart."""
    assert merged(order) == (
        Visit(0, 75 * MINUTE_MS, 4.0, 1),
        Visit(200 * MINUTE_MS, 200 * MINUTE_MS, 1.0, 1),
    )


def events(*minutes: int) -> list[UsageEvent]:
    """Give events of one customer at these minutes."""
    return [
        UsageEvent("ann", "open", START + m * MINUTE_MS, START + 400 * DAY_MS, f"m{m}")
        for m in minutes
    ]


def detector(policy: Policy) -> Detector:
    """Start a cold detector that opens readily."""
    days = policy.horizon_ms / DAY_MS
    snapshot = msgspec.structs.replace(cold(days, days / 12), threshold=0.0)
    return Detector(policy, Timeline(OnlineModel(snapshot)))


def test_an_open_visit_takes_in_the_waiting_ones_it_comes_to_touch() -> None:
    """Late by less than the allowance: the two bursts turn out to be one."""
    policy = Policy(allowed_lateness_ms=HOUR_MS)
    bridged, plain = detector(policy), detector(policy)
    for minutes in ((0, 65), (70, 40, 15)):
        bridged.on_events(events(*minutes))
    plain.on_events(events(0, 15, 40, 65, 70))
    for subject in (bridged, plain):
        subject.on_tick(START + 5 * HOUR_MS)
    assert bridged.customers["ann"].visits == plain.customers["ann"].visits == 1
    assert bridged.customers["ann"].volume == plain.customers["ann"].volume


def test_the_account_and_the_class_of_an_event_are_taken_as_they_come() -> None:
    """An ignored event makes no customer; an account is that of the last event."""
    subject = detector(Policy(ignore=("sync",), engagement=("open",)))
    counts = subject.on_events(
        [
            UsageEvent("bob", "sync", START, START),
            UsageEvent("bob", "unheard_of", START, START),
            UsageEvent("ann", "open", START, START, account_id="acme"),
        ]
    ).counts
    assert counts == {"ignored": 2, "applied": 1}
    assert list(subject.customers) == ["ann"]
    assert subject.customers["ann"].account_id == "acme"


def test_what_happened_without_the_customer_is_no_visit() -> None:
    """It begins none and prolongs none; but what warns or ends does so by itself."""
    subject = detector(Policy(warning=("cancel",), ending=("closed",)))
    absent = [UsageEvent("bob", name, START, START, volume=0.0) for name in ("open", "cancel")]
    assert subject.on_events([*events(0), *absent]).counts == {"applied": 2, "ignored": 1}
    assert [signal.name for signal in subject.customers["bob"].signals] == ["cancel"]
    assert subject.customers["bob"].waiting == ()
    later = START + 20 * MINUTE_MS
    closed = UsageEvent("ann", "closed", later, later, volume=0.0)
    subject.on_events([UsageEvent("ann", "open", later, later, volume=0.0)] * 80)
    subject.on_events([closed])
    subject.on_tick(START + DAY_MS)
    assert subject.customers["ann"].last_at == START
    assert subject.customers["ann"].ended


def test_more_signals_than_anybody_needs_are_not_kept() -> None:
    """A bot on the cancel page does not fill the memory."""
    subject = detector(Policy(warning=("cancel",), allowed_lateness_ms=DAY_MS))
    burst = [UsageEvent("bot", "cancel", START + i, START + i) for i in range(SIGNALS_MAX + 50)]
    subject.on_events(burst)
    assert len(subject.customers["bot"].signals) == SIGNALS_MAX


def test_names_made_of_ids_do_not_fill_the_memory() -> None:
    """Event names are remembered up to a number, and classified all the same."""
    subject = detector(Policy())
    log = [UsageEvent("ann", f"opened/{i}", START + i, START + i) for i in range(10_050)]
    assert subject.on_events(log).counts == {"applied": 10_050}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cancelled", EventClass.ENDING),
        ("watch_ended", EventClass.UNOBSERVED),
        ("cancel_page", EventClass.WARNING),
        ("sync_mail", EventClass.IGNORED),
        ("app_open", EventClass.ENGAGEMENT),
        ("other", EventClass.IGNORED),
    ],
)
def test_an_event_means_what_the_policy_says(name: str, expected: EventClass) -> None:
    """By globs, the graver class first; what is not named is ignored."""
    policy = Policy(
        ending=("cancelled",),
        unobserved=("watch_*",),
        warning=("cancel*",),
        ignore=("sync_*",),
        engagement=("app_*",),
    )
    assert policy.classify(name) is expected


def test_the_ranking_knows_who_left_and_who_is_no_longer_watched() -> None:
    """Left is left; whoever is not watched is judged when the watching ended."""
    policy = Policy(ending=("cancelled",), unobserved=("watch_ended",))
    subject = detector(policy)
    log = [
        UsageEvent(who, "open", START + day * DAY_MS, START + 400 * DAY_MS, f"{who}{day}")
        for day in range(6)
        for who in ("gone", "quiet", "unwatched")
    ]
    end = START + 6 * DAY_MS
    log += [
        UsageEvent("gone", "cancelled", end, end),
        UsageEvent("unwatched", "watch_ended", end, end),
        UsageEvent("stranger", "cancelled", end, end),
    ]
    subject.on_events(log)
    later = end + 20 * DAY_MS
    subject.on_tick(later)
    timeline = Timeline(OnlineModel(cold(30.0, 2.5)))
    risks = dict(rank(subject.customers, timeline, policy, later))
    assert list(risks) == ["gone", "quiet", "unwatched"]
    assert risks["gone"] == 1.0
    assert risks["unwatched"] < risks["quiet"] < 1.0


def test_the_visit_under_way_counts_for_the_ranking() -> None:
    """Asked during a visit, the risk is what it will be if nothing more comes of the visit."""
    policy = Policy(visit_gap_ms=HOUR_MS, allowed_lateness_ms=0)
    timeline = Timeline(OnlineModel(cold(30.0, 2.5)))
    subject = detector(policy)
    subject.on_events(events(0, 3_000, 9_000))
    at = START + 9_000 * MINUTE_MS
    subject.on_tick(at + 30 * MINUTE_MS)
    assert subject.customers["ann"].visit_open
    during = dict(rank(subject.customers, timeline, policy, at + 90 * MINUTE_MS))
    assert subject.customers["ann"].visit_open
    subject.on_tick(at + 90 * MINUTE_MS)
    assert not subject.customers["ann"].visit_open
    assert dict(rank(subject.customers, timeline, policy, at + 90 * MINUTE_MS)) == during
    assert dict(rank(subject.customers, timeline, policy, at, of=())) == {}


@pytest.mark.parametrize("horizon", [10, 90])
def test_rungs_stand_for_all_of_a_silence_up_to_beyond_the_last(horizon: int) -> None:
    """Half the way to either neighbour: together, all but half the first and half a step more."""
    ladder = Ladder(Policy(horizon_ms=horizon * DAY_MS))
    shares = [ladder.share(rung) for rung in range(12)]
    first = {10: 1 / 10, 90: 1 / 60}[horizon]
    assert sum(shares) == pytest.approx(2.0 + (2.0 - 1.4) / 2 - first / 2)
    assert ladder.share(99) == shares[-1]
    if horizon > 20:
        assert shares[1:9] == sorted(shares[1:9])
    else:
        assert shares[:9] == pytest.approx([0.1] * 9)


FACTS = Facts(
    silence=20.0,
    repeats=9,
    span=18.0,
    longest_gap=5.0,
    last_gap=4.0,
    log_gap_mean=0.7,
    log_gap_variance=0.2,
    gap_spread=0.2,
    long_gaps=0,
    gap_trend=0.4,
    decline_sharp=0.0,
    decline_slow=0.0,
    volume=1.0,
    volume_usual=2.5,
    kinds=1.0,
    kinds_usual=3.0,
    volume_total=3.0,
    weekday=2,
    last_weekday=1,
)


def said(name: str, facts: Facts = FACTS, trigger: Trigger = Trigger.SILENCE) -> list[str]:
    """Give the sentences of an alert in which one input weighs."""
    reasons = explain(
        Kind.OPENED,
        trigger,
        facts,
        cause="",
        horizon_days=30.0,
        contributions=[(name, 0.9)],
    )
    return [reason.text for reason in reasons]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("last_gap", "Never silent this long before: the longest was 5.0 days."),
        ("gap_trend", "The gaps have been growing; the last was 4.0 days."),
        ("volume_change", "Used less on the last visit: 2 against 11.2 usually."),
        ("kinds_change", "Did fewer things: 1 kinds against 3.0 usually."),
        ("ln_age", "Has come 10 times so far, over 18 days."),
    ],
)
def test_what_weighs_is_said_in_words_with_numbers(name: str, sentence: str) -> None:
    """The fact first, then the evidence."""
    assert said(name) == ["Usually back every 2.0 days, silent for 20 days.", sentence]


@pytest.mark.parametrize("name", ["last_gap", "gap_trend", "volume_change", "kinds_change"])
def test_what_weighs_is_not_said_where_the_facts_do_not_bear_it(name: str) -> None:
    """A push in the model is no licence to claim what is not so."""
    calm = FACTS._replace(
        longest_gap=50.0, gap_trend=-1.0, volume=2.5, kinds=3.0, volume_usual=2.5, kinds_usual=3.0
    )
    assert len(said(name, calm)) == 1


def test_whoever_came_once_or_rarely_is_spoken_of_as_such() -> None:
    """No rhythm is claimed for one visit, and none within the horizon for a rare customer."""
    assert said("", FACTS._replace(repeats=0, span=0.0, silence=1.5 / 24)) == [
        "Came once, 90 minutes ago, and not again."
    ]
    (rare,) = said("", FACTS._replace(repeats=2, span=100.0))
    assert rare.startswith("Comes every 50 days or so, rarer than the 30 days that count as lapsed")


def test_a_customer_without_landmarks_has_no_label_due() -> None:
    """And one with them has it at the end of an event day."""
    assert (
        outcomes.next_release(Customer(rhythm=fresh(30.0), levels=Levels()), Horizons(Policy()))
        is None
    )


def test_who_does_not_teach_is_judged_and_forgotten() -> None:
    """What waits for its outcome is most of what a customer weighs; the dial counts everybody."""
    snapshot = cold(30.0, 2.5)
    timeline = Timeline(OnlineModel(snapshot))
    subject = Detector(Policy(), timeline)
    subject.on_events(
        [UsageEvent(who, "open", START, START, who) for who in ("ann", "bob", "eve", "zoe")]
    )
    subject.on_tick(START + 3 * DAY_MS)
    assert all(subject.customers[who].landmarks for who in subject.customers)
    some = msgspec.structs.replace(
        snapshot, version="some", effective_from=1, teach_below=1 + customer_hash("bob")
    )
    timeline.add(OnlineModel(some))
    lessons = subject.on_tick(START + 90 * DAY_MS).lessons
    taught = {lesson.customer for lesson in lessons if isinstance(lesson, Example)}
    assert taught == {n for n in map(customer_hash, subject.customers) if n < some.teach_below}
    assert 0 < len(taught) < 4
    judged = sum(lesson.judged for lesson in lessons if isinstance(lesson, Tally))
    assert judged == 4 * (subject.customers["ann"].rung - 4)  # four were in the days before


def test_cadence_by_hand() -> None:
    """Ten gaps in twenty days and a horizon of sixty: 30 days in 11 parts; 5 % outlast 9.4."""
    assert expected_gap(10, 20.0, 60.0) == pytest.approx(30 / 11)
    assert deadline(10, 20.0, 60.0, 0.05) == pytest.approx(30 * (0.05 ** (-1 / 11) - 1))
    for chance in (0.9, 0.5, 0.05, 0.001):
        assert outlasts(10, 20.0, 60.0, deadline(10, 20.0, 60.0, chance)) == pytest.approx(chance)


def test_a_timeline_forgets_the_oldest_models() -> None:
    """Eleven years of days, and no more."""
    timeline = Timeline(OnlineModel(cold(30.0, 2.5)))
    model = OnlineModel(cold(30.0, 2.5))
    for day in range(1, KEPT + 10):
        model = OnlineModel(msgspec.structs.replace(model.snapshot, effective_from=day))
        timeline.add(model)
    assert len(timeline.switches()) == KEPT
    assert timeline.at(0).effective_from == timeline.switches()[0][0]
