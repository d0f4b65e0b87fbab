"""Segments with a horizon of their own: when each lapses, and what of it is learned by which."""

from dataclasses import dataclass, field

import msgspec
import pytest

from models.online import OnlineModel
from models.protocol import Example, Lesson, Sighting, Tally
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Kind
from stream.detector.customer import customer_hash
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.horizons import Horizons
from stream.detector.identity import alias_event
from stream.detector.policy import Decline, Policy
from stream.detector.ranking import rank
from stream.detector.roster import Roster
from stream.detector.segments import Condition, Segment
from stream.wire.customers import CustomerCodec

WEEK, MONTHS = 7 * DAY_MS, 60 * DAY_MS
TRIAL = Segment(name="trial", where=(Condition(trait="plan", one_of=("trial",)),), horizon_ms=WEEK)
LARGE = Segment(
    name="large", where=(Condition(trait="plan", one_of=("large",)),), horizon_ms=MONTHS
)
POLICY = Policy(
    horizon_ms=30 * DAY_MS,
    allowed_lateness_ms=0,
    decline=Decline(enabled=True),
    segments=(TRIAL, LARGE),
    version="with",
)
BEGIN = 20_000 * DAY_MS
OFTEN = (0.5, 2.5, 4.5, 6.5, 8.5)


