"""The dial from a cold start: set to a rate of false alarms, what did it come to?"""

import numpy as np
import pytest
from simulated import Story, Way, lived, steady

from stream.detector.events import DAY_MS
from stream.detector.policy import Policy

HORIZON = 14.0
"""Days."""
DIALS = (0.05, 0.10, 0.20)
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    """Give seven horizons of two products whose logs begin with the detector."""
    policy = Policy(horizon_ms=round(HORIZON * DAY_MS))
    return [
        lived(steady(np.random.default_rng(seed), "c", 400, 7 * HORIZON, Way()), policy, DIALS)
        for seed in SEEDS
    ]


def measured(stories: list[Story], dial: float, begin: float, end: float) -> tuple[int, float]:
    """Give false alarms over all products between two horizons, and their rate over the dial."""
    found = [story.false_alarms(dial, begin * HORIZON, end * HORIZON) for story in stories]
    false, months = (sum(column) for column in zip(*found, strict=True))
    return int(false), false / months / dial


def test_after_three_horizons_it_is_held(stories: list[Story]) -> None:
    """Within a factor of 1.5: over all settings together, and at each that chance lets tell."""
    counts = []
    for dial in DIALS:
        false, ratio = measured(stories, dial, 3, np.inf)
        counts.append((false, ratio))
        chance = 2 / np.sqrt(dial * false / dial)
        assert 1 / 1.5 - chance < ratio < 1.5 + chance, dial
    expected = sum(false / ratio for false, ratio in counts)
    assert 1 / 1.5 < sum(false for false, _ in counts) / expected < 1.5


@pytest.mark.parametrize("dial", DIALS)
def test_before_it_is_never_twice_as_much(stories: list[Story], dial: float) -> None:
    """In the first three horizons a model that knows little is young, and no excuse."""
    _, ratio = measured(stories, dial, 0, 3)
    assert ratio < 2
