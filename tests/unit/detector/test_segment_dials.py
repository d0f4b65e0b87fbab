"""Segments with a dial of their own: which customer counts for which, and is judged by which."""

from dataclasses import dataclass, field

import msgspec

from models.online import OnlineModel
from models.protocol import Lesson, Tally
from models.snapshots import SegmentDial, cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Kind
from stream.detector.customer import Customer
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.policy import Policy
from stream.detector.roster import Roster
from stream.detector.segments import Condition, Segment

TRIALS = Segment(
    name="trials",
    where=(Condition(trait="plan", one_of=("trial",)),),
    false_alarms_per_customer_month=0.2,
)
POLICY = Policy(horizon_ms=20 * DAY_MS, segments=(TRIALS,), version="with")
PLAIN = msgspec.structs.replace(POLICY, segments=(), version="without")
BEGIN = 20_000 * DAY_MS


@dataclass
class Story:
    """A detector with a cold model, and what it said and taught."""

    policy: Policy = POLICY
    trials: float | None = 1.0
    everybody: float | None = None
    customers: Roster = field(default_factory=Roster)
    alerts: list[Alert] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with thresholds that differ."""
        of_trials = SegmentDial(
            threshold=self.trials, false_alarms_set=0.2, false_alarms_expected=None
        )
        snapshot = msgspec.structs.replace(
            cold(20.0, 2.0), threshold=self.everybody, segments={"trials": of_trials}
        )
        self.models = Timeline(OnlineModel(snapshot))
        self.detector = Detector(self.policy, self.models, customers=self.customers)

    def told(self, customer_id: str, day: float, plan: str) -> "Story":
        """Let a customer be told of."""
        return self._take(customer_id, day, "identify", {"plan": plan})

    def comes(self, customer_id: str, *days: float) -> "Story":
        """Let a customer come."""
        for day in days:
            self._take(customer_id, day, "used", None)
        return self

    def _take(
        self, customer_id: str, day: float, name: str, traits: dict[str, str] | None
    ) -> "Story":
        at = BEGIN + round(day * DAY_MS)
        event = UsageEvent(customer_id, name, at, at, traits=traits)
        return self._keep(self.detector.on_events([event]))

    def until(self, day: float) -> "Story":
        """Let time pass."""
        return self._keep(self.detector.on_tick(BEGIN + round(day * DAY_MS) + 10_000))

    def _keep(self, decisions: Decisions) -> "Story":
        self.alerts += decisions.alerts
        self.lessons += decisions.lessons
        return self

    def changed(self, policy: Policy) -> "Story":
        """Let another policy be in force, with all that is known."""
        progress = self.detector.progress
        self.detector.settle()
        self.detector = Detector(
            policy, self.models, customers=self.detector.customers, progress=progress
        )
        return self

    def opened(self) -> list[str]:
        """Name those on whom an episode opened."""
        return [alert.customer_id for alert in self.alerts if alert.kind is Kind.OPENED]

    def tallies(self) -> list[Tally]:
        """Give the days that have ended."""
        return [lesson for lesson in self.lessons if isinstance(lesson, Tally)]

    def days_of_trials(self) -> list[float]:
        """Give the customer-days of each day that count for the segment's dial."""
        return [
            round(tally.segments["trials"].customer_days, 3) if tally.segments else 0.0
            for tally in self.tallies()
        ]


OFTEN = (0.5, 2.5, 4.5, 6.5, 8.5)


def both(story: Story) -> Story:
    """Let a trial and a paying customer come alike, and stay away."""
    story.told("t", 0.1, "trial").told("p", 0.1, "paid")
    for day in OFTEN:
        story.comes("t", day).comes("p", day)
    return story


def test_each_is_judged_by_the_threshold_of_its_segment() -> None:
    """The same silences, and one threshold that opens nothing."""
    assert both(Story()).until(27).opened() == ["t"]
    assert both(Story(trials=None, everybody=1.0)).until(27).opened() == ["p"]


def test_what_a_segment_comes_to_is_part_of_what_everybody_does() -> None:
    """Time, crossings, alerts and false alarms: two alike, so the segment has half of the first."""
    story = both(Story(everybody=1.0)).until(20).comes("t", 20.5).comes("p", 20.5).until(24)
    tallies = [tally for tally in story.tallies() if tally.segments]
    assert sorted(story.opened()) == ["p", "t"]
    for tally in tallies:
        part = tally.segments["trials"]
        assert abs(tally.customer_days - 2 * part.customer_days) < 0.01
        assert tally.crossed == 2 * part.crossed
        assert tally.false_alarms == 2 * part.false_alarms
    parts = [tally.segments["trials"] for tally in tallies]
    assert sum(part.false_alarms for part in parts) == 1
    raised = sum(part.chance_raised for part in parts)
    assert 0 < raised == sum(part.chance_settled for part in parts)
    for cell in {cell for tally in tallies for cell in tally.crossings}:
        everybodys = sum(tally.crossings.get(cell, 0.0) for tally in tallies)
        own = sum(part.crossings.get(cell, 0.0) for part in parts)
        assert abs(everybodys - 2 * own) < 1e-9


def test_a_customer_who_changes_segments_counts_for_the_other_dial_from_then_on() -> None:
    """From the middle of day 10 on, and no longer."""
    story = both(Story()).told("t", 10.5, "paid").until(14)
    assert story.days_of_trials()[9:] == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert story.tallies()[-1].customer_days == 2.0


def test_an_alert_stays_with_the_dial_that_raised_it() -> None:
    """Whoever buys after the alert, and comes back, was a false alarm of the trials."""
    story = both(Story()).until(20)
    assert story.opened() == ["t"]
    story.told("t", 20.2, "paid").comes("t", 20.5).until(24)
    parts = [tally.segments.get("trials") for tally in story.tallies()]
    assert sum(part.false_alarms for part in parts if part) == 1
    raised = sum(part.chance_raised for part in parts if part)
    assert raised == sum(part.chance_settled for part in parts if part) > 0


def test_a_changed_policy_counts_everybody_where_they_belong_by_it() -> None:
    """A dial is given, and taken away; nobody is counted twice, and nobody is lost."""
    story = both(Story(PLAIN)).until(10)
    assert not any(tally.segments for tally in story.tallies())
    customer = story.detector.customers.look("t")
    customer.life = both(Story()).detector.customers.look("t").life  # as if asked for all along
    story.changed(POLICY).until(12)
    assert story.days_of_trials()[-2:] == [1.0, 1.0]
    story.changed(PLAIN).until(14)
    assert story.days_of_trials()[-1] == 0.0
    assert [tally.customer_days for tally in story.tallies()[-4:]] == [2.0] * 4


def test_a_row_from_before_there_were_such_dials_counts_for_the_policys() -> None:
    """Its last fields were not there yet."""
    fields = Customer.__struct_fields__.index("dial")
    known: Customer = both(Story()).detector.customers.look("t")
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(known))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(row[:fields]), type=Customer).dial == ""
    assert known.dial == "trials"