@dataclass
class Story:
    """A detector with a cold model, and what it said and taught."""

    policy: Policy = POLICY
    alerts: list[Alert] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nobody."""
        self.models = Timeline(OnlineModel(cold(30.0, 2.5)))
        self.detector = Detector(self.policy, self.models, customers=Roster(CustomerCodec()))

    def told(self, customer_id: str, day: float, plan: str | None) -> "Story":
        """Let a customer be told of."""
        return self._take(self._event(customer_id, day, "identify", {"plan": plan}))

    def comes(self, customer_id: str, *days: float) -> "Story":
        """Let a customer come."""
        for day in days:
            self._take(self._event(customer_id, day, "used", None))
        return self

    def alias(self, previous_id: str, customer_id: str, day: float) -> "Story":
        """Let two ids be one customer."""
        at = BEGIN + round(day * DAY_MS)
        return self._take(alias_event(previous_id, customer_id, at, at))

    def until(self, day: float) -> "Story":
        """Let time pass."""
        decisions = self.detector.on_tick(BEGIN + round(day * DAY_MS))
        self.alerts += decisions.alerts
        self.lessons += decisions.lessons
        return self

    def restarts(self, policy: Policy) -> "Story":
        """Let a policy be in force, with all that was saved."""
        self.detector.settle()
        roster = Roster(CustomerCodec())
        for customer_id, row in self.detector.customers.save():
            roster.load(customer_id, row)
        progress = self.detector.progress
        self.detector = Detector(policy, self.models, customers=roster, progress=progress)
        return self

    def lapsed(self) -> dict[str, float]:
        """Give the day on which each lapsed."""
        return {
            alert.customer_id: (alert.time - BEGIN) / DAY_MS
            for alert in self.alerts
            if alert.kind is Kind.LAPSED
        }

    def ages(self, target: str = "lapse") -> set[tuple[int, float]]:
        """Give (horizon, age in days) of the labels of a target."""
        return {
            (lesson.horizon_ms // DAY_MS, (lesson.at - lesson.landmark_at) / DAY_MS)
            for lesson in self.lessons
            if isinstance(lesson, Example) and lesson.target == target
        }

    def _event(
        self, customer_id: str, day: float, name: str, traits: dict[str, str | None] | None
    ) -> UsageEvent:
        at = BEGIN + round(day * DAY_MS)
        return UsageEvent(customer_id, name, at, at, traits=traits)

    def _take(self, event: UsageEvent) -> "Story":
        decisions = self.detector.on_events([event])
        self.alerts += decisions.alerts
        self.lessons += decisions.lessons
        return self


def three() -> Story:
    """Let three customers of three kinds come alike, and stay away."""
    story = Story().told("t", 0.1, "trial").told("l", 0.1, "large").told("p", 0.1, "paid")
    for day in OFTEN:
        story.comes("t", day).comes("l", day).comes("p", day)
    return story


def test_each_lapses_by_its_own_horizon_and_is_told_so() -> None:
    """To the millisecond, in the words of its own."""
    story = three().until(100)
    assert story.lapsed() == {"t": 8.5 + 7, "p": 8.5 + 30, "l": 8.5 + 60}
    texts = [alert.reason_1_text for alert in story.alerts if alert.kind is Kind.LAPSED]
    assert texts == [
        "Silent for 7.0 days: counts as lapsed here.",
        "Silent for 30 days: counts as lapsed here.",
        "Silent for 60 days: counts as lapsed here.",
    ]


def test_each_landmark_has_the_labels_of_the_horizon_it_was_judged_by() -> None:
    """At the ages of that horizon, and of no other."""
    story = three().until(200)
    assert story.ages() == {(7, 7.0), (0, 30.0), (60, 60.0)}
    assert story.ages("back") == {(7, 1.0), (0, 2.5), (60, 5.0)}
    shares: dict[int, set[float]] = {}
    for lesson in story.lessons:
        if isinstance(lesson, Example) and lesson.target == "lapse":
            shares.setdefault(lesson.horizon_ms, set()).add(lesson.share)
    assert all(len(each) > 1 for each in shares.values())
    assert {s.horizon_ms for s in story.lessons if isinstance(s, Sighting)} == {0, WEEK, MONTHS}


def test_the_dial_counts_each_by_itself_up_to_its_own_horizon() -> None:
    """Customer-days of who is watched end with the horizon; landmarks and falls are told apart."""
    story = three().until(100)
    days = {"trial": 0.0, "large": 0.0, "": 0.0}
    judged = {"trial": 0, "large": 0, "": 0}
    for lesson in story.lessons:
        if isinstance(lesson, Tally):
            days[""] += lesson.customer_days
            judged[""] += lesson.judged
            for name, share in lesson.segments.items():
                days[name] += share.customer_days
                judged[name] += share.judged
    entered = OFTEN[POLICY.visits_min - 1]
    assert days["trial"] == pytest.approx(8.5 + 7 - entered)
    assert days["large"] == pytest.approx(8.5 + 60 - entered)
    assert days[""] == pytest.approx(days["trial"] + days["large"] + 8.5 + 30 - entered)
    assert 0 < judged["trial"] < judged[""]
    assert 0 < judged["large"] < judged[""]


def test_who_comes_to_a_shorter_horizon_in_a_longer_silence_lapses_on_the_spot() -> None:
    """Not before: nobody had said so; what was judged before is learned by the longer one."""
    story = three().told("l", 20, "trial").until(200)
    assert story.lapsed()["l"] == 20
    assert (60, 60.0) in story.ages()
    assert {horizon for horizon, _ in story.ages()} == {0, 7, 60}
    at = [e.at for e in story.lessons if isinstance(e, Example) and e.target == "lapse"]
    early = [e for e in story.lessons if isinstance(e, Example) and e.at - e.landmark_at < WEEK]
    assert all(example.target == "back" for example in early), "no label before its age"
    assert len(at) > 20


def test_who_comes_to_a_longer_horizon_has_the_time_of_that() -> None:
    """A trial that has paid: its silence goes on, and is none yet."""
    story = three().told("t", 12, "large").until(200)
    assert story.lapsed()["t"] == 8.5 + 60
    (row,) = [e for e in story.alerts if e.customer_id == "t" and e.kind is Kind.LAPSED]
    assert row.segment == "large"
    # Landmarks of the first days are of a week, and have its labels: it had not come back.
    labels = {
        example.labels
        for example in story.lessons
        if isinstance(example, Example) and example.target == "lapse" and example.horizon_ms == WEEK
    }
    assert (1, 1) in labels


@pytest.mark.parametrize(
    ("who", "plan", "days"),
    [("l", "trial", [15, 8.5 + 9.8, 8.5 + 14]), ("t", "large", [14.67, 18.22, 23.83])],
)
def test_who_moves_in_a_silence_is_judged_on_at_the_places_of_its_new_horizon(
    who: str, plan: str, days: list[float]
) -> None:
    """From that moment on: neither again at those passed, nor later than there are any."""
    story = three().told(who, 14.2, plan).until(200)
    number = customer_hash(who)
    found = sorted(
        (example.landmark_at - BEGIN) / DAY_MS
        for example in story.lessons
        if isinstance(example, Example)
        and example.target == "lapse"
        and example.customer == number
        and example.landmark_at > BEGIN + 14.2 * DAY_MS
    )
    assert found[: len(days)] == pytest.approx(days, abs=0.1)


def test_who_has_lapsed_stays_so_whatever_its_horizon_is_then() -> None:
    """What was said of it stays said, until it is back."""
    story = three().told("t", 20, "large").until(100)
    assert story.lapsed()["t"] == 8.5 + 7
    story.comes("t", 101).until(101.1)
    assert story.alerts[-1].kind is Kind.RECOVERED


def test_a_horizon_that_a_changed_policy_drops_is_still_that_of_its_landmarks() -> None:
    """They were judged by it; what is decided from now on is the policy's."""
    story = three().until(12).restarts(msgspec.structs.replace(POLICY, segments=(), version="w"))
    story.until(200)
    assert story.lapsed() == {"t": 38.5, "l": 38.5, "p": 38.5}
    assert {(7, 7.0), (60, 60.0), (0, 30.0)} <= story.ages()


