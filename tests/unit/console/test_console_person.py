"""The page of one customer: how it stands, by the detector's own functions, and its past."""

from math import isclose

import msgspec
from lived import PRODUCT, START, Life

from stream.console import course, silence, timeline
from stream.console.book import Book
from stream.console.customer import Historian, History
from stream.console.judges import Judges
from stream.console.past import Past
from stream.console.person import Person, whole
from stream.console.standing import STEPS, Standing, Unknown, standing
from stream.detector import falls
from stream.detector.events import DAY_MS
from stream.detector.policy import EventClass, Holdout
from stream.detector.stages import Trigger
from stream.wire.erasure import Erasure, encode_erasure
from stream.wire.policy_file import PolicyFile, parse

POLICY = PRODUCT.policy
WEEKLY = range(0, 70, 7)


def stands(past: Past, life: Life) -> Standing:
    """Return how a customer stands."""
    found = standing(life.customer_id, past.row, past.reached, Judges(Book(), POLICY), POLICY)
    assert isinstance(found, Standing)
    return found


def page(past: Past, life: Life, product: PolicyFile = PRODUCT) -> Person:
    """Return what the page shows."""
    return whole(
        life.customer_id,
        past,
        None,
        historian=Historian(PRODUCT),
        judges=Judges(Book(), POLICY),
        policy=product.policy,
    )


def past_of(values: list[bytes]) -> History:
    """Return what a topic tells of a customer."""
    historian = Historian(PRODUCT)
    return historian.history(historian.events(values))


def test_a_silence_is_told_by_the_customers_own_rhythm() -> None:
    """Whoever came each week is looked for after a week or so, and not after a day."""
    life = Life().does(WEEKLY)
    found = stands(life.until(80), life)
    assert found.rhythm is not None
    assert isclose(found.rhythm.usual_gap_days, 7)
    last = START + 63 * DAY_MS
    assert last + DAY_MS < found.rhythm.half_by < last + 7 * DAY_MS < found.rhythm.expected_by
    assert found.at == START + 80 * DAY_MS + 1
    assert isclose(found.known.silence, 17)
    assert found.rhythm.outlasts < 0.2


def test_the_tail_falls_and_ends_past_the_deadline() -> None:
    """It is the rhythm's own: at the deadline five of a hundred are left, at the begin all."""
    life = Life().does(WEEKLY)
    found = stands(life.until(70), life)
    assert found.rhythm is not None
    falling = [point.outlasts for point in found.curve]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > 0.99
    nearest = min(found.curve, key=lambda point: abs(point.days - found.rhythm.deadline_days))
    assert isclose(nearest.outlasts, 0.05, abs_tol=0.01)
    assert found.curve[-1].days > found.rhythm.deadline_days


def test_the_risk_that_is_drawn_is_the_one_that_alerts_tell() -> None:
    """Two numbers for one thing, and nobody believes either."""
    life = Life().does(WEEKLY, traits={"plan": "team"})
    past = life.until(WEEKLY[-1] + 20)
    (told,) = life.alerts
    found = stands(past, life)
    assert (told.trigger, told.time) == (Trigger.SILENCE, found.at - 1)
    assert found.risk == found.curve[STEPS].risk
    assert isclose(found.risk or 0, told.risk, rel_tol=1e-6)
    assert found.rhythm is not None
    assert found.rhythm.expected_by == told.expected_by


def test_levels_of_use_stand_against_what_is_told_of() -> None:
    """A decline is seen coming, before it is told of."""
    life = Life().does([*range(40), *range(42, 70, 4)])
    found = stands(life.until(70), life)
    assert [level.fall for level in found.levels] == ["less", "narrower"]
    falling = life.detector.customers["ann"].falling
    assert falling is not None
    assert found.levels[0].nats == falls.level(falling, falls.LESS) > 1
    assert found.levels[0].alarm == 3.0


def test_the_course_of_use_is_that_which_the_workers_followed() -> None:
    """Visit by visit, up to the level in the row: the page follows the life once more."""
    life, seen = Life(), []
    days = [*range(40), *range(42, 70, 4)]
    for day in days:
        customer = life.does([day, day + 0.01]).detector.customers["ann"]
        seen.append(0.0 if customer.falling is None else falls.level(customer.falling, falls.LESS))
    past = life.until(72)
    found = stands(past, life)
    steps = course.course(life.events, found, Judges(Book(), POLICY), POLICY)
    assert [step.at for step in steps] == [
        START + round((day + 0.01) * DAY_MS) for day in days[-len(steps) :]
    ]
    # A visit is judged when it is over, which the next one tells.
    assert [step.nats[0] for step in steps[:-1]] == seen[-len(steps) + 1 :]
    assert steps[-1].nats[0] == found.levels[0].nats > 3
    drawn = str(page(past, life).course)
    assert f"Comes less: {found.levels[0].nats:.1f} nats now" in drawn
    assert drawn.count('class="visit"') == len(steps)


