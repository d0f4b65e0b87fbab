"""Laws of erasure: who is forgotten leaves nothing, and changes nothing for anybody else."""

from collections.abc import Sequence
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_detector_laws import POLICY, START, eager_models, end_of, logs

from stream.detector import detector as module
from stream.detector.alerts import Alert
from stream.detector.detector import Detector
from stream.detector.erasures import KEPT_MS, Erasures
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.roster import Roster
from stream.wire.customers import CustomerCodec

WHO = "c0"


class Subject:
    """A detector that is restored from what was saved, as often as is asked."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.rows: dict[str, bytes] = {}
        self.marks: dict[bytes, bytes] = {}
        self.progress = b""
        self.detector = self.restored()
        self.alerts: list[Alert] = []
        self.lessons: list[object] = []

    def restored(self) -> Detector:
        """Give a detector that has loaded what was saved."""
        roster, erased = Roster(CustomerCodec()), Erasures()
        for customer_id, row in self.rows.items():
            roster.load(customer_id, row)
        for mark, at in self.marks.items():
            erased.load(mark, at)
        kind = type(Detector(POLICY, eager_models()).progress)
        progress = msgspec.msgpack.decode(self.progress, type=kind) if self.progress else None
        return Detector(POLICY, eager_models(), customers=roster, progress=progress, erased=erased)

    def save(self) -> None:
        """Save everything, and go on from there."""
        self.detector.settle()
        for customer_id, row in self.detector.customers.save():
            if row is None:
                self.rows.pop(customer_id, None)
            else:
                self.rows[customer_id] = row
        for mark, at in self.detector.erased.save(self.detector.progress.watermark.at):
            if at is None:
                self.marks.pop(mark, None)
            else:
                self.marks[mark] = at
        self.progress = msgspec.msgpack.encode(self.detector.progress)
        self.detector = self.restored()

    def take(self, events: Sequence[UsageEvent]) -> None:
        """Take events."""
        said = self.detector.on_events(events, settle=False)
        self.alerts += said.alerts
        self.lessons += said.lessons

    def erase(self, at: int | None) -> None:
        """Forget the one customer."""
        said = self.detector.erase(WHO, at)
        self.alerts += said.alerts
        self.lessons += said.lessons
        self.rows.pop(WHO, None)

    def end(self, moment: int) -> None:
        """Let time pass."""
        said = self.detector.on_tick(moment)
        self.alerts += said.alerts
        self.lessons += said.lessons


def run(
    events: Sequence[UsageEvent],
    place: int,
    *,
    size: int = 1_000,
    together_min: int = 64,
    saving: bool = False,
) -> Subject:
    """Feed a log in batches, with an erasure of what was before a place."""
    with patch.object(module, "TOGETHER_MIN", together_min):
        subject = Subject()
        place = min(place, len(events))
        for number, begin in enumerate(range(0, place, size)):
            subject.take(events[begin : min(begin + size, place)])
            if saving and number % 2:
                subject.save()
        subject.erase(events[place - 1].occurred_at if place else None)
        for begin in range(place, len(events), size):
            subject.take(events[begin : begin + size])
            if saving:
                subject.save()
        subject.end(end_of(events))
        subject.detector.settle()
    return subject


@settings(max_examples=60, deadline=None)
@given(
    events=logs(),
    place=st.integers(0, 40),
    size=st.integers(1, 9),
    together=st.sampled_from([1, 64]),
)
def test_where_a_batch_is_cut_does_not_matter(
    events: list[UsageEvent], place: int, size: int, together: int
) -> None:
    """Nor what was saved and restored on the way, nor whether events are added up in columns."""
    whole = run(events, place)
    parts = run(events, place, size=size, together_min=together, saving=True)
    assert parts.alerts == whole.alerts
    assert parts.lessons == whole.lessons


@settings(max_examples=60, deadline=None)
@given(events=logs(), place=st.integers(0, 40))
def test_everybody_else_is_told_of_as_if_nothing_had_happened(
    events: list[UsageEvent], place: int
) -> None:
    """And the one who was erased, if it comes again, as somebody new."""
    place = min(place, len(events))
    at = events[place - 1].occurred_at if place else -1
    subject = run(events, place)
    others = [event for event in events if event.customer_id != WHO]
    fresh = [e for e in events if e.customer_id != WHO or e.occurred_at > at]
    plain = Detector(POLICY, eager_models())
    alerts = plain.on_events(others).alerts + plain.on_tick(end_of(events)).alerts
    assert [alert for alert in subject.alerts if alert.customer_id != WHO] == alerts
    plain = Detector(POLICY, eager_models())
    alerts = plain.on_events(fresh).alerts + plain.on_tick(end_of(events)).alerts
    expected = [alert for alert in alerts if alert.customer_id == WHO]
    own = [alert for alert in subject.alerts if alert.customer_id == WHO]
    assert own[len(own) - len(expected) :] == expected
    assert all(alert.time <= at for alert in own[: len(own) - len(expected)])
    watched = [c for c in subject.detector.customers if subject.detector.customers.look(c).counted]
    assert subject.detector.progress.day.watched == len(watched)


@settings(max_examples=60, deadline=None)
@given(events=logs(), place=st.integers(1, 40), again=st.integers(1, 3))
def test_what_comes_late_brings_nobody_back(
    events: list[UsageEvent], place: int, again: int
) -> None:
    """The whole log once more, and the erasure, too: the customer stays as it would be."""
    place = min(place, len(events))
    if not place:
        return
    at = events[place - 1].occurred_at
    subject = Subject()
    subject.take(events[:place])
    for _ in range(again):
        subject.erase(at)
        subject.take([event for event in events[:place] if event.customer_id == WHO])
        subject.save()
    assert WHO not in subject.detector.customers.entries
    assert WHO not in subject.rows
    heard = [e for e in events[:place] if e.name != "identify" or e.traits]
    assert set(subject.rows) == {e.customer_id for e in heard if e.customer_id != WHO}


def test_an_erasure_is_remembered_for_its_time() -> None:
    """Then nothing is left of it, not even the digest."""
    subject = Subject()
    subject.take([UsageEvent(WHO, "open", 100 * DAY_MS, 100 * DAY_MS)])
    subject.erase(100 * DAY_MS)
    subject.save()
    (mark,) = subject.marks
    assert WHO.encode() not in mark
    subject.end(100 * DAY_MS + KEPT_MS + POLICY.allowed_lateness_ms - 1)
    subject.save()
    assert subject.marks
    subject.end(100 * DAY_MS + KEPT_MS + POLICY.allowed_lateness_ms)
    subject.save()
    assert not subject.marks


def opened(day: float, who: str = WHO) -> UsageEvent:
    """Return an event of a day."""
    at = START + round(day * DAY_MS)
    return UsageEvent(who, "open", at, at)


def in_columns(monkeypatch: pytest.MonkeyPatch) -> Subject:
    """Return a detector that adds up even a single event in columns."""
    monkeypatch.setattr(module, "TOGETHER_MIN", 1)
    return Subject()


MINUTE = 1 / 1_440


def test_whoever_is_here_leaves_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next event is a new customer's first, and no more of the old visit."""
    subject = in_columns(monkeypatch)
    subject.take([opened(0)])
    subject.end(START + DAY_MS // 24 + 60_000)  # the visit has begun
    subject.take([opened(2 * MINUTE)])
    subject.take([opened(3 * MINUTE)])
    assert WHO in subject.detector._here
    subject.erase(START + round(3 * MINUTE * DAY_MS))
    assert WHO not in subject.detector._here
    subject.take([opened(4 * MINUTE)])
    subject.end(START + DAY_MS)
    customer = subject.detector.customers.look(WHO)
    assert (customer.visits, customer.volume_total) == (1, 1)
    assert customer.first_at == START + round(4 * MINUTE * DAY_MS)


def test_a_late_event_is_not_added_to_a_new_customers_visit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though it lies within a visit's gap of it, and in the same batch."""
    subject = in_columns(monkeypatch)
    subject.take([opened(0)])
    subject.erase(START)
    subject.take([opened(5 * MINUTE)])
    subject.end(START + DAY_MS // 24 + round(10 * MINUTE * DAY_MS))  # the visit has begun
    subject.take([opened(6 * MINUTE)])
    subject.take([opened(-MINUTE), opened(7 * MINUTE)])
    subject.end(START + 2 * DAY_MS)
    assert subject.detector.customers.look(WHO).volume_total == 3


def test_who_is_erased_is_watched_no_longer() -> None:
    """What the dial is measured over counts its time up to then, and not beyond."""
    subject = Subject()
    for day in range(6):
        subject.take([opened(day), opened(day, "other")])
    day = subject.detector.progress.day
    assert day.watched == 2
    subject.erase(None)
    assert day.watched == 1
    subject.erase(None)
    assert day.watched == 1


def test_an_alert_under_way_counts_neither_way() -> None:
    """Nobody will know whether it was right: nothing more is expected of it."""
    subject = Subject()
    for day in range(8):
        subject.take([opened(day)])
    day = subject.detector.progress.day
    moment = START + 8 * DAY_MS
    while not subject.alerts:
        subject.end(moment := moment + DAY_MS // 4)
    episode = subject.detector.customers[WHO].episode
    assert episode is not None
    waiting = episode.false_chance
    assert waiting > 0
    before = day.chance_raised, day.false_alarms
    subject.erase(moment)
    assert day.chance_raised == pytest.approx(before[0] - waiting)
    assert day.false_alarms == before[1]
