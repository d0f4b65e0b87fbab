"""Stories of customers of one kind or another: who is told of, when, and with what to do."""

from collections.abc import Callable

import msgspec
import pytest

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Severity
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.life import Phase
from stream.detector.policy import Policy
from stream.detector.stages import Kind, Trigger
from stream.wire.policy_file import parse

START = 1_700_006_400_000  # a Wednesday, 2023-11-15, 00:00 UTC
POLICY = parse("""
[events]
engagement = ["open"]
warning = ["cancel_page"]
ending = ["cancelled"]
activation = ["project_created"]
contact = ["mail_sent", "called"]
ticket_opened = ["ticket_opened"]
ticket_closed = ["ticket_closed"]
paused = ["paused"]
resumed = ["resumed"]

[slipping]
horizon = "30d"

[time]
allowed_lateness = "0s"

[[segment]]
name = "internal"
where = { mail = "*@example.com" }
eligible = false

[[segment]]
name = "trial"
where = { plan = "trial" }
activate_within = "7d"

[[segment]]
name = "vip"
where = { plan = ["team", "enterprise"], seats = ">= 50" }
ticket = "raise"
silent_max = "5d"
value = { trait = "mrr" }
owner = { trait = "csm" }

[[segment]]
name = "quiet"
where = { plan = "archive" }
silent_min = "20d"

[[segment]]
name = "everybody"
ticket = "suppress"
contact_rest = "10d"
value = 12

[[play]]
name = "thanks"
say = "Thank them, and leave them alone."
phase = ["left"]

[[play]]
name = "call"
say = "Call, and begin with the ticket."
segment = ["vip"]
ticket = true

[[play]]
name = "activation"
say = "Offer to set up the first project together."
phase = ["onboarding"]

[[play]]
name = "digest"
say = "Tell them what is new."
trigger = ["silence"]
kind = ["opened", "escalated"]

[[release]]
name = "Boards"
date = 2023-11-20
new = "lists side by side"

[[release]]
name = "Exports"
date = 2023-11-21
segment = ["vip"]

[[release]]
name = "Timeline"
date = 2024-06-01
""").policy


class Story:
    """One customer's events, and what is said about it."""

    def __init__(self, policy: Policy = POLICY, **traits: str | int | bool) -> None:
        """Begin with a customer of whom these traits are known."""
        days = policy.horizon_ms / DAY_MS
        snapshot = msgspec.structs.replace(cold(days, days / 12), threshold=2.0)
        self.detector = Detector(policy, Timeline(OnlineModel(snapshot)))
        self.said: list[Alert] = []
        self.withheld: dict[str, int] = {}
        if traits:
            self.tells(-0.01, **traits)

    def does(self, name: str, *days: float, **more: object) -> "Story":
        """Let something happen to the customer on each of these days."""
        for day in days:
            at = START + round(day * DAY_MS)
            event = UsageEvent("ann", name, at, at, **more)  # type: ignore[arg-type]
            self._hear(self.detector.on_events([event]))
        return self

    def tells(self, day: float, **traits: str | int | bool | None) -> "Story":
        """Let the customer's traits be told."""
        return self.does("identify", day, traits=traits)

    def comes(self, *days: float) -> "Story":
        """Let the customer come on these days."""
        return self.does("open", *days)

    def until(self, day: float) -> list[Alert]:
        """Let time pass, and give everything said so far."""
        self._hear(self.detector.on_tick(START + round(day * DAY_MS)))
        return self.said

    def _hear(self, decisions: Decisions) -> None:
        self.said += decisions.alerts
        for reason, count in decisions.withheld.items():
            self.withheld[reason] = self.withheld.get(reason, 0) + count


DAILY = tuple(float(day) for day in range(8))


def day_of(alert: Alert) -> float:
    """Give on which day an alert was decided."""
    return (alert.time - START) / DAY_MS


