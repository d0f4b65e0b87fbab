"""A population drawn from the prior's own model: what is known of it is found again.

The parameters themselves are hardly told apart by data: a larger `r` with a larger
`alpha`, or `a` with `b`, gives nearly the same customers.  What is asked of the
prior is its chances, and these come back.
"""

import numpy as np
import pytest
from numpy.random import Generator
from simulated import HORIZON, Lives, Story, lived

from models.baseline import Prior

TRUE = Prior(r=1.5, alpha=6.0, a=0.6, b=3.0)
"""Customers come every four days or so, and a sixth leave after any visit."""
DAYS = 6 * HORIZON


def drawn(draw: Generator, size: int) -> Lives:
    """Draw customers as MBG/NBD has them: each leaves, after any visit, with its own chance."""
    lives: Lives = {}
    for number in range(size):
        start = draw.uniform(0, DAYS)
        gap = 1 / max(draw.gamma(TRUE.r, 1 / TRUE.alpha), 1e-3)
        visits = int(draw.geometric(max(draw.beta(TRUE.a, TRUE.b), 1e-3)))
        days = np.append(start, start + np.cumsum(draw.exponential(gap, min(visits, 2_000) - 1)))
        lives[f"c-{number}"] = days[days < DAYS]
    return lives


@pytest.fixture(scope="module")
def story() -> Story:
    """Give six horizons of them."""
    return lived(drawn(np.random.default_rng(5), 1_200))


@pytest.mark.parametrize("repeats", [1, 4, 12])
@pytest.mark.parametrize("silence", [1.0, 5.0, 12.0])
def test_its_chances_come_back(story: Story, repeats: int, silence: float) -> None:
    """P(alive), and P(back within the horizon), within 5 in a hundred."""
    span = 4.0 * repeats
    fitted = story.snapshots[-1].prior
    asked = (repeats, span, silence)
    assert 1 / (1 + fitted.gone_odds(*asked)) == pytest.approx(
        1 / (1 + TRUE.gone_odds(*asked)), abs=0.05
    )
    assert fitted.p_silent(*asked, HORIZON) == pytest.approx(
        TRUE.p_silent(*asked, HORIZON), abs=0.05
    )


def test_a_regression_adds_next_to_nothing(story: Story) -> None:
    """There is nothing else to be known: in nats, a hundredth at most, either way."""
    losses = story.snapshots[-1].log_losses
    assert losses["newton"] == pytest.approx(losses["prior"], abs=0.01)
