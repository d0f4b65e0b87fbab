"""Falls of single customers: what is told, and what is recorded of them."""

from itertools import accumulate

import msgspec
import pytest

from models.online import OnlineModel
from models.protocol import CONTROL_RUNG, FALL_GRID, Tally
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.customer import customer_hash
from stream.detector.decliners import CONTROL_EVERY
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.falls import SPREAD_BY_CHANCE, Falling
from stream.detector.policy import Decline, Policy
from stream.detector.segments import OpenTicket, Segment
from stream.wire.customers import CustomerCodec

START = 1_700_006_400_000
HORIZON = 20
POLICY = Policy(
    horizon_ms=HORIZON * DAY_MS,
    allowed_lateness_ms=0,
    ending=("cancelled",),
    unobserved=("watch_ended",),
    decline=Decline(enabled=True, alarm_nats=3.0),
)
NAMES = "abcdefg"
OFTEN = [1.0] * 30
RARELY = [3.5] * 12


def name_of(*, control_at: int) -> str:
    """Return a customer of whom this visit is drawn to be compared with."""
    names = (f"c{number}" for number in range(1_000))
    return next(n for n in names if (customer_hash(n) + control_at) % CONTROL_EVERY == 0)


def follow(
    gaps: list[float],
    kinds: list[int] | None = None,
    *,
    policy: Policy = POLICY,
    days: float = 0.0,
    customer: str = "ann",
    last: str = "",
    beside: tuple[tuple[float, str], ...] = (),
) -> tuple[list[Alert], dict[str, dict[int, tuple[int, int]]], Detector]:
    """Let a customer come after these gaps (days), and give what was said and recorded.

    `beside` are the day and the name of events that are no use.
    """
    subject = Detector(policy, Timeline(OnlineModel(cold(HORIZON, 2.0))))
    said: list[Alert] = []
    recorded: dict[str, dict[int, tuple[int, int]]] = {}
    moments = [START + round(day * DAY_MS) for day in accumulate(gaps)]
    kinds = kinds or [1] * len(gaps)
    events = [
        UsageEvent(customer, name, at, at)
        for at, count in zip(moments, kinds, strict=True)
        for name in NAMES[:count]
    ]
    if last:
        events.append(UsageEvent(customer, last, moments[-1] + DAY_MS, moments[-1] + DAY_MS))
    for day, name in beside:
        at = START + round(day * DAY_MS)
        events.append(UsageEvent(customer, name, at, at))
    events.sort(key=lambda event: event.occurred_at)
    end = moments[-1] + round(days * DAY_MS) + 2 * DAY_MS
    for decisions in (subject.on_events(events), subject.on_tick(end)):
        said += decisions.alerts
        for lesson in decisions.lessons:
            if not isinstance(lesson, Tally):
                continue
            for fall, rungs in lesson.falls.items():
                for rung, (true, false) in rungs.items():
                    so_far = recorded.setdefault(fall, {}).get(rung, (0, 0))
                    recorded[fall][rung] = (so_far[0] + true, so_far[1] + false)
    return said, recorded, subject


def declines(said: list[Alert]) -> list[Alert]:
    """Return the alerts that opened on a decline."""
    return [a for a in said if a.kind is Kind.OPENED and a.trigger is Trigger.DECLINE]


def test_a_fall_is_told_with_numbers_at_a_visit() -> None:
    """Every day, and then every third or fourth."""
    said, _, _ = follow(OFTEN + RARELY)
    (alert,) = declines(said)
    assert alert.reason_1 == "comes_less"
    assert alert.reason_1_text.startswith("Still comes, but less: ")
    assert alert.drop_ratio == pytest.approx(0.35, abs=0.1)
    assert alert.silent_for_seconds == 30 * 60


def test_narrower_use_is_told_of_as_such() -> None:
    """As often as ever, for a third of it."""
    said, recorded, _ = follow([1.0] * 60, [3] * 25 + [1] * 35, days=HORIZON)
    (alert,) = declines(said)
    assert alert.reason_1 == "fewer_kinds"
    assert "1.0 kinds of event in each of the last" in alert.reason_1_text
    assert alert.reason_1_text.endswith("where 2.6 were usual.")
    assert alert.drop_ratio == pytest.approx(1 / 2.6, abs=0.01)
    assert recorded["narrower"][0] == (1, 0)
    assert 0 not in recorded.get("less", {})


def test_who_does_one_kind_of_thing_cannot_do_fewer() -> None:
    """Nor is there anything to compare with."""
    _, recorded, subject = follow([1.0] * 60, days=HORIZON)
    assert subject.customers["ann"].falling is None  # gone by now
    assert "narrower" not in recorded


def test_each_level_is_recorded_at_the_time_it_was_reached() -> None:
    """A fall that goes on comes true at all of them; one that does not, at none."""
    _, lasting, _ = follow(OFTEN + RARELY, days=HORIZON)
    reached = {rung for rung in lasting["less"] if rung != CONTROL_RUNG}
    assert reached >= {0, 1, 2, 3, 4}
    assert all(lasting["less"][rung] == (1, 0) for rung in reached)
    _, passing, _ = follow(OFTEN + [3.5] * 2 + [0.9] * 40)
    assert passing["less"][0] == (0, 1)
    assert passing["less"][2] == (0, 1)


def test_a_fall_is_noted_once_until_it_is_over() -> None:
    """Its level goes up and down in between."""
    _, recorded, _ = follow(OFTEN + RARELY + [2.0, 3.5] * 12, days=HORIZON)
    assert all(sum(came) == 1 for rung, came in recorded["less"].items() if rung >= 0)