def test_a_trial_that_does_not_get_going_is_told_of_on_the_day() -> None:
    """It comes and looks around, and nothing comes of it: no silence would say so for weeks."""
    opened, *_ = Story(plan="trial").comes(0, 1, 3, 5).until(8)
    assert opened.trigger is Trigger.ONBOARDING
    assert (opened.kind, day_of(opened), opened.segment) == (Kind.OPENED, 7.0, "trial")
    assert opened.phase is Phase.ONBOARDING
    assert (
        opened.reason_1_text
        == "Came first 7.0 days ago, 4 times since then, and has not got going yet."
    )
    assert opened.play_text == "Offer to set up the first project together."
    assert opened.severity is Severity.MEDIUM


def test_a_trial_that_gets_going_late_has_recovered() -> None:
    """What it did is the reason."""
    *_, last = Story(plan="trial").comes(0, 1, 3, 5).does("project_created", 9).until(10)
    assert (last.kind, last.phase) == (Kind.RECOVERED, Phase.ACTIVE)
    assert last.reason_1_text == "Got going: “project_created”."


@pytest.mark.parametrize("traits", [{}, {"plan": "team"}])
def test_nobody_else_stalls(traits: dict[str, str]) -> None:
    """Only a segment that gives a time has one."""
    assert not Story(**traits).comes(0, 1, 3, 5).until(8)


def test_a_trial_that_got_going_in_time_is_not_told_of() -> None:
    """An activation is use as well: its visit counts."""
    story = Story(plan="trial").comes(0, 1).does("project_created", 3, 5)
    assert not story.until(8)
    assert story.detector.customers["ann"].visits == 4


def test_a_trial_may_stall_while_it_is_here() -> None:
    """Looking around on the seventh day is not getting going."""
    days = (7 - 0.01, 7, 7.01)
    (opened,) = Story(plan="trial").comes(0, 1, *days).until(7.5)
    assert (opened.trigger, day_of(opened)) == (Trigger.ONBOARDING, 7.0)


def test_who_becomes_a_customer_is_no_trial_any_more() -> None:
    """A changed trait counts from its moment on."""
    assert not Story(plan="trial").comes(0, 1, 3, 5).tells(6, plan="team").until(8)


def test_a_trait_told_late_does_not_undo_a_later_one() -> None:
    """Two messages may overtake each other."""
    story = Story(plan="trial").comes(0, 1, 3, 5).tells(6, plan="team").comes(6.5)
    story.tells(5.5, plan="trial")
    assert not story.until(8)


def test_nobody_of_our_own_is_told_of() -> None:
    """Not when they are silent, nor when they look at the cancel page, nor when they leave."""
    story = Story(mail="joe@example.com").comes(*DAILY).does("cancel_page", 8)
    assert not story.does("cancelled", 50).until(90)


def test_who_turns_out_to_be_one_of_us_leaves_the_population() -> None:
    """The dial is a rate over those who may be alerted on."""
    story = Story().comes(*DAILY)
    assert story.detector.progress.day.watched == 1
    story.tells(8, mail="joe@example.com")
    assert not story.until(60)
    assert story.detector.progress.day.watched == 0


def test_what_is_open_of_one_of_us_is_taken_back() -> None:
    """Nobody is to act on it, nor to wait for a month until it is over; and it says why."""
    story = Story().comes(*DAILY)
    story.until(20)
    opened, *_, retracted = story.tells(20, mail="joe@example.com").until(60)
    assert (opened.kind, retracted.kind) == (Kind.OPENED, Kind.RETRACTED)
    assert retracted.episode_id == opened.episode_id
    assert (retracted.reason_1, retracted.segment) == ("not_eligible", "internal")
    assert "internal" in retracted.reason_1_text
    day = story.detector.progress.day
    assert day.watched == 0
    lapsed = Story().comes(*DAILY)
    assert lapsed.until(60)[-1].kind is Kind.LAPSED
    assert lapsed.tells(61, mail="joe@example.com").until(70)[-1].kind is Kind.LAPSED


def test_a_ceiling_is_kept_to_the_moment() -> None:
    """Five days, whatever the model makes of them, with numbers, worth and owner."""
    story = Story(plan="enterprise", seats=80, mrr=950.5, csm="dana").comes(0, 4.5, 9)
    assert not story.until(13.9)
    (opened,) = story.until(14.1)
    assert day_of(opened) == 14.0
    assert opened.trigger is Trigger.SILENCE
    assert (opened.segment, opened.value, opened.owner) == ("vip", 950.5, "dana")
    assert opened.play == "digest"


