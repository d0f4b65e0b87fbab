"""Stories of customers who go by more than one id, as one partition tells them."""

from copy import deepcopy

import msgspec
import pytest

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.customer import Customer
from stream.detector.detector import Detector
from stream.detector.errors import Code
from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.identity import (
    HOPS_MAX,
    JOINED_A_DAY_MAX,
    MOVES,
    Handover,
    alias_event,
    fault,
)
from stream.detector.life import TICKETS_MAX, Life
from stream.detector.policy import Identity, Policy
from stream.detector.segments import Condition, Segment

START = 1_700_006_400_000  # a Wednesday, 00:00 UTC
POLICY = Policy(
    horizon_ms=30 * DAY_MS,
    allowed_lateness_ms=0,
    warning=("cancel_page",),
    ending=("cancelled",),
    version="p1",
)


class Story:
    """Some ids' events, and what is said about them."""

    def __init__(self, policy: Policy = POLICY, *, alone: bool = True) -> None:
        """Begin with a model that has learned nothing, and a low threshold."""
        days = policy.horizon_ms / DAY_MS
        snapshot = msgspec.structs.replace(cold(days, days / 12), threshold=2.0)
        self.detector = Detector(policy, Timeline(OnlineModel(snapshot)), alone=alone)
        self.alerts: list[Alert] = []
        self.aliases: list[str] = []

    def comes(self, who: str, *days: float, name: str = "open") -> "Story":
        """Let somebody come on these days."""
        for day in days:
            at = START + round(day * DAY_MS)
            self._tell(UsageEvent(who, name, at, at))
        return self

    def tells(self, who: str, day: float, **traits: str | int) -> "Story":
        """Let somebody tell these traits on a day."""
        at = START + round(day * DAY_MS)
        return self._tell(UsageEvent(who, "identify", at, at, volume=0.0, traits=traits))

    def is_called(self, old: str, new: str, day: float) -> "Story":
        """Let an alias join two ids on a day."""
        at = START + round(day * DAY_MS)
        return self._tell(alias_event(old, new, at, at))

    def until(self, day: float) -> "Story":
        """Let time pass."""
        decisions = self.detector.on_tick(START + round(day * DAY_MS))
        self.alerts += decisions.alerts
        self.aliases += decisions.aliases
        return self

    def of(self, who: str) -> Customer:
        """Give what is known of an id."""
        return self.detector.customers[who]

    def said(self, who: str) -> list[Kind]:
        """Give the kinds of alerts on an id."""
        return [alert.kind for alert in self.alerts if alert.customer_id == who]

    def _tell(self, event: UsageEvent) -> "Story":
        decisions = self.detector.on_events([event])
        self.alerts += decisions.alerts
        self.aliases += decisions.aliases
        return self


def test_who_signs_in_is_one_customer_with_one_rhythm() -> None:
    """The new id has the whole history, and the old one is an address that says nothing more."""
    story = Story().comes("anon", *range(8)).is_called("anon", "u", 8).comes("u", 9, 10)
    story.until(25)
    assert (story.of("u").visits, story.of("u").first_at) == (10, START)
    assert story.of("u").rhythm.gaps == 9
    assert story.of("u").rhythm.log_mean == pytest.approx(0, abs=0.6)
    assert story.of("anon").identity.moved_to == "u"  # type: ignore[union-attr]
    assert story.of("anon").visits == 0
    assert story.said("anon") == []
    assert story.said("u")[0] is Kind.OPENED
    assert story.aliases == ["merged"]


def test_it_is_told_as_one_id_would_have_been() -> None:
    """Where the one begins when the other ends, nothing at all is lost."""
    both = Story().comes("anon", *range(8)).is_called("anon", "u", 7.5).comes("u", 8, 9, 10)
    one = Story().comes("u", *range(11))
    both.until(80)
    one.until(80)
    hidden = {"identity": None, "touched": False, "frontier": 0, "landmarks": []}
    known = [msgspec.structs.replace(story.of("u"), **hidden) for story in (both, one)]
    assert known[0] == known[1]
    assert [msgspec.structs.replace(a, customer_id="u") for a in both.alerts] == one.alerts


def test_what_was_said_of_the_old_id_is_taken_back() -> None:
    """It does not slip for ever, nor lapse, and the alert says who it is."""
    story = Story().comes("anon", *range(8)).until(20).is_called("anon", "u", 20).until(90)
    assert story.said("anon") == [Kind.OPENED, Kind.ESCALATED, Kind.RETRACTED]
    (taken_back,) = [alert for alert in story.alerts if alert.kind is Kind.RETRACTED]
    assert taken_back.reason_1 == "same_customer"
    assert "“u”" in taken_back.reason_1_text


