"""What comes of a warning, told a horizon later; and what is told of the next one."""

import msgspec
import pytest
from test_episode_stories import POLICY, START, Story

from models.online import OnlineModel
from models.protocol import Example, Lesson
from models.snapshots import Snapshot, cold
from models.timeline import Timeline
from models.warned import WARNED, WarningFound, thaw
from stream.detector.alerts import Alert, Severity
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.detector.segments import Condition, Segment
from stream.detector.warned import PENDING_MAX

H = 30
"""Days of the horizon."""


class Warned(Story):
    """A customer who warns, and what is taught of it."""

    def __init__(self, policy: Policy = POLICY, model: Snapshot | None = None) -> None:
        """Begin; `model` answers in place of one that has learned nothing."""
        super().__init__(policy)
        if model is not None:
            self.detector = Detector(policy, Timeline(OnlineModel(model)))
        self.lessons: list[Lesson] = []

    def _hear(self, decisions: Decisions) -> None:
        super()._hear(decisions)
        self.lessons += decisions.lessons

    def outcomes(self, day: float) -> list[tuple[str, int]]:
        """Let time pass; give the event and the label of every outcome, by then."""
        self.until(day)
        return [(thaw(one.inputs)[0], one.labels[0]) for one in self.examples]

    @property
    def examples(self) -> list[Example]:
        """Give what is learned from warnings."""
        found = (one for one in self.lessons if isinstance(one, Example))
        return [one for one in found if one.target == WARNED]


def test_who_is_not_seen_again_left() -> None:
    """Known on the day on which the horizon ends, and not before."""
    story = Warned().comes(0, 2, 4).does("cancel_page", 4.01)
    assert story.outcomes(34.0) == []
    assert story.outcomes(35.01) == [("cancel_page", 1)]
    (example,) = story.examples
    assert example.landmark_at == START + round(4.01 * DAY_MS)
    assert example.at == example.landmark_at + H * DAY_MS
    assert 0 < thaw(example.inputs)[1] < 0.3


def test_who_comes_again_stayed() -> None:
    """As soon as once, as any label of the model has it."""
    story = Warned().comes(0, 2, 4).does("cancel_page", 4.01).comes(20)
    assert story.outcomes(36) == [("cancel_page", 0)]


def test_the_visit_in_which_it_was_is_no_return() -> None:
    """It looks at the page, and around a little longer."""
    story = Warned().comes(0, 2, 4).does("cancel_page", 4.005).comes(4.01, 4.02)
    assert story.outcomes(36) == [("cancel_page", 1)]


def test_who_says_that_it_leaves_left_and_is_counted_no_earlier() -> None:
    """Counted at once, the first labels of any product would all be of those who left."""
    story = Warned().comes(0, 2, 4).does("cancel_page", 4.01).comes(6).does("cancelled", 6.01)
    assert story.outcomes(34) == []
    assert story.outcomes(36) == [("cancel_page", 1)]


def test_who_leaves_after_the_horizon_stayed_till_then() -> None:
    """What came later is another story."""
    story = Warned().comes(0, 2, 4).does("cancel_page", 4.01)
    story.comes(*range(6, 36, 2)).does("cancelled", 34.02)
    assert story.outcomes(60) == [("cancel_page", 0)]


def test_of_a_name_one_waits_at_a_time() -> None:
    """Who looks every day is not thirty customers; a year later it is another matter."""
    story = Warned().comes(0, 2, 4).does("cancel_page", 4.01)
    story.comes(6).does("cancel_page", 6.01).does("cancel_page", 7)
    story.comes(*range(8, 50, 2)).does("cancel_page", 48.01)
    assert story.outcomes(100) == [("cancel_page", 0), ("cancel_page", 1)]


def test_of_more_names_than_fit_nothing_is_learned() -> None:
    """A customer's state stays bounded."""
    policy = msgspec.structs.replace(POLICY, warning=("cancel_*",))
    story = Warned(policy).comes(0, 2, 4)
    for number in range(PENDING_MAX + 2):
        story.does(f"cancel_{number}", 4.01)
    assert story.outcomes(36) == [(f"cancel_{number}", 1) for number in range(PENDING_MAX)]


@pytest.mark.parametrize("ends", ["watch_ended", "on_holiday"])
def test_of_who_is_watched_no_longer_nothing_is_learned(ends: str) -> None:
    """Nobody knows what became of it."""
    policy = msgspec.structs.replace(POLICY, paused=("on_holiday",))
    story = Warned(policy).comes(0, 2, 4).does("cancel_page", 4.01).does(ends, 6)
    assert story.outcomes(60) == []


def test_of_who_had_left_before_nothing_is_learned() -> None:
    """Who has cancelled and looks at the page again says nothing of others."""
    story = Warned().comes(0, 2, 4).does("cancelled", 4.01).does("cancel_page", 4.02)
    assert story.outcomes(60) == []


def test_a_visit_that_arrives_late_counts_while_the_outcome_waits() -> None:
    """Events of a telephone without a network."""
    story = Warned().comes(0, 2, 4).does("cancel_page", 4.01)
    story.until(10)
    story.does("open", 7, received=12)
    assert story.outcomes(36) == [("cancel_page", 0)]


def test_another_horizon_begins_anew() -> None:
    """What came within the old one, nobody can say by the new."""
    of_trials = (Condition(trait="plan", one_of=("trial",)),)
    trial = Segment(name="trial", where=of_trials, horizon_ms=7 * DAY_MS)
    policy = msgspec.structs.replace(POLICY, segments=(trial,))
    story = Warned(policy).comes(0, 2, 4).does("cancel_page", 4.01)
    story.does("identify", 5, traits={"plan": "trial"}, volume=0.0)
    assert story.outcomes(60) == []


def learned(**fields: float) -> Snapshot:
    """Return a model that knows what came of warnings."""
    known = {"resolved": 40.0, "left": 0.75, "by_silence": 0.1, "adds": 0.7} | fields
    found = {"cancel_page": WarningFound(**known)}
    return msgspec.structs.replace(cold(H, 2.5), warnings=found)


def told(model: Snapshot | None) -> Alert:
    """Return the alert on a warning by a model."""
    (alert,) = Warned(model=model).comes(0, 2, 4).does("cancel_page", 4.01).until(4.5)
    return alert


def test_the_next_one_is_told_of_by_what_came_of_them() -> None:
    """A lively customer: silence says nothing, the record says much."""
    before, after = told(None), told(learned())
    assert before.risk < 0.3
    assert after.risk == pytest.approx(1 - (1 - before.risk) * (1 - 0.7))
    assert (before.reason_1_text, before.event) == ("Did “cancel_page”.", "cancel_page")
    says = "Did “cancel_page”. Of those who did before, 75% left within 30 days."
    assert after.reason_1_text == says
    assert (before.severity, after.severity) == (Severity.MEDIUM, Severity.MEDIUM)
    assert told(learned(adds=0.9)).severity is Severity.HIGH


def test_of_few_nothing_is_said_in_words() -> None:
    """One of two is no share."""
    assert told(learned(resolved=2.0)).reason_1_text == "Did “cancel_page”."


def test_what_is_no_warning_is_not_told_of_by_them() -> None:
    """Recovered: it is here again, and silence says how likely it stays away."""
    story = Warned(model=learned()).comes(0, 2, 4).does("cancel_page", 4.01).comes(6, 8, 10)
    opened, recovered = story.until(10.5)
    assert recovered.risk < 0.3 < opened.risk
    assert recovered.event == ""