def test_a_restart_changes_nothing() -> None:
    """Rows say all of it, in the middle of silences and of moves."""
    whole, parts = three().told("l", 20, "trial"), three().restarts(POLICY).told("l", 20, "trial")
    whole.until(200)
    for day in (21, 30, 66, 200):
        parts.restarts(POLICY).until(day)
    assert parts.alerts == whole.alerts
    assert sorted(map(repr, parts.lessons)) == sorted(map(repr, whole.lessons))


@pytest.mark.parametrize(("visits", "lapses"), [((), 8.5 + 7), ((1.0, 4.0), 8.5 + 7)])
def test_two_ids_of_one_customer_have_the_horizon_of_what_is_known_of_both(
    visits: tuple[float, ...], lapses: float
) -> None:
    """Whichever of them had been told of, and been here."""
    story = Story().told("anon", 0.1, "trial").comes("anon", *OFTEN)
    late = Story().told("anon", 0.1, "trial")
    for day in sorted((*OFTEN, *visits)):
        late.comes("u" if day in visits else "anon", day)
    for one in (story, late):
        one.alias("anon", "u", 10).until(100)
        assert one.lapsed() == {"u": lapses}


def test_of_whom_nothing_is_told_has_the_horizon_of_the_segment_for_that() -> None:
    """From its first event on: also of who is not known well enough to be alerted on."""
    nobody = Segment(name="nobody", where=(Condition(trait="plan", one_of=("",)),), horizon_ms=WEEK)
    policy = msgspec.structs.replace(POLICY, segments=(nobody,), version="n")
    story = Story(policy).comes("x", 0.5).until(40)
    assert {horizon for horizon, _ in story.ages()} == {7}
    ranked = dict(rank(story.detector.customers, story.models, policy, BEGIN + 40 * DAY_MS))
    assert 0 < ranked["x"] < 1


def test_a_segment_with_the_policys_horizon_has_no_model_of_its_own() -> None:
    """The same silence, the same labels: they are learned together."""
    same = msgspec.structs.replace(TRIAL, horizon_ms=POLICY.horizon_ms)
    policy = msgspec.structs.replace(POLICY, segments=(same,))
    assert policy.horizons == {}
    assert policy.dials_by_horizon.keys() == {0}
    assert not Horizons(policy).differ