def test_a_course_that_leads_elsewhere_is_not_drawn() -> None:
    """The topic's begin is gone, or the customer was someone else before: nobody can say."""
    life = Life().does([*range(40), *range(42, 70, 4)])
    past = life.until(72)
    found, judges = stands(past, life), Judges(Book(), POLICY)
    assert course.course(life.events, found, judges, POLICY)
    assert course.course(life.events[5:], found, judges, POLICY) == []
    assert course.course([], found, judges, POLICY) == []
    ticket = Life().does([69], "ticket", volume=0.0).events
    assert course.course(ticket, found, judges, POLICY) == []
    stranger = Life("bob").does([69], "open").events
    assert course.course(stranger, found, judges, POLICY) == []
    unknown = [msgspec.structs.replace(ticket[0], name="")]
    assert course.course(unknown, found, judges, POLICY) == []
    many = found._replace(customer=msgspec.structs.replace(found.customer, visits=2_000))
    assert course.course(life.events, many, judges, POLICY) == []
    cut = past._replace(usage=past.usage._replace(whole=False))
    assert page(past, life).course
    assert not page(cut, life).course
    changed = found._replace(levels=[level._replace(nats=0.5) for level in found.levels])
    assert course.course(life.events, changed, judges, POLICY) == []


def test_what_is_new_is_what_came_since_they_were_here() -> None:
    """A reason to write that is theirs."""
    life = Life().does([0, 7, 14])
    assert stands(life.until(30), life).whats_new == "Boards: drag and drop"
    assert stands(life.does([31]).until(33), life).whats_new == ""


def test_who_was_spoken_to_is_left_in_peace_and_the_page_says_so() -> None:
    """Or somebody else calls, too."""
    life = Life().does(WEEKLY, traits={"plan": "team"}).does([70], "called")
    past = life.until(72)
    found = stands(past, life)
    assert found.segment == "team"
    assert found.withheld is not None
    (told,) = page(past, life).history.told
    assert (told.what, told.name) == (EventClass.CONTACT, "called")
    assert stands(life.until(81), life).withheld is None


def test_who_left_has_no_silence() -> None:
    """Nobody waits for who said that they leave."""
    life = Life().does(WEEKLY).does([65], "cancelled")
    found = page(life.until(70), life)
    assert found.stands is not None
    assert found.stands.curve == []
    assert found.silence == ""
    assert "overdue" not in found.timeline


def test_who_came_once_has_no_rhythm() -> None:
    """One visit has no gap."""
    life = Life().does([0])
    found = page(life.until(5), life)
    assert found.stands is not None
    assert found.stands.rhythm is None
    assert "1 visit from" in found.timeline


def test_of_the_holdout_nothing_is_shown() -> None:
    """Who is called after all is nobody to compare with."""
    life = Life().does(WEEKLY)
    past = life.until(80)
    policy = msgspec.structs.replace(POLICY, holdout=Holdout(share=1.0))  # of the same version
    found = standing("ann", past.row, past.reached, Judges(Book(), policy), policy)
    assert isinstance(found, Unknown)
    assert "holdout" in found.why


def test_what_cannot_be_known_is_said() -> None:
    """An empty page would read as a customer of whom nothing is wrong."""
    life = Life().does(WEEKLY)
    past = life.until(80)
    assert "saved" in page(past._replace(row=None), life).why_not
    assert "not allowed" in page(past._replace(missing="not allowed"), life).why_not
    assert "version 9" in page(past._replace(row=b"\x09x"), life).why_not
    assert page(past, life).why_not == ""
    other = page(past, life, parse('[slipping]\nhorizon = "7d"\n'))
    assert "another policy" in other.why_not
    assert other.stands is None


def test_a_past_is_of_visits_each_once_and_none_from_before_an_erasure() -> None:
    """The topic holds what came twice, and for a while what is to be forgotten."""
    life = Life().does([0, 0.001, 3], "open", message_id="x").does([5, 5.01, 9])
    values = life.until(10).usage.values
    history = past_of([*values, values[-1], b"{", b"\xff"])
    begun = [(round((visit.begin - START) / DAY_MS), visit.events) for visit in history.visits]
    assert begun == [(3, 1), (5, 2), (9, 2)]
    erased = encode_erasure(Erasure("ann", START + 4 * DAY_MS))
    assert len(past_of([*values, erased]).visits) == 2
    assert past_of([*values, encode_erasure(Erasure("ann"))]).visits == []


def test_drawings_say_in_words_what_they_show() -> None:
    """A screen reader reads the title."""
    life = Life().does(WEEKLY)
    found = stands(life.until(80), life)
    drawn = silence.draw(found)
    assert "Silent for 17 days: of 100 silences of their own," in drawn
    assert drawn.count("<polyline") == 2
    history = past_of(life.until(80).usage.values)
    seen = timeline.draw(history, [], found)
    assert "10 visits from" in seen
    assert "95 of 100 by" in seen
    assert seen.count('class="use"') == 10
    assert 'class="overdue"' in seen
    assert 'class="now"' in seen


def test_a_long_past_is_cut_and_an_empty_one_is_not_drawn() -> None:
    """A product runs for years; of who is new there is nothing."""
    life = Life().does(range(400))
    history = past_of(life.until(400).usage.values)
    drawn = timeline.draw(history, [], None)
    assert 170 < drawn.count('class="use"') <= 181
    assert timeline.draw(past_of([]), [], None) == ""