def test_a_second_fall_is_told_of_once_the_first_has_worn_off() -> None:
    """Back to the old rhythm, and down again."""
    said, _, _ = follow(OFTEN + [3.5] * 6 + [0.8] * 60 + [3.5] * 8)
    assert [a.kind for a in said if a.trigger is Trigger.DECLINE] == [
        Kind.OPENED,
        Kind.RECOVERED,
        Kind.OPENED,
    ]


ATTENDED = msgspec.structs.replace(
    POLICY,
    contact=("called",),
    ticket_opened=("ticket",),
    ticket_closed=("solved",),
    segments=(Segment(name="everybody", ticket=OpenTicket.SUPPRESS, contact_rest_ms=10 * DAY_MS),),
)


@pytest.mark.parametrize(
    "beside", [((30.0, "called"),), ((30.0, "ticket"), (39.9, "solved"))], ids=["contact", "ticket"]
)
def test_a_fall_that_was_withheld_is_told_of_once_the_reason_has_passed(
    beside: tuple[tuple[float, str], ...],
) -> None:
    """At the first visit after it, and once, with what shows it then."""
    (at_once,) = declines(follow(OFTEN + RARELY, policy=ATTENDED)[0])
    (later,) = declines(follow(OFTEN + RARELY, policy=ATTENDED, beside=beside)[0])
    assert at_once.time < START + 40 * DAY_MS < later.time
    assert later.time < START + 44 * DAY_MS
    assert later.reason_1_text != at_once.reason_1_text


def test_a_fall_that_was_withheld_and_is_over_is_not_told_of() -> None:
    """Its level has come down while the customer was spoken to."""
    gaps = OFTEN + [3.5] * 2 + [0.8] * 40
    assert declines(follow(gaps, policy=ATTENDED)[0])
    assert not declines(follow(gaps, policy=ATTENDED, beside=((30.0, "called"),))[0])


def test_who_leaves_has_come_less_and_who_is_watched_no_more_is_not_known() -> None:
    """An ending is an outcome; the end of observation is none, before the horizon is over."""
    gaps = OFTEN + [3.5] * 4
    _, left, _ = follow(gaps, last="cancelled")
    _, unknown, _ = follow(gaps, last="watch_ended")
    assert left["less"][0] == (1, 0)
    assert 0 not in unknown.get("less", {})
    _, known, _ = follow(OFTEN + RARELY, last="watch_ended")
    assert known["less"][0] == (1, 0)


def test_customers_who_have_not_fallen_are_held_to_the_same_rule() -> None:
    """One moment of a customer at a time, drawn by its name and the visit: the 8th and 32nd."""
    customer = name_of(control_at=8)
    _, recorded, _ = follow([1.0] * 60, [2] * 60, customer=customer)
    assert recorded["less"] == {CONTROL_RUNG: (0, 2)}
    assert recorded["narrower"] == {CONTROL_RUNG: (0, 2)}
    _, gone, _ = follow([1.0] * 12, customer=customer, days=HORIZON)
    assert gone["less"][CONTROL_RUNG] == (1, 0)


def test_who_comes_too_rarely_says_nothing() -> None:
    """Fewer than five visits expected in a horizon: no outcome would mean anything."""
    _, recorded, _ = follow([4.5] * 20 + [9.0] * 10, days=HORIZON)
    assert recorded == {}


def test_nobody_is_told_of_before_the_record_says_from_where_on() -> None:
    """All the same it is kept; where decline is not looked for at all, nothing is."""
    learning = msgspec.structs.replace(POLICY, decline=Decline(enabled=True))
    said, recorded, _ = follow(OFTEN + RARELY, policy=learning, days=HORIZON)
    assert declines(said) == []
    assert recorded["less"]
    off = msgspec.structs.replace(POLICY, decline=Decline())
    said, recorded, subject = follow(OFTEN + RARELY, policy=off)
    assert (declines(said), recorded) == ([], {})
    assert subject.customers["ann"].falling is None


def test_what_is_kept_of_a_customer_stays_small() -> None:
    """However often it falls and recovers."""
    _, _, subject = follow((OFTEN + [3.5] * 8) * 12, [3, 1, 2] * 152)
    falling = subject.customers["ann"].falling
    assert falling is not None
    assert len(falling.pending) <= 2 * len(FALL_GRID) + 1
    customer = subject.customers["ann"]
    row = CustomerCodec().encode(customer)
    assert CustomerCodec().decode(row).falling == falling


def test_of_regular_customers_the_same_gaps_say_more() -> None:
    """Like clockwork, by chance, and in clumps; once a day each, and then every third."""
    told = []
    for gaps in ([1.0], [0.4, 1.6, 0.2, 1.8, 1.0], [0.1, 1.9]):
        usual = gaps * (120 // len(gaps))
        rarely = [3 * gap for gap in gaps] * (60 // len(gaps))
        alert, *_ = declines(follow(usual + rarely)[0])
        told.append((alert.time - START) / DAY_MS - sum(usual))
    assert told == sorted(told)
    assert told[0] < 5
    assert told[1] > 10


def test_a_fall_as_earlier_releases_wrote_it_is_read() -> None:
    """How regular the customer is has to be learned again."""
    _, _, subject = follow(OFTEN + [3.5] * 3)
    falling = subject.customers["ann"].falling
    assert falling is not None
    earlier = msgspec.to_builtins(falling)[:-4]
    read = msgspec.convert(earlier, Falling)
    assert (read.slow, read.pending) == (falling.slow, falling.pending)
    assert (read.spread, read.pairs, read.withheld) == (SPREAD_BY_CHANCE, 0, 0)
