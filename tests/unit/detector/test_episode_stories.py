"""Stories of single customers, as a subscriber to the alerts would read them."""

from collections.abc import Callable

import msgspec
import pytest

from models.online import OnlineModel
from models.protocol import Tally
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Kind, Severity, Trigger
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.episodes import TRANSITIONS, Sign
from stream.detector.errors import Code
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.policy import Decline, Policy
from stream.detector.stages import Stage

START = 1_700_006_400_000  # a Wednesday, 00:00 UTC
POLICY = Policy(
    horizon_ms=30 * DAY_MS,
    allowed_lateness_ms=0,
    warning=("cancel_page",),
    ending=("cancelled",),
    unobserved=("watch_ended",),
    decline=Decline(enabled=True, visits_min=6, alarm_nats=4.0),
    version="p1",
)


class Story:
    """One customer's events, and what is said about it."""

    def __init__(self, policy: Policy = POLICY, threshold: float | None = 2.0) -> None:
        """Begin with a model that has learned nothing, and a threshold."""
        days = policy.horizon_ms / DAY_MS
        snapshot = msgspec.structs.replace(cold(days, days / 12), threshold=threshold)
        self.detector = Detector(policy, Timeline(OnlineModel(snapshot)))
        self.said: list[Alert] = []
        self.tallies: list[Tally] = []
        self.counts: dict[str, int] = {}

    def does(self, name: str, day: float, received: float | None = None, **more: object) -> "Story":
        """Let the customer do something on a day."""
        at = START + round(day * DAY_MS)
        event = UsageEvent(
            customer_id="ann",
            name=name,
            occurred_at=at,
            received_at=at if received is None else START + round(received * DAY_MS),
            **more,  # type: ignore[arg-type]
        )
        decisions = self.detector.on_events([event])
        self._hear(decisions)
        self.counts = dict(decisions.counts)
        return self

    def comes(self, *days: float) -> "Story":
        """Let the customer come on these days."""
        for day in days:
            self.does("open", day)
        return self

    def until(self, day: float) -> list[Alert]:
        """Let time pass, and give everything said so far."""
        self._hear(self.detector.on_tick(START + round(day * DAY_MS)))
        return self.said

    def _hear(self, decisions: Decisions) -> None:
        self.said += decisions.alerts
        self.tallies += [lesson for lesson in decisions.lessons if isinstance(lesson, Tally)]


def kinds(alerts: list[Alert]) -> list[Kind]:
    """Give the stages said, in order."""
    return [alert.kind for alert in alerts]


def test_a_silence_opens_escalates_and_lapses_in_one_episode() -> None:
    """Three alerts, one episode, and the lapse at the horizon to the millisecond."""
    alerts = Story().comes(0, 2, 4, 6, 8).until(60)
    assert kinds(alerts) == [Kind.OPENED, Kind.ESCALATED, Kind.LAPSED]
    assert len({alert.episode_id for alert in alerts}) == 1
    assert alerts[-1].time == START + 38 * DAY_MS
    assert alerts[-1].silent_for_seconds == 30 * 86_400
    assert [alert.trigger for alert in alerts] == [Trigger.SILENCE] * 3


def test_an_alert_says_the_own_rhythm_and_the_silence() -> None:
    """A marketer can check the sentence against the customer's page."""
    opened = Story().comes(0, 2, 4, 6, 8).until(60)[0]
    assert opened.usual_gap_seconds == 2 * 86_400
    assert opened.reason_1 == "silence"
    assert opened.silent_for_seconds // 86_400 == 12
    assert opened.reason_1_text == "Usually back every 2.0 days, silent for 12 days."
    assert opened.model_version == "cold"
    assert opened.policy_version == "p1"
    assert opened.expected_by is not None
    assert START + 8 * DAY_MS < opened.expected_by < START + 38 * DAY_MS


def test_coming_back_recovers() -> None:
    """A win-back mail after the customer is back is an embarrassment."""
    alerts = Story().comes(0, 2, 4, 6, 8, 24).until(24.1)
    assert kinds(alerts)[-1] is Kind.RECOVERED
    assert alerts[-1].time == START + 24 * DAY_MS
    assert alerts[-1].reason_1_text == "Back after 16 days of silence."