def test_what_is_new_is_what_came_since_the_last_visit() -> None:
    """Of its own segment, the newest first; nothing that is still to come."""
    vip = Story(plan="enterprise", seats=80).comes(0, 1, 2, 3).until(9)[0]
    assert vip.whats_new == "Exports; Boards: lists side by side"
    later = Story(plan="enterprise", seats=80).comes(6, 7, 8, 9).until(15)[0]
    assert not later.whats_new


def test_too_few_seats_are_no_vip() -> None:
    """All conditions have to be met, and text is no number."""
    for seats in (49, "80"):
        story = Story(plan="enterprise", seats=seats).comes(0, 4.5, 9)
        assert not story.until(14.1)


def test_a_floor_keeps_hasty_alerts_back() -> None:
    """The first landmark at or after it speaks."""
    common = Story().comes(*DAILY).until(60)[0]
    quiet = Story(plan="archive").comes(*DAILY).until(60)[0]
    assert day_of(common) - 7 < 20 <= day_of(quiet) - 7


def test_an_open_ticket_raises() -> None:
    """Nobody who waits for an answer is asked to log in."""
    story = Story(plan="enterprise", seats=80).comes(*DAILY).does("ticket_opened", 7.5)
    opened = story.until(13)[0]
    assert opened.severity is Severity.HIGH
    assert (opened.play, opened.reason_2) == ("call", "open_ticket")
    assert opened.reason_2_text == "Has waited for support for 4.5 days."


def test_an_open_ticket_withholds_and_a_closed_one_does_not() -> None:
    """Where the policy says so; that it did is counted."""
    common = day_of(Story().comes(*DAILY).until(60)[0])
    story = Story().comes(*DAILY).does("ticket_opened", 7.5)
    assert not story.until(common + 0.1)
    assert story.withheld == {"ticket": 1}
    story.does("ticket_closed", common + 0.2)
    later = story.until(36)[0]
    assert later.kind is Kind.OPENED
    assert common < day_of(later) < 37


def test_a_ticket_that_nobody_closed_is_forgotten() -> None:
    """A lost message must not silence alerts for ever."""
    story = Story().does("ticket_opened", -31).comes(*DAILY)
    assert [alert.kind for alert in story.until(60)][:1] == [Kind.OPENED]
    assert not story.withheld


def test_a_lapse_is_said_in_any_case() -> None:
    """It is no guess."""
    story = Story().comes(*DAILY).does("ticket_opened", 7.5).does("ticket_opened", 20)
    assert [alert.kind for alert in story.until(60)] == [Kind.LAPSED]


def test_after_a_contact_it_is_quiet_for_a_while() -> None:
    """A second mail before the first was read helps nobody."""
    common = day_of(Story().comes(*DAILY).until(60)[0])
    story = Story().comes(*DAILY).does("mail_sent", common - 0.1)
    assert not story.until(common + 0.1)
    assert story.withheld == {"contacted": 1}
    assert day_of(story.until(60)[0]) >= common + 9.9


def test_a_warning_while_a_ticket_is_open_is_withheld() -> None:
    """Somebody is talking to them already."""
    story = Story().comes(*DAILY).does("ticket_opened", 7.5).does("cancel_page", 7.6)
    assert not story.until(8)
    assert story.withheld == {"ticket": 1}


def test_a_pause_is_no_silence() -> None:
    """Nobody calls a paused customer lapsed, and its pending labels are dropped."""
    story = Story().comes(*DAILY).does("paused", 7.5)
    assert not story.until(90)
    assert story.detector.progress.day.watched == 0
    assert not story.detector.customers["ann"].landmarks


def test_who_pauses_is_not_slipping_any_more() -> None:
    """It said so itself: what is open is taken back."""
    story = Story().comes(*DAILY)
    day = day_of(story.until(60)[0])
    story = Story().comes(*DAILY)
    assert len(story.until(day + 0.1)) == 1
    *_, last = story.does("paused", day + 0.2).until(90)
    assert (last.kind, last.reason_1, last.phase) == (Kind.RETRACTED, "not_watched", Phase.PAUSED)
    assert last.reason_1_text == "Has paused: silence says nothing now."


