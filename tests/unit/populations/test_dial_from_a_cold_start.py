"""The dial from a cold start: what a setting has come to."""

import numpy as np
import pytest
from simulated import HORIZON, Story

DIALS = (0.05, 0.10, 0.20)


def measured(stories: list[Story], dial: float, begin: float, end: float) -> tuple[int, float]:
    """Give false alarms over all products between two horizons, and how many were set."""
    found = [story.false_alarms(dial, begin * HORIZON, end * HORIZON) for story in stories]
    return sum(false for false, _ in found), sum(months for _, months in found) * dial


@pytest.mark.parametrize("dial", DIALS)
def test_after_three_horizons_it_is_held(steady_stories: list[Story], dial: float) -> None:
    """Within a factor of 1.5, of 55 false alarms or more: chance is a seventh, or less."""
    false, set_to = measured(steady_stories, dial, 3, np.inf)
    assert set_to > 50
    assert 1 / 1.5 < false / set_to < 1.5


@pytest.mark.parametrize("dial", DIALS)
def test_until_then_it_is_spent_less_than_twice(steady_stories: list[Story], dial: float) -> None:
    """The day on which weights answer for the first time lets nobody out at once."""
    false, set_to = measured(steady_stories, dial, 0, 3)
    assert false / set_to < 2
