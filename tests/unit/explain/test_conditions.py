"""Why nothing is said: each condition in a story of its own, beside what the detector does."""

import msgspec
import pytest

from models.online import OnlineModel
from models.protocol import Guarded
from models.snapshots import Snapshot, cold
from models.timeline import Timeline
from stream.detector.alerts import Alert
from stream.detector.customer import Customer
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.detector.outcomes import back_age_ms
from stream.explain.checks import NAMES
from stream.explain.errors import Unexplained
from stream.explain.explanation import Explanation
from stream.explain.replayed import check_visited
from stream.explain.show import show
from stream.explain.weighing import Weighing
from stream.wire.policy_file import parse

START = 1_700_006_400_000  # a Wednesday, 2023-11-15, 00:00 UTC
POLICY = parse("""
[events]
ending = ["cancelled"]
unobserved = ["expired"]
contact = ["called"]
ticket_opened = ["ticket_opened"]
ticket_closed = ["ticket_closed"]

[slipping]
horizon = "30d"

[time]
allowed_lateness = "0s"

[[holiday]]
name = "Works outing"
from = 2023-11-25
to = 2023-11-26

[[segment]]
name = "internal"
where = { plan = "internal" }
eligible = false

[[segment]]
name = "patient"
where = { plan = "patient" }
silent_min = "20d"

[[segment]]
name = "bursty"
where = { plan = "bursty" }
own_gaps_min = 40

[[segment]]
name = "served"
where = { plan = "served" }
ticket = "suppress"
contact_rest = "25d"

[[segment]]
name = "watched closely"
where = { plan = "top" }
silent_max = "5d"
""").policy
DAILY = tuple(float(day) for day in range(8))
WORTH_IT, NEVER = 1.5, None


class Story:
    """One customer's events, what is said, and what is explained of it."""

    def __init__(self, plan: str = "", threshold: float | None = WORTH_IT) -> None:
        """Begin with a customer of a plan, and a dial that opens everything or nothing."""
        days = POLICY.horizon_ms / DAY_MS
        first = cold(days, back_age_ms(POLICY) / DAY_MS)
        self.timeline = Timeline(OnlineModel(msgspec.structs.replace(first, threshold=threshold)))
        self.detector = Detector(POLICY, self.timeline)
        self.said: list[tuple[Customer, Alert]] = []
        self.detector.voice.listener = lambda *said: self.said.append(said)
        if plan:
            self.does("identify", -0.01, traits={"plan": plan})

    def does(self, name: str, *days: float, **more: object) -> "Story":
        """Let something happen to the customer on each of these days."""
        for day in days:
            at = START + round(day * DAY_MS)
            event = UsageEvent("ann", name, at, at, **more)  # type: ignore[arg-type]
            self.detector.on_events([event])
        return self

    def model(self, snapshot: Snapshot) -> "Story":
        """Let another model take over."""
        self.timeline.add(OnlineModel(snapshot))
        return self

    def explained(self, day: float) -> Explanation:
        """Let time pass, and explain where the customer stands."""
        at = START + round(day * DAY_MS)
        self.detector.on_tick(at)
        return Weighing(POLICY, self.timeline).at("ann", self.detector.customers.look("ann"), at)


def unmet(found: Explanation) -> list[str]:
    """Name the conditions that are not met."""
    assert [check.name for check in found.checks] == list(NAMES)
    return [check.name for check in found.checks if not check.met]


@pytest.mark.parametrize(
    ("story", "name", "words"),
    [
        (Story("internal").does("open", *DAILY), "watched", "is in “internal”"),
        (Story().does("open", *DAILY).does("expired", 8), "watched", "observation ended"),
        (Story().does("open", 0, 1), "known", "2 visits, 3 needed"),
        (Story("patient").does("open", *DAILY), "floor", "at least 20 asked"),
        (Story("bursty").does("open", *DAILY), "own_gaps", "at least 40 own gaps of 1.0000"),
        (
            Story("served").does("open", *DAILY).does("ticket_opened", 7.5),
            "rest",
            "a ticket is open since 2023-11-22T12:00:00Z",
        ),
        (
            Story("served").does("open", *DAILY).does("called", 7.5),
            "rest",
            "held back until 2023-12-17T12:00:00Z",
        ),
        (Story(threshold=NEVER).does("open", *DAILY), "worth", "the dial opens none yet"),
        (Story(threshold=90.0).does("open", *DAILY), "worth", "threshold +90.0000"),
    ],
)
def test_what_keeps_an_alert_back_is_named_alone(story: Story, name: str, words: str) -> None:
    """With its number; and nothing was said, as it says."""
    found = story.explained(16)
    assert story.said == []
    assert unmet(found) == [name]
    assert words in found.verdict
    assert found.next_look is not None