def test_a_visit_under_the_old_id_ends_the_silence_of_the_new_one() -> None:
    """Who was thought to slip away was here all along, not signed in."""
    story = Story().comes("u", *range(8)).until(20).comes("anon", 21)
    story.is_called("anon", "u", 21.01).until(22)
    assert story.said("u") == [Kind.OPENED, Kind.ESCALATED, Kind.RECOVERED]
    assert story.of("u").visits == 9
    assert story.of("u").last_at == START + 21 * DAY_MS


def test_a_visit_begun_before_signing_in_is_one_visit() -> None:
    """Browsing, signing in and going on is not two visits."""
    minute = MINUTE_MS / DAY_MS
    story = Story().comes("u", 0, 1, 2).comes("anon", 3).is_called("anon", "u", 3 + minute)
    story.comes("u", 3 + 2 * minute).until(3.5)
    assert story.of("u").visits == 4
    assert story.of("u").visit_at == START + 3 * DAY_MS
    assert story.of("u").rhythm.gaps == 3


def test_two_ids_side_by_side_come_at_the_sum_of_their_rates() -> None:
    """Every other day at the desk and on the telephone is every day."""
    story = Story()
    for day in range(0, 20, 2):
        story.comes("desk", day).comes("phone", day + 1)
    story.is_called("phone", "desk", 19.5).until(20)
    usual = story.of("desk")
    assert usual.visits == 20
    assert usual.span_days / usual.rhythm.gaps == pytest.approx(1)
    one = Story().comes("u", *range(20)).until(20).of("u")
    assert usual.rhythm.log_mean == pytest.approx(one.rhythm.log_mean, abs=0.3)


def test_events_under_the_old_id_follow_until_the_address_expires() -> None:
    """A horizon after its last use the row is gone, and the id is free."""
    story = Story().comes("anon", 0, 1).is_called("anon", "u", 2).comes("anon", 3, 4)
    story.until(5)
    assert story.of("u").visits == 4
    story.until(40)
    assert "anon" not in story.detector.customers.entries
    story.comes("anon", 41).until(42)
    assert story.of("anon").visits == 1


def test_an_alias_before_any_event_only_leaves_an_address() -> None:
    """Nothing is known of either id yet; what comes under the old one is the new one's."""
    story = Story().is_called("anon", "u", 0).comes("anon", 1).comes("u", 2).until(3)
    assert story.of("u").visits == 2
    assert story.aliases == ["unknown"]


def test_ids_of_which_only_aliases_spoke_are_forgotten() -> None:
    """State does not grow by what nobody ever uses."""
    story = Story().is_called("anon", "u", 0).until(60)
    assert list(story.detector.customers) == []


def test_an_alias_that_comes_late_is_still_one() -> None:
    """What was decided in between stands; from now on they are one customer."""
    story = Story().comes("anon", *range(8)).comes("u", *range(8, 12)).until(13)
    story.is_called("anon", "u", 8).until(14)
    assert story.of("u").visits == 12
    assert story.of("u").first_at == START
    assert story.of("u").identity.waits == []  # type: ignore[union-attr]


def test_said_again_it_changes_nothing() -> None:
    """Senders repeat it with every message."""
    story = Story().comes("anon", 0, 1).is_called("anon", "u", 2).until(3)
    before = story.of("u").visits
    story.is_called("anon", "u", 4).is_called("anon", "u", 4).until(5)
    assert story.of("u").visits == before
    assert story.aliases[1:] == ["repeated", "repeated"]


def test_who_has_moved_stays_with_whom_it_moved_to() -> None:
    """Two people at one device are not one customer for having used it."""
    story = Story().comes("device", 0, 1).comes("ben", 0, 1, 2)
    story.is_called("device", "ann", 2).is_called("device", "ben", 3).until(4)
    assert (story.of("ann").visits, story.of("ben").visits) == (2, 3)
    assert sorted(story.aliases) == ["kept", "merged"]


def test_a_circle_is_refused_and_its_last_id_stays_as_it_is() -> None:
    """Over however many ids it leads back."""
    story = Story().comes("a", 0, 1).comes("b", 0.2, 1.2).comes("c", 0.4, 1.4)
    story.is_called("a", "b", 2).is_called("b", "c", 3).is_called("c", "a", 4).until(5)
    assert story.aliases == ["merged", "merged", Code.ALIAS_CYCLE.value]
    assert story.of("c").visits == 6
    story.comes("a", 6).until(7)
    assert story.of("c").visits == 7


def test_a_chain_has_an_end() -> None:
    """So many aliases in a row are followed, and the next one is refused."""
    story = Story().comes("id0", 0, 1)
    for number in range(HOPS_MAX + 1):
        story.is_called(f"id{number}", f"id{number + 1}", 2 + number)
    story.until(12)
    assert story.aliases == ["merged"] * HOPS_MAX + [Code.ALIAS_CHAIN.value]
    assert story.of(f"id{HOPS_MAX}").visits == 2
    story.comes("id0", 13).until(14)
    assert story.of(f"id{HOPS_MAX}").visits == 3


