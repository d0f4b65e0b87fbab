"""The laws of the detector, on random customers: what no batch, order or partition may change."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from models.online import OnlineModel
from models.protocol import Guarded
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Kind
from stream.detector.customer import Customer
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.duplicates import REMEMBERED
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.landmarks import PENDING_PER_RUNG, RUNGS
from stream.detector.policy import Decline, Policy
from stream.detector.progress import Progress
from stream.detector.roster import Roster
from stream.detector.segments import Condition, OpenTicket, Segment
from stream.wire.calendars import Closing, calendar_of
from stream.wire.customers import CustomerCodec

START = 1_700_000_000_000
LATENESS = HOUR_MS
POLICY = Policy(
    horizon_ms=12 * DAY_MS,
    visit_gap_ms=30 * MINUTE_MS,
    allowed_lateness_ms=LATENESS,
    warning=("cancel_page",),
    ending=("cancelled",),
    unobserved=("watch_ended",),
    activation=("share",),
    contact=("mail_sent",),
    ticket_opened=("ticket_opened",),
    ticket_closed=("ticket_closed",),
    paused=("paused",),
    resumed=("resumed",),
    segments=(
        Segment(
            name="trial",
            where=(Condition(trait="plan", one_of=("trial",)),),
            activate_within_ms=5 * DAY_MS,
            silent_max_ms=4 * DAY_MS,
            ticket=OpenTicket.RAISE,
        ),
        Segment(name="test", where=(Condition(trait="plan", one_of=("test",)),), eligible=False),
        Segment(
            name="rest",
            silent_min_ms=DAY_MS,
            ticket=OpenTicket.SUPPRESS,
            contact_rest_ms=2 * DAY_MS,
        ),
    ),
    escalate_at_risk=0.6,
    warning_cleared_by_visits=2,
    decline=Decline(enabled=True, visits_min=3, alarm_nats=1.5),
    calendar=calendar_of(
        "America/St_Johns",
        ("CA",),
        (Closing(name="closed", first=date(2023, 12, 23), last=date(2024, 1, 2)),),
    ),
)
NAMES = (
    *("open", "play", "play", "open", "share", "cancel_page", "cancelled", "watch_ended"),
    *("identify", "mail_sent", "ticket_opened", "ticket_closed", "paused", "resumed"),
)
PLANS = (None, None, {"plan": "trial"}, {"plan": "team"}, {"plan": "test"}, {"plan": None})


def eager_models() -> Timeline:
    """Give a cold model that opens at a low threshold, and others that take over later.

    One of them suspends alerts for some days.
    """
    first = msgspec.structs.replace(cold(12.0, 1.0), threshold=1.0)
    second = msgspec.structs.replace(
        first, version="cold-2", effective_from=START + 40 * DAY_MS, threshold=0.5
    )
    timeline = Timeline(OnlineModel(first))
    timeline.add(OnlineModel(second))
    down = Guarded(suspended_since=START + 49 * DAY_MS, changed_at=START + 50 * DAY_MS)
    up = Guarded(
        changed_at=START + 56 * DAY_MS, lasted_ms=7 * DAY_MS, suspended_before_ms=7 * DAY_MS
    )
    for found in (down, up):
        third = msgspec.structs.replace(
            second,
            version=f"cold-{found.changed_at}",
            effective_from=found.changed_at,
            guarded=found,
        )
        timeline.add(OnlineModel(third))
    return timeline


def detector(**more: object) -> Detector:
    """Start a detector of the test's policy."""
    return Detector(POLICY, eager_models(), **more)  # type: ignore[arg-type]


