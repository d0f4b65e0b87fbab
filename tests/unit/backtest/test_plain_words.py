"""The answer and the stories: what somebody reads who reads nothing else."""

import msgspec
import pytest
from test_report import HOSTILE, answer, findings, reading, story

from stream.backtest import charts, sentences
from stream.backtest.curve import Difference
from stream.backtest.report import page


def said(**fields: object) -> str:
    """Return the answer of findings in whose answer these fields differ."""
    found = msgspec.structs.replace(answer(), **fields)
    whole = msgspec.structs.replace(findings(), answer=found)
    return " ".join(sentences.answer(whole)).replace("\N{NO-BREAK SPACE}", " ")


def difference(days: float, low: float, high: float) -> Difference:
    """Return by how much slipaway is later."""
    return Difference(false_per_customer_month=0.05, days=days, low=low, high=high)


def test_the_first_sentence_is_the_answer() -> None:
    """How many left, how many were named, how late, at what price."""
    assert said().startswith(
        "Of the 40 times that a customer left (a silence of 90 days), 20 were named in that time"
        " (50 %), on average 12.3 days after the last visit, at one false alarm per 20"
        " customer-months."
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            difference(-5, -6, -3),
            "61 idle days would have been 5.0 days later on average (95 % interval 3.0 to 6.0",
        ),
        (difference(4, 2, 6), "4.0 days earlier on average (95 % interval 2.0 to 6.0 days;"),
        (
            difference(-1, -3, 2),
            "would have done about as well (95 % interval: slipaway 3.0 days earlier to 2.0 later",
        ),
    ],
)
def test_the_answer_takes_nobodys_side(found: Difference, words: str) -> None:
    """Better, worse, and what nobody knows."""
    assert words in said(difference=found)


def test_without_a_false_alarm_there_is_nothing_to_be_compared() -> None:
    """And nothing is divided by none."""
    none = {"false_per_customer_month": 0.0, "rule": None, "difference": None}
    text = said(**none, rule_idle_days=None)
    assert "at no false alarm." in text
    assert "With as many" not in text


def test_nobody_named_is_said() -> None:
    """There is no average of none."""
    assert "0 were named in that time (0 %), at one" in said(named=0, named_after_days=None)


def test_a_rule_that_cannot_be_so_strict_has_no_number_of_days() -> None:
    """Fewer false alarms than waiting for a whole horizon."""
    assert "after any one number of idle days" in said(rule_idle_days=None, rule=reading(0.01, 90))


def test_the_common_rule_is_held_against_as_many_false_alarms() -> None:
    """And where the horizon is no longer than it, there is nothing to hold."""
    assert (
        "The common rule of 30 idle days raises a false alarm every 3.3 customer-months; turned up"
        " to as many, slipaway is 10.0 days earlier than it (95 % interval 8.0 to 12.0 days)."
    ) in said()
    short = findings()
    data = msgspec.structs.replace(short.data, horizon_days=14.0)
    words = " ".join(sentences.answer(msgspec.structs.replace(short, data=data)))
    assert "no earlier than the horizon itself" in words


@pytest.mark.parametrize(
    ("came_to", "words"),
    [
        ("caught", ["after 12 days, with a risk of 70 %", "Not seen again", "18 days later."]),
        ("in vain", ["Back on 2025-09-20, after 50 days: 38 days after the alert.", "18 days"]),
        ("missed", ["Nothing was said in the 90 days", "named this one on the 30th day."]),
    ],
)
def test_a_customer_is_told_as_a_story(came_to: str, words: list[str]) -> None:
    """Who it was, what was said, what came of it, and what the common rule would have done."""
    told = " ".join(sentences.story(findings().data, story(came_to, "ann")))
    told = told.replace("\N{NO-BREAK SPACE}", " ")
    assert "Came on 4 days from 2025-02-01 on, usually 3 days apart; on 2025-08-01" in told
    for part in words:
        assert part in told


def test_who_was_back_before_the_rule_would_have_spoken() -> None:
    """It would have said nothing."""
    early = msgspec.structs.replace(story("in vain", "ann"), away_days=20.0)
    *_, last = sentences.story(findings().data, early)
    assert last == "The rule of 30 idle days would have said nothing."


def test_every_story_is_on_the_page_with_its_picture() -> None:
    """Under what it is, its customer's id as text."""
    found = findings(HOSTILE)
    html = page(found)
    assert html.count("<article>") == 3
    assert html.count('id="story-') == 2 * 2 * 3  # a title and a description, for two sizes
    for words in sentences.MEANINGS.values():
        assert words in html


def test_a_story_is_drawn_within_its_picture() -> None:
    """Whatever its customer did."""
    found = findings()
    far = msgspec.structs.replace(
        story("caught", "a"), days=[-180, 0, 90], silent_days=89.9, away_days=4_000.0
    )
    for size in charts.STRIPS:
        drawing = charts.strip(found, far, 0, size)
        numbers = [
            float(pair.split(",")[0])
            for points in drawing.split('points="')[1:]
            for pair in points.split('"')[0].split()
        ]
        assert numbers
        assert all(0 <= x <= size.width for x in numbers)