def test_a_trial_that_stalls_and_is_never_seen_again_has_lapsed() -> None:
    """One visit makes nobody known, and yet it was told of: it is not slipping for ever."""
    opened, lapsed = Story(plan="trial").comes(0).until(90)
    assert (opened.trigger, day_of(opened)) == (Trigger.ONBOARDING, 7.0)
    assert (lapsed.kind, day_of(lapsed)) == (Kind.LAPSED, 37.0)


def test_a_silence_after_a_pause_begins_with_its_end() -> None:
    """Who resumes and does not come is slipping away."""
    common = day_of(Story().comes(*DAILY).until(60)[0]) - 7
    story = Story().comes(*DAILY).does("paused", 7.5).does("resumed", 70)
    assert not story.until(70.1)
    assert story.detector.progress.day.watched == 1
    opened = story.until(140)[0]
    assert opened.kind is Kind.OPENED
    assert day_of(opened) == pytest.approx(70 + common, abs=0.1)


def test_a_visit_ends_a_pause() -> None:
    """However it came to be: who is here is here."""
    story = Story().comes(*DAILY).does("paused", 7.5).comes(40, 41)
    assert story.detector.progress.day.watched == 1
    opened = story.until(90)[0]
    assert (opened.kind, opened.phase) == (Kind.OPENED, Phase.ACTIVE)
    story.does("resumed", 90)
    assert story.detector.customers["ann"].last_at == START + 41 * DAY_MS


def test_who_left_is_thanked() -> None:
    """Nothing else, and no more after it."""
    (left,) = Story(plan="enterprise", seats=80).comes(*DAILY).does("cancelled", 7.5).until(90)
    assert (left.kind, left.trigger, left.phase) == (Kind.LAPSED, Trigger.ENDING, Phase.LEFT)
    assert left.play_text == "Thank them, and leave them alone."


def test_a_trait_taken_back_is_none() -> None:
    """The customer is in the segment of those who never had it."""
    story = Story(plan="trial").comes(0, 1, 3, 5).tells(6, plan=None)
    assert not story.until(8)
    life = story.detector.customers["ann"].life
    assert life is not None
    assert life.traits == {}


def test_only_what_the_policy_asks_for_is_remembered() -> None:
    """A megabyte of traits makes no larger customer."""
    story = Story(plan="trial", **{f"trait {n}": "x" * 100 for n in range(50)}).comes(0)
    assert story.detector.customers["ann"].life.traits == {"plan": "trial"}  # type: ignore[union-attr]
    plain = Story(Policy(allowed_lateness_ms=0), plan="trial").comes(0)
    assert plain.detector.customers["ann"].life is None


def test_a_repeated_message_tells_once() -> None:
    """A ticket opened twice by a retry is one ticket, and one closing is enough."""
    story = Story().comes(*DAILY)
    story.does("ticket_opened", 7.5, message_id="t1").does("ticket_opened", 7.6, message_id="t1")
    story.does("ticket_closed", 8).until(9)
    life = story.detector.customers["ann"].life
    assert life is not None
    assert not life.tickets


def told(*days: float) -> Callable[[Story], Story]:
    """Let somebody's plan change on these days."""
    return lambda story: [story.tells(day, plan=f"p{day}") for day in days][-1]


def test_the_order_of_messages_within_the_lateness_is_no_matter() -> None:
    """What counts is when something was so."""
    patient = msgspec.structs.replace(POLICY, allowed_lateness_ms=DAY_MS)
    stories = [
        order(Story(patient).comes(0, 1, 3, 5)) for order in (told(5.1, 5.2), told(5.2, 5.1))
    ]
    lives = []
    for story in stories:
        story.until(9)
        lives.append(story.detector.customers["ann"].life)
    assert lives[0] == lives[1]
    assert lives[0] is not None
    assert lives[0].traits == {"plan": "p5.2"}