@st.composite
def logs(draw: st.DrawFn, customers: int = 3, longest: int = 40) -> list[UsageEvent]:
    """Draw a log in order of time: gaps from seconds to weeks, a few customers, all classes."""
    gaps = draw(
        st.lists(
            st.one_of(
                st.integers(0, 40 * 60_000),
                st.integers(0, 2 * DAY_MS),
                st.integers(0, 20 * DAY_MS),
            ),
            max_size=longest,
        )
    )
    at, events = START, []
    for number, gap in enumerate(gaps):
        at += gap
        events.append(
            UsageEvent(
                customer_id=f"c{draw(st.integers(0, customers - 1))}",
                name=draw(st.sampled_from(NAMES)),
                occurred_at=at,
                received_at=at,
                message_id=f"m{number}",
                volume=float(draw(st.integers(1, 9))),
                traits=draw(st.sampled_from(PLANS)),
            )
        )
    return events


def end_of(events: Sequence[UsageEvent]) -> int:
    """Give a moment by which everything is decided, whatever the order of the events."""
    return max((event.occurred_at for event in events), default=START) + 30 * DAY_MS


def run(events: Sequence[UsageEvent], cuts: Sequence[int] = (), until: int = 0) -> Decisions:
    """Feed a log in batches that end at `cuts`, then let time pass to the end."""
    subject = detector()
    alerts, lessons, counts = [], [], Counter[str]()
    edges = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    for begin, end in pairwise(edges):
        said = subject.on_events(events[begin:end])
        alerts += said.alerts
        lessons += said.lessons
        counts += said.counts
    said = subject.on_tick(until or end_of(events))
    return Decisions(alerts + said.alerts, lessons + said.lessons, [], counts, Counter())


@given(logs(), st.lists(st.integers(0, 40)))
def test_where_batches_are_cut_changes_nothing(log: list[UsageEvent], cuts: list[int]) -> None:
    """Not the alerts, not their order, not a lesson: batches are Kafka's business."""
    assert run(log, cuts) == run(log)


@given(logs(), st.randoms(use_true_random=False), st.lists(st.integers(0, 40)))
def test_where_batches_are_cut_changes_nothing_even_out_of_order(
    log: list[UsageEvent], chance: object, cuts: list[int]
) -> None:
    """Late events included: what they find decided is what lay before them in the log."""
    chance.shuffle(log)  # type: ignore[attr-defined]
    assert run(log, cuts) == run(log)


@given(
    logs(),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 40)),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_where_batches_are_cut_changes_nothing_even_where_only_ticks_move_time(
    log: list[UsageEvent], chance: object, cuts: list[int], ticks: list[int]
) -> None:
    """Several sources tell the time together; one that was behind brings its events late."""
    chance.shuffle(log)  # type: ignore[attr-defined]

    def outcome(cuts: list[int]) -> tuple[list[Alert], dict[str, Customer]]:
        subject = detector()
        subject.events_move_time = False
        said: list[Alert] = []
        edges = sorted({0, len(log), *(min(cut, len(log)) for cut in (*cuts, *ticks))})
        for begin, end in pairwise(edges):
            if begin in ticks or not begin:
                said += subject.on_tick(max(e.occurred_at for e in log[: begin + 1])).alerts
            said += subject.on_events(log[begin:end]).alerts
        said += subject.on_tick(START + 900 * DAY_MS).alerts
        return said, {name: subject.customers[name] for name in subject.customers}

    assert outcome(cuts) == outcome([])


def test_what_comes_behind_the_time_is_settled_one_by_one() -> None:
    """Two late events at once are decided as if a batch had ended between them."""
    moments = [START, START + 10 * MINUTE_MS]
    late = [UsageEvent("ann", "open", at, at, f"m{at}") for at in moments]
    outcomes = []
    for batches in ([late], [late[:1], late[1:]]):
        subject = detector()
        subject.events_move_time = False
        subject.on_tick(START + DAY_MS)
        for batch in batches:
            subject.on_events(batch)
        outcomes.append(subject.customers["ann"])
    assert outcomes[0] == outcomes[1]