def test_a_customer_may_slip_again_in_a_new_episode() -> None:
    """Recovery ends the episode; the next silence is another one."""
    alerts = Story().comes(0, 2, 4, 6, 8, 24).until(60)
    opened = [alert for alert in alerts if alert.kind is Kind.OPENED]
    assert len({alert.episode_id for alert in opened}) == len(opened) == 2


def test_a_lapsed_customer_who_comes_back_is_won_back() -> None:
    """Lapsed is not dead."""
    alerts = Story().comes(0, 2, 4, 6, 8, 50).until(50.1)
    assert kinds(alerts)[-2:] == [Kind.LAPSED, Kind.RECOVERED]


def test_new_customers_are_not_alerted_on() -> None:
    """Two visits make no rhythm."""
    assert Story().comes(0, 2).until(60) == []


def test_before_the_dial_has_a_record_only_lapses_are_named() -> None:
    """A threshold nobody has measured would be a guess at everybody's cost."""
    assert kinds(Story(threshold=None).comes(0, 2, 4, 6, 8).until(60)) == [Kind.LAPSED]


def test_a_late_visit_retracts_what_it_disproves() -> None:
    """The silence never was: whoever acted on the alert has to hear it."""
    story = Story().comes(0, 2, 4, 6, 8)
    opened = story.until(30)[0]
    day = (opened.time - START) / DAY_MS - 0.5
    story.does("open", day, received=30)
    assert story.counts == {"late": 1}
    assert kinds(story.said)[-1] is Kind.RETRACTED
    assert story.said[-1].episode_id == opened.episode_id


@pytest.mark.parametrize("together", [True, False])
def test_several_late_events_are_one_visit(together: bool) -> None:  # noqa: FBT001
    """A phone that was offline sends a visit's events one by one; its rhythm has not changed."""
    story = Story().comes(0, 2, 4, 6, 8)
    story.until(20)
    events = [
        UsageEvent("ann", "open", START + 12 * DAY_MS + minute * MINUTE_MS, START + 20 * DAY_MS)
        for minute in (0, 20, 45)
    ]
    for batch in [events] if together else [[event] for event in events]:
        story.detector.on_events(batch)
    ann = story.detector.customers["ann"]
    assert (ann.visits, ann.rhythm.gaps, ann.last_at) == (6, 5, events[-1].occurred_at)
    assert (ann.volume, ann.volume_total) == (3, 8)


def test_a_late_event_of_the_last_visit_is_part_of_it() -> None:
    """Its others were in time; the silence began later than was thought, and that is all."""
    story = Story().comes(0, 2, 4, 6, 8)
    opened = story.until(30)[0]
    story.does("open", 8 + 10 / (24 * 60), received=30)
    ann = story.detector.customers["ann"]
    assert (ann.visits, ann.rhythm.gaps, ann.last_at - START) == (5, 4, 8 * DAY_MS + 10 * MINUTE_MS)
    assert (story.said[-1].kind, story.said[-1].episode_id) == (Kind.RETRACTED, opened.episode_id)


def test_a_late_visit_from_before_the_last_one_changes_nothing() -> None:
    """An old mail in the post does not make the customer active."""
    story = Story().comes(0, 2, 4, 6, 8)
    before = kinds(story.until(30))
    story.does("open", 7, received=30)
    assert kinds(story.until(30)) == before


def test_a_warning_speaks_at_once_and_wears_off() -> None:
    """The cancel page needs no silence; three further visits answer it."""
    story = Story().comes(0, 2, 4, 6).does("cancel_page", 8)
    opened = story.until(8.01)[-1]
    assert (opened.kind, opened.trigger) == (Kind.OPENED, Trigger.WARNING)
    assert opened.time == START + 8 * DAY_MS
    assert opened.reason_1_text == "Did “cancel_page”."
    assert opened.severity is not Severity.LOW
    closed = story.comes(9, 10, 11).until(11.01)[-1]
    assert (closed.kind, closed.trigger) == (Kind.RECOVERED, Trigger.WARNING)