def test_a_guard_that_suspends_keeps_everybody_back() -> None:
    """And what falls into it is no silence: little is left of this one."""
    story = Story(threshold=NEVER).does("open", *DAILY)
    first = story.timeline.at(START)
    assert isinstance(first, OnlineModel)
    at = START + round(7.5 * DAY_MS)
    guarded = Guarded(suspended_since=at, changed_at=at, expected=100.0)
    story.model(
        msgspec.structs.replace(
            first.snapshot, version="2", effective_from=at, threshold=WORTH_IT, guarded=guarded
        )
    )
    found = story.explained(16)
    assert (story.said, unmet(found)) == ([], ["guard", "worth"])
    assert found.silence.not_counted == pytest.approx(8.5)
    assert found.silence.judged == pytest.approx(0.5, abs=0.01)


def test_an_open_episode_is_not_opened_again() -> None:
    """It says which it is; and its alert is explained by the state that it was said of."""
    story = Story().does("open", *DAILY)
    found = story.explained(20)
    (customer, alert), *_ = story.said
    assert (alert.kind, unmet(found)) == ("opened", ["free"])
    assert alert.episode_id in found.verdict
    explained = Weighing(POLICY, story.timeline).alert(customer, alert)
    assert unmet(explained) == []
    assert explained.risk == alert.risk


def test_a_ceiling_is_due_whatever_it_is_worth() -> None:
    """On its day; the holiday counts for the risk, and not for the ceiling."""
    story = Story("top", threshold=NEVER).does("open", *DAILY)
    assert unmet(story.explained(13.9)) == ["worth"]
    found = story.explained(14.1)
    (_, alert), *_ = story.said
    assert (alert.kind, alert.time) == ("opened", START + 14 * DAY_MS)
    assert unmet(found) == ["free"]
    assert "an alert due by 5" in {check.name: check.says for check in found.checks}["worth"]
    assert found.silence.not_counted == 2.0
    assert found.silence.judged == pytest.approx(found.silence.lasts - 2.0)


def test_who_lapsed_or_left_is_not_alerted_on_again() -> None:
    """Of who left the risk is 1: it said so itself."""
    lapsed = Story().does("open", *DAILY).explained(60)
    assert unmet(lapsed)[:1] == ["watched"]
    assert "has lapsed" in lapsed.verdict
    assert (lapsed.worth.value, lapsed.left) == (None, False)
    left = Story().does("open", *DAILY).does("cancelled", 9).explained(10)
    assert "said that it left" in left.verdict
    assert (left.risk, left.left, left.next_look) == (1.0, True, None)


def test_a_visit_under_way_counts_as_over() -> None:
    """As in a ranking: today's visit says more than all before it."""
    found = Story().does("open", *DAILY).explained(7.0001)
    assert (found.past.visits, found.past.gaps) == (8, 7)


def test_who_is_not_known_cannot_be_explained() -> None:
    """Nor who only was told of, and never came."""
    story = Story("top")
    story.detector.on_tick(START)
    with pytest.raises(Unexplained, match="no visit of this customer"):
        check_visited("ann", story.detector.customers.look("ann"))
    with pytest.raises(Unexplained, match="no visit of this customer"):
        check_visited("bob", None)


def test_time_that_does_not_count_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The risk is by all the time, and floors and the threshold by the rest: both are printed."""
    show(Story("top", threshold=NEVER).does("open", *DAILY).explained(13))
    printed = capsys.readouterr().out
    assert "of it 2.000000 do not count" in printed
    assert "no weights have been learned yet" in printed
    assert "plan = top" in printed