@given(logs(), st.randoms(use_true_random=False))
def test_order_within_the_allowed_lateness_is_irrelevant(
    log: list[UsageEvent], chance: object
) -> None:
    """Events that overtake each other by less than the lateness change nothing."""
    shift = {id(e): chance.randrange(LATENESS) for e in log}  # type: ignore[attr-defined]
    disordered = sorted(log, key=lambda e: e.occurred_at + shift[id(e)])
    expected, actual = run(log), run(disordered)
    assert expected.alerts == actual.alerts
    assert expected.lessons == actual.lessons
    assert actual.counts["late"] == 0


@given(logs(), st.data())
def test_duplicates_are_no_ops(log: list[UsageEvent], data: st.DataObject) -> None:
    """A message sent again soon after counts once."""
    doubled = list(log)
    for event in data.draw(st.lists(st.sampled_from(log), max_size=5)) if log else []:
        doubled.insert(doubled.index(event) + 1, event)
    expected, actual = run(log), run(doubled)
    assert expected.alerts == actual.alerts
    assert expected.lessons == actual.lessons
    twice = actual.counts["ignored"] - expected.counts["ignored"]  # what says nothing has no id
    assert actual.counts["duplicate"] + twice == len(doubled) - len(log)


@given(logs(customers=4))
def test_customers_do_not_see_each_other(log: list[UsageEvent]) -> None:
    """So partitions may hold any of them."""
    end = end_of(log)
    together = [alert for alert in run(log, until=end).alerts if alert.customer_id]
    apart: list[Alert] = []
    for customer_id in sorted({event.customer_id for event in log}):
        own = [event for event in log if event.customer_id == customer_id]
        apart += [alert for alert in run(own, until=end).alerts if alert.customer_id]
    key = msgspec.json.encode
    assert sorted(together, key=key) == sorted(apart, key=key)


@given(logs(), st.randoms(use_true_random=False), st.lists(st.integers(0, 40)))
def test_who_sleeps_between_visits_misses_nothing(
    log: list[UsageEvent], chance: object, cuts: list[int]
) -> None:
    """A checkpoint puts customers to sleep, and their rows are all that is left of them."""
    chance.shuffle(log)  # type: ignore[attr-defined]
    subject = detector(customers=Roster(CustomerCodec()))
    alerts, lessons = [], []
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    for begin, end in pairwise(edges):
        said = subject.on_events(log[begin:end])
        alerts += said.alerts
        lessons += said.lessons
        list(subject.customers.save())
    said = subject.on_tick(end_of(log))
    whole = run(log)
    assert alerts + said.alerts == whole.alerts
    assert lessons + said.lessons == whole.lessons


@given(
    logs(),
    st.randoms(use_true_random=False),
    st.integers(0, 40),
    st.sampled_from(["", "another"]),
)
def test_a_restored_detector_goes_on_as_if_it_had_not_stopped(
    log: list[UsageEvent], chance: object, stop: int, policy: str
) -> None:
    """Everything a decision needs is in the customers' rows and the partition's progress.

    Where they were reckoned by another policy, what is next due is reckoned anew.
    """
    chance.shuffle(log)  # type: ignore[attr-defined]
    first = detector(customers=Roster(CustomerCodec()))
    before = first.on_events(log[:stop])
    customers = Roster(CustomerCodec())
    for customer_id, row in first.customers.save():
        customers.load(customer_id, row)
    progress = msgspec.msgpack.decode(msgspec.msgpack.encode(first.progress), type=Progress)
    if policy:
        progress.policy = policy
    second = detector(customers=customers, progress=progress)
    after = second.on_events(log[stop:])
    end = second.on_tick(end_of(log))
    whole = run(log)
    assert before.alerts + after.alerts + end.alerts == whole.alerts
    assert before.lessons + after.lessons + end.lessons == whole.lessons