def test_a_storm_is_refused_and_loses_nothing() -> None:
    """An id that everybody has is nobody; the next day it may be one again."""
    story = Story()
    ids = [f"anon{number}" for number in range(JOINED_A_DAY_MAX + 2)]
    for number, who in enumerate(ids):
        story.comes(who, number / 20)
    for number, who in enumerate(ids):
        story.is_called(who, "everybody", 6 + number / 1_000)
    story.until(6.5)
    assert story.aliases.count("merged") == JOINED_A_DAY_MAX
    assert story.aliases.count(Code.ALIAS_STORM.value) == 2
    assert story.of(ids[-1]).visits == 1
    assert story.of("everybody").visits + 2 == len(ids)
    story.is_called(ids[-1], "everybody", 7).until(7.5)
    assert story.aliases[-1] == "merged"


def test_an_alias_to_itself_says_nothing() -> None:
    """Not even an address comes of it."""
    story = Story().comes("u", 0).is_called("u", "u", 1).until(2)
    assert story.of("u").identity is None
    assert story.aliases == []


def test_nothing_is_merged_where_the_policy_says_so() -> None:
    """Each id stays its own."""
    apart = msgspec.structs.replace(POLICY, identity=Identity(merge=False))
    story = Story(apart).comes("anon", 0, 1).is_called("anon", "u", 2).comes("u", 3).until(4)
    assert (story.of("anon").visits, story.of("u").visits) == (2, 1)
    assert story.aliases == []


def test_who_cancelled_under_the_old_id_has_left() -> None:
    """The new id was never seen: there is nobody who could slip away."""
    story = Story().comes("old", *range(6)).comes("old", 6, name="cancelled")
    story.is_called("old", "new", 7).until(60)
    assert story.of("new").ended
    assert story.said("new") == []
    assert [a.trigger for a in story.alerts if a.kind is Kind.LAPSED] == [Trigger.ENDING]


LIVES = msgspec.structs.replace(
    POLICY,
    paused=("pause",),
    activation=("go",),
    ticket_opened=("ask",),
    contact=("call",),
    segments=(
        Segment(name="ours", where=(Condition(trait="plan", one_of=("own",)),), eligible=False),
        Segment(
            name="trial",
            where=(Condition(trait="plan", one_of=("trial",)),),
            activate_within_ms=9 * DAY_MS,
        ),
    ),
)


def test_what_was_told_of_both_is_put_together() -> None:
    """The later trait counts, who got going has, tickets of both are open."""
    story = Story(LIVES).comes("u", 0, 1).comes("anon", 1, 2)
    story.comes("u", 2, name="ask").tells("u", 2, plan="own", mail="x")
    story.comes("anon", 2.5, name="go").comes("anon", 3, name="ask").comes("u", 3, name="go")
    story.comes("u", 4, name="ask").tells("anon", 4, plan="trial", seats=3)
    story.comes("anon", 5, name="call").until(6)
    assert not story.of("u").counted
    story.is_called("anon", "u", 6).until(7)
    days = [START + day * DAY_MS for day in (0, 2, 3, 4, 5)]
    assert story.of("u").life == Life(
        traits={"plan": "trial"},
        traits_at=days[3],
        activated_at=START + round(2.5 * DAY_MS),
        tickets=days[1:4],
        contacted_at=days[4],
    )
    assert story.of("u").counted  # was ours, and is a trial
    assert story.of("anon").life is None
    story.tells("b", 7, plan="own").is_called("b", "u", 8).until(9)
    assert not story.of("u").counted


def test_tickets_of_both_are_bounded() -> None:
    """The latest count, as of one id."""
    story = Story(LIVES).comes("u", *range(6), name="ask").comes("a", *range(6, 12), name="ask")
    story.is_called("a", "u", 12).until(13)
    life = story.of("u").life
    assert life is not None
    assert life.tickets == [START + day * DAY_MS for day in range(12)][-TICKETS_MAX:]


@pytest.mark.parametrize("known", [False, True])
def test_a_pause_goes_with_the_visits_it_follows(known: bool) -> None:  # noqa: FBT001
    """Who has been here under the new id, too, is paused if that one is."""
    story = Story(LIVES).comes("a", 0, 1, 2).comes("a", 3, name="pause")
    story.comes("u", *([1, 2] if known else [])).is_called("a", "u", 4).until(5)
    life = story.of("u").life
    assert life is not None
    assert life.paused is not known
    assert story.of("u").observed is known