@pytest.mark.parametrize(
    ("story", "warned", "lapses"),
    [
        (Story().does("cancel_page", 1), 1, 31),  # a first look, and the last
        (Story().does("cancel_page", 1, volume=0.0), 1, 31),  # a mail bounced; it never came
        (Story().comes(0, 1).does("cancel_page", 70, volume=0.0), 70, 100),  # gone long before
        (Story().comes(0, 2, 4, 6).does("cancel_page", 8), 8, 38),  # known, and counted
    ],
)
def test_whoever_was_warned_of_and_never_comes_has_lapsed(
    story: Story, warned: float, lapses: float
) -> None:
    """Nobody counts the new ones, and yet they were told of: they are not slipping for ever."""
    said = [
        (alert.kind, (alert.time - START) / DAY_MS)
        for alert in story.until(300)
        if alert.time >= START + warned * DAY_MS and alert.kind is not Kind.ESCALATED
    ]
    assert said == [(Kind.OPENED, warned), (Kind.LAPSED, pytest.approx(lapses, abs=0.001))]
    assert story.said[-1].silent_for_seconds <= 100 * 86_400
    assert story.comes(310).until(310.1)[-1].kind is Kind.RECOVERED


def test_an_ending_lapses_and_nothing_follows() -> None:
    """Who left gets thanks, not a countdown."""
    alerts = Story().comes(0, 2, 4, 6).does("cancelled", 7).until(90)
    assert kinds(alerts) == [Kind.LAPSED]
    assert alerts[0].trigger is Trigger.ENDING
    assert alerts[0].risk == 1.0
    assert alerts[0].reason_1_text == "Left: “cancelled”."


def test_an_ending_of_a_stranger_is_said_without_nonsense() -> None:
    """No visit was ever seen: no gap, no silence of fifty years."""
    alert = Story().does("cancelled", 7).until(90)[0]
    assert alert.usual_gap_seconds is None
    assert alert.silent_for_seconds < 86_400


@pytest.mark.parametrize(
    ("ends", "days", "false_alarms"),
    [
        (29.0, 25.0, 1),  # eligible for 25 days, the last horizon and more not yet over
        (45.0, 30.0, 1),  # watched for a horizon, and so was the false alarm of day 20
        (55.0, 29.0, 0),  # gone silent on day 54; what was false lies further back
        (70.0, 14.0, 0),  # lapsed on day 54: nothing was watched since
    ],
)
def test_what_lies_before_the_end_of_observation_is_withdrawn(
    ends: float, days: float, false_alarms: int
) -> None:
    """Nobody will know what became of an alert in the last horizon: it cannot count."""
    story = Story().comes(0, 2, 4, 6, 8, 24)
    story.does("watch_ended", ends).until(ends + 2)
    assert sum(tally.withdrawn_days for tally in story.tallies) == pytest.approx(days)
    assert sum(tally.withdrawn_false_alarms for tally in story.tallies) == false_alarms
    story.does("watch_ended", ends + 3).until(ends + 5)
    assert sum(tally.withdrawn_days for tally in story.tallies) == pytest.approx(days)


@pytest.mark.parametrize(
    ("goes_on", "false_alarms", "raised"),
    [
        (lambda story: story.comes(29), 1, True),
        (lambda story: story, 0, True),  # lapses
        (lambda story: story.does("cancelled", 29), 0, True),
        (lambda story: story.does("cancel_page", 29), 1, True),
        (lambda story: story.does("watch_ended", 29), 0, False),
    ],
    ids=["back", "lapsed", "left", "warned", "unobserved"],
)
def test_an_alerts_chance_to_be_false_is_settled_or_taken_back(
    goes_on: Callable[[Story], Story], false_alarms: int, *, raised: bool
) -> None:
    """Expected from the first alert on; in the end nothing is left to be expected."""
    story = Story().comes(0, 2, 4, 6, 8)
    story.until(28)
    expected = sum(tally.chance_raised for tally in story.tallies)
    assert 0 < expected < 1
    # The silence going on settles a part: less than all of it, more than nothing.
    assert 0 < sum(tally.chance_settled for tally in story.tallies) < expected
    goes_on(story).until(40)
    settled = sum(tally.chance_settled for tally in story.tallies)
    assert sum(tally.false_alarms for tally in story.tallies) == false_alarms
    assert sum(tally.chance_raised for tally in story.tallies) == pytest.approx(settled)
    assert (settled == pytest.approx(expected)) == raised


def test_silence_after_the_end_of_observation_means_nothing() -> None:
    """A course that is over is not left."""
    assert Story().comes(0, 2, 4, 6).does("watch_ended", 6.5).until(90) == []


