"""What acting on alerts brought: by hand, and where the truth is known."""

from random import Random

import pytest

from stream.detector.alerts import Trigger
from stream.uplift.episodes import Episode
from stream.uplift.figures import LEAST_CUSTOMERS, Uplift, by_trigger, uplift
from stream.uplift.terminal import sentences


def population(effect: float, seed: int, customers: int = 1_500) -> list[Episode]:
    """Draw a product: every customer has a chance of its own to come back, and one to four slips.

    A fifth is held out; delivered alerts bring back `effect` more of all episodes.
    """
    chance = Random(seed)
    drawn = []
    for number in range(customers):
        holdout, own = chance.random() < 0.2, 0.1 + 0.6 * chance.betavariate(0.8, 1.5)
        for _ in range(1 + int(4 * own * chance.random())):
            back = chance.random() < own + (0.0 if holdout else effect)
            drawn.append(Episode(str(number), holdout, Trigger.SILENCE, back))
    return drawn


@pytest.mark.parametrize("effect", [0.0, 0.08, 0.2])
def test_the_interval_covers_the_truth_as_often_as_it_says(effect: float) -> None:
    """Ninety of a hundred, less what chance takes from a hundred draws."""
    found = [uplift(population(effect, seed)) for seed in range(100)]
    covered = sum(
        f.low <= effect <= f.high for f in found if f.low is not None and f.high is not None
    )
    assert covered >= 85


def test_an_effect_is_seen_and_none_is_not() -> None:
    """Most of twenty, and hardly any."""
    assert sum(uplift(population(0.15, seed)).clear for seed in range(20)) >= 18
    assert sum(uplift(population(0.0, seed)).clear for seed in range(20)) <= 4


def test_customers_are_drawn_not_episodes() -> None:
    """Ten slips of one customer tell less than ten customers."""
    one = [Episode(str(n), n % 2 == 0, Trigger.SILENCE, n % 4 < 2) for n in range(80)]
    many = [episode for episode in one for _ in range(10)]
    few, same = uplift(one), uplift(many)
    assert same.low is not None
    assert few.low is not None
    assert same.low == pytest.approx(few.low, abs=0.02)


def test_the_customers_wanted_would_show_what_is_worth_knowing() -> None:
    """With so many, the interval is short enough in four of five draws."""
    found = uplift(population(0.0, seed=1))
    assert found.customers_wanted is not None
    more = round(1_500 * found.customers_wanted / found.holdout.customers)
    assert more > 1_500
    seen = sum(uplift(population(0.05, seed, customers=more)).clear for seed in range(30))
    assert 18 <= seen <= 30


def test_too_few_are_not_compared() -> None:
    """Three who came back of four say nothing."""
    few = [
        Episode(f"{n}{holdout}", holdout, Trigger.SILENCE, recovered=True)
        for n in range(LEAST_CUSTOMERS - 1)
        for holdout in (False, True)
    ]
    found = uplift(few)
    assert (found.difference, found.low, found.customers_wanted) == (None, None, None)
    assert found.holdout.share == 1.0
    assert "Too few" in said(found)


def said(found: Uplift) -> str:
    """Give the words."""
    return " ".join(sentences(found))


def test_the_words_are_those_of_the_figures() -> None:
    """Clear, perhaps, too little, and nobody held out."""
    assert "more ended with the customer back" in said(uplift(population(0.2, seed=1)))
    assert "fewer ended" in said(uplift(population(-0.1, seed=1)))
    perhaps = said(uplift(population(0.0, seed=1)))
    assert "Not enough to tell" in perhaps
    assert "customers in the holdout; there are" in perhaps
    assert "Nobody was held out" in said(uplift([]))
    many = uplift(population(0.0, seed=2, customers=20_000))
    assert "would most likely have shown" in said(many)


def test_triggers_are_compared_by_themselves() -> None:
    """A warning is answered otherwise than silence."""
    drawn = population(0.1, seed=1)
    drawn += [episode._replace(trigger=Trigger.WARNING) for episode in drawn[:50]]
    found = by_trigger(drawn)
    assert list(found) == ["silence", "warning"]
    assert found["warning"].alerted.episodes + found["warning"].holdout.episodes == 50