def test_who_got_going_under_another_id_has_not_stalled() -> None:
    """The episode of the id that goes on ends with the alias, and says why."""
    story = Story(LIVES).comes("anon", 0, 1).comes("anon", 2, name="go")
    story.comes("u", 2).tells("u", 2.5, plan="trial").comes("u", 10).until(11.9)
    assert [a.trigger for a in story.alerts if a.customer_id == "u"] == [Trigger.ONBOARDING]
    story.is_called("anon", "u", 12).until(13)
    last = [alert for alert in story.alerts if alert.customer_id == "u"][-1]
    assert last.kind is Kind.RECOVERED
    assert (last.reason_1, last.reason_1_text) == (
        "activated",
        "Got going: it had, under another id.",
    )


def test_an_erasure_is_of_one_id() -> None:
    """The address is dropped, and what was joined stays with the id that goes on."""
    story = Story().comes("anon", *range(8)).is_called("anon", "u", 8).until(9)
    story.detector.erase("anon")
    assert "anon" not in story.detector.customers.entries
    assert story.of("u").visits == 8
    story.comes("anon", 8.5, 10).until(11)
    assert (story.of("anon").visits, story.of("anon").identity) == (1, None)
    story.detector.erase("u")
    assert list(story.detector.customers) == ["anon"]


@pytest.mark.parametrize("gone", ["anon", "u"])
def test_an_alias_brings_nobody_back_who_was_erased(gone: str) -> None:
    """What comes late of it is answered, so that nobody waits, and brings nothing."""
    story = Story().comes("anon", *range(4)).comes("u", 5, 6, 7)
    story.detector.erase(gone)
    story.is_called("anon", "u", 6.5).until(9)
    left = {"anon": "u", "u": "anon"}[gone]
    assert gone not in story.detector.customers.entries
    if left == "u":
        assert (story.of("u").visits, story.of("u").identity.waits) == (3, [])  # type: ignore[union-attr]
        assert story.aliases == ["unknown"]


def test_a_state_on_its_way_to_who_was_erased_is_dropped() -> None:
    """It was the erased customer's from the alias on."""
    old = Story(alone=False).comes("anon", *range(8))
    at = START + 8 * DAY_MS
    old.detector.on_events([UsageEvent("anon", MOVES, at, at, account_id="u")])
    (handed,) = old.detector.on_tick(at + 1).sent
    assert isinstance(handed, Handover)
    new = Story(alone=False).comes("u", 7).is_called("anon", "u", 8).comes("u", 9)
    new.detector.erase("u")
    new.detector.on_handover(handed)
    assert new.until(12).detector.customers.entries == {}


def test_a_customer_stands_still_until_the_other_partition_has_answered() -> None:
    """What is due after the alias is decided once the state is here, as if it had been."""
    apart = Story(alone=False).comes("u", *range(8)).is_called("anon", "u", 8).until(90)
    assert apart.said("u") == []
    at = START + 8 * DAY_MS
    nothing = Handover(previous_id="anon", customer_id="u", at=at)
    apart.alerts += apart.detector.on_handover(nothing).alerts
    alone = Story().comes("u", *range(8)).until(90)
    assert [alert.alert_id for alert in apart.alerts] == [alert.alert_id for alert in alone.alerts]
    assert apart.said("u")[-1] is Kind.LAPSED


def test_a_state_that_comes_again_is_not_joined_again() -> None:
    """Whoever reads the usage topic anew finds the answers of the first time in it."""
    at = START + 8 * DAY_MS
    old = Story(alone=False).comes("anon", *range(8))
    old.detector.on_events([UsageEvent("anon", MOVES, at, at, account_id="u")])
    (handed,) = old.detector.on_tick(at + 1).sent
    assert isinstance(handed, Handover)
    new = Story(alone=False).is_called("anon", "u", 8).comes("u", 9)
    for _ in range(2):
        new.detector.on_handover(msgspec.structs.replace(handed, state=deepcopy(handed.state)))
    assert new.until(10).of("u").visits == 9


def test_raw_aliases_ask_the_old_id_in_its_own_partition() -> None:
    """Whoever reads the message has the new id; the old one may live elsewhere."""
    story = Story(alone=False)
    at = START + HOUR_MS
    sent = story.detector.on_events([alias_event("anon", "u", at, at)]).sent
    assert sent == [UsageEvent("anon", MOVES, at, at, account_id="u")]


@pytest.mark.parametrize("code", [Code.ALIAS_CYCLE, Code.ALIAS_CHAIN, Code.ALIAS_STORM])
def test_a_refusal_says_whose_fault_it_is(code: Code) -> None:
    """An answer that refuses nothing is no fault."""
    answer = Handover(previous_id="anon\n", customer_id="u", at=START)
    assert fault(answer) is None
    bad = fault(msgspec.structs.replace(answer, refused=code.value))
    assert bad is not None
    assert bad.code is code
    assert "'anon\\n'" in bad.message