@given(logs(), st.data())
def test_ticks_between_events_change_nothing(log: list[UsageEvent], data: st.DataObject) -> None:
    """A tick that is not ahead of the log says nothing the next event would not have said."""
    subject = detector()
    said: list[Alert] = []
    for event in log:
        tick = data.draw(st.integers(START - DAY_MS, event.occurred_at))
        said += subject.on_tick(tick).alerts
        said += subject.on_events([event]).alerts
    end = end_of(log)
    assert said + subject.on_tick(end).alerts == run(log, until=end).alerts


@given(logs(), st.randoms(use_true_random=False))
def test_the_watermark_never_regresses(log: list[UsageEvent], chance: object) -> None:
    """What has been decided stays decided."""
    chance.shuffle(log)  # type: ignore[attr-defined]
    subject, seen = detector(), 0
    for event in log:
        subject.on_events([event])
        subject.on_tick(event.occurred_at - 3 * DAY_MS)
        assert subject.progress.watermark.at >= seen
        seen = subject.progress.watermark.at


FOLLOWS = {
    None: {Kind.OPENED, Kind.LAPSED, Kind.SUSPENDED},
    Kind.SUSPENDED: {Kind.RESUMED},
    Kind.OPENED: {Kind.ESCALATED, Kind.RECOVERED, Kind.LAPSED, Kind.RETRACTED},
    Kind.ESCALATED: {Kind.RECOVERED, Kind.LAPSED, Kind.RETRACTED},
    Kind.LAPSED: {Kind.RECOVERED, Kind.RETRACTED},
    Kind.RECOVERED: {Kind.OPENED, Kind.LAPSED},
    Kind.RETRACTED: {Kind.OPENED, Kind.LAPSED},
}


@given(logs(), st.randoms(use_true_random=False), st.booleans())
def test_one_alert_per_stage_and_one_episode_at_a_time(
    log: list[UsageEvent],
    chance: object,
    shuffled: bool,  # noqa: FBT001 - drawn
) -> None:
    """Whatever arrives in whatever order, a subscriber hears a story that makes sense."""
    if shuffled:
        chance.shuffle(log)  # type: ignore[attr-defined]
    last: dict[str, Alert] = {}
    ids: set[str] = set()
    for alert in run(log).alerts:
        before = last.get(alert.customer_id)
        assert alert.kind in FOLLOWS[before.kind if before else None]
        if (
            before
            and alert.kind != Kind.OPENED
            and before.kind
            in (
                Kind.OPENED,
                Kind.ESCALATED,
                Kind.LAPSED,
            )
        ):
            assert alert.episode_id == before.episode_id
        if not shuffled:
            assert alert.alert_id not in ids
        ids.add(alert.alert_id)
        last[alert.customer_id] = alert


@settings(max_examples=20)
@given(st.integers(1, 90), st.integers(1, 200))
def test_state_stays_bounded(minutes: int, every: int) -> None:
    """A bot that never sleeps takes no more memory than a person."""
    subject = detector()
    for number in range(3_000):
        at = START + number * (minutes * MINUTE_MS * 7 + every)
        name = NAMES[number % 5]
        subject.on_events([UsageEvent("bot", name, at, at, f"m{number}", 1.0)])
    customer = subject.customers["bot"]
    assert len(customer.landmarks) <= PENDING_PER_RUNG * (RUNGS + 5)
    assert len(customer.recent_ids) <= 4 * REMEMBERED
    assert len(customer.waiting) <= LATENESS // POLICY.visit_gap_ms + 2
    assert len(customer.signals) <= 64
    assert len(msgspec.msgpack.encode(customer)) < 16_384


@given(logs(customers=1))
def test_every_label_is_released_at_one_age(log: list[UsageEvent]) -> None:
    """Both classes wait equally long: otherwise a model learns that everybody returns."""
    ages = defaultdict(set)
    for lesson in run(log).lessons:
        if hasattr(lesson, "landmark_at"):
            ages[lesson.target].add(lesson.at - lesson.landmark_at)
    assert ages["back"] <= {DAY_MS}
    assert ages["lapse"] <= {POLICY.horizon_ms}