def test_what_is_open_is_taken_back_where_observation_ends() -> None:
    """Nothing will come of it, so nobody is to write; who comes back slips away anew."""
    story = Story().comes(0, 2, 4, 6, 8)
    assert kinds(story.until(25)) == [Kind.OPENED]
    *_, last = story.does("watch_ended", 25).until(90)
    assert (last.kind, last.reason_1) == (Kind.RETRACTED, "not_watched")
    assert last.reason_1_text == "Is not watched any longer: silence says nothing now."
    assert kinds(story.comes(100, 102).until(120))[2:] == [Kind.OPENED]
    assert len({alert.episode_id for alert in story.said}) == 2
    gone = Story().comes(0, 2, 4, 6, 8)
    assert kinds(gone.until(60)) == kinds(gone.does("watch_ended", 61).until(90))


def test_a_decline_opens_while_the_customer_still_comes() -> None:
    """Every second day, then every eighth: nobody is silent, and yet."""
    policy = msgspec.structs.replace(POLICY, horizon_ms=60 * DAY_MS)
    often = [2.0 * i for i in range(20)]
    rarely = [40 + 8.0 * i for i in range(12)]
    story = Story(policy, threshold=None).comes(*often, *rarely)
    opened = story.until(130)[0]
    assert (opened.kind, opened.trigger) == (Kind.OPENED, Trigger.DECLINE)
    assert opened.drop_ratio is not None
    assert opened.drop_ratio < 0.7


def test_a_decline_that_ends_recovers() -> None:
    """Back to the old rhythm for a while: the episode closes."""
    policy = msgspec.structs.replace(POLICY, horizon_ms=60 * DAY_MS)
    often = [2.0 * i for i in range(20)]
    rarely = [40 + 8.0 * i for i in range(12)]
    again = [129 + 1.0 * i for i in range(20)]
    alerts = Story(policy, threshold=None).comes(*often, *rarely, *again).until(149)
    assert kinds(alerts) == [Kind.OPENED, Kind.RECOVERED]
    assert alerts[-1].trigger is Trigger.DECLINE


def test_an_event_ahead_of_its_broker_is_refused() -> None:
    """A clock in 2099 must not lapse everybody."""
    story = Story().comes(0, 2, 4)
    decisions = story.detector.on_events(
        [UsageEvent("bob", "open", START + 27_000 * DAY_MS, START + 4 * DAY_MS)]
    )
    assert [bad.code for _, bad in decisions.refused] == [Code.FUTURE]
    assert kinds(story.until(5)) == []


def test_nothing_is_judged_before_the_lateness_has_passed() -> None:
    """Stragglers get their chance."""
    policy = msgspec.structs.replace(POLICY, allowed_lateness_ms=6 * HOUR_MS)
    story = Story(policy).comes(0, 2, 4, 6, 8)
    when = Story().comes(0, 2, 4, 6, 8).until(60)[0].time
    day = (when - START) / DAY_MS
    assert story.until(day + 0.2) == []
    assert story.until(day + 0.26)[0].time == when


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("sign", list(Sign))
def test_the_transition_table_reaches_only_known_stages(stage: Stage, sign: Sign) -> None:
    """What is not in the table changes nothing; what is, says its own stage's alert."""
    change = TRANSITIONS.get((stage, sign))
    if change is None:
        return
    reached, kind = change
    expected = {
        Stage.SLIPPING: {Kind.OPENED},
        Stage.ESCALATED: {Kind.ESCALATED},
        Stage.LAPSED: {Kind.LAPSED},
        Stage.STEADY: {Kind.RECOVERED, Kind.RETRACTED},
    }
    assert kind in expected[reached]


def test_nobody_is_alerted_on_before_the_own_gaps_the_policy_asks_for() -> None:
    """An alert hours after a visit looks hasty, whatever it is worth."""
    eager = Story(threshold=-3.0).comes(0, 6, 12, 18).until(60)[0]
    policy = msgspec.structs.replace(POLICY, own_gaps_min=1.0)
    patient = Story(policy, threshold=-3.0).comes(0, 6, 12, 18).until(60)[0]
    assert eager.silent_for_seconds < 6 * 86_400 <= patient.silent_for_seconds
    assert patient.kind is Kind.OPENED
