"""An office that closes over Christmas: what a calendar spares its customers, and what it costs."""

import msgspec
import numpy as np
import pytest
from simulated import STARTS_AT_MS, Lives, Story, lived, steady

from stream.backtest.history import Floats
from stream.detector.calendar import date_of
from stream.detector.events import DAY_MS
from stream.detector.policy import Policy
from stream.wire.calendars import Closing, calendar_of

HORIZON = 21.0
"""Days."""
UNTIL = 130
CLOSES = 84
"""Days after the simulation begins, a Monday."""
CLOSED = 12
DIAL = 0.1
PLAIN = Policy(horizon_ms=round(HORIZON * DAY_MS))
_FIRST = STARTS_AT_MS // DAY_MS + CLOSES
KNOWING = msgspec.structs.replace(
    PLAIN,
    calendar=calendar_of(
        closings=[
            Closing(
                name="closed",
                first=date_of(_FIRST),
                last=date_of(_FIRST + CLOSED - 1),
            )
        ]
    ),
)


def office_hours() -> Floats:
    """Give how many average days' worth of office time have passed at each hour's begin."""
    hour = np.arange(24 * UNTIL + 24)
    day, of_day = hour // 24, hour % 24
    here = np.where((day % 7 < 5) & (of_day >= 9) & (of_day < 17), 1.0, 0.01)
    here[(day >= CLOSES) & (day < CLOSES + CLOSED)] = 0.0005
    return np.append(0.0, np.cumsum(here / here[: 24 * 14].mean())) / 24


def office() -> Lives:
    """Draw customers who come by office time, and stay away while the office is closed."""
    passed = office_hours()
    days = np.arange(len(passed)) / 24
    lives = steady(np.random.default_rng(3), "c", 250, UNTIL - 20)
    drawn = {name: np.unique(np.interp(at, passed, days)) for name, at in lives.items()}
    return {name: at[at < UNTIL] for name, at in drawn.items()}


@pytest.fixture(scope="module")
def lives() -> Lives:
    """Give one population for all."""
    return office()


@pytest.fixture(scope="module")
def knowing(lives: Lives) -> Story:
    """Give what is said by who knows the date."""
    return lived(lives, KNOWING, (DIAL,))


def suspensions(story: Story) -> list[float]:
    """Give on which days alerts were suspended."""
    found = {one.guarded.suspended_since for one in story.snapshots} - {0}
    return sorted((since - STARTS_AT_MS) / DAY_MS for since in found)


@pytest.fixture(scope="module")
def unknowing(lives: Lives) -> Story:
    """Give what is said by who does not."""
    return lived(lives, PLAIN, (DIAL,))


def test_a_closing_that_is_known_suspends_nothing(knowing: Story, unknowing: Story) -> None:
    """Where it is not, the guard takes it for what it looks like."""
    assert suspensions(knowing) == []
    (since, *_) = suspensions(unknowing)
    assert CLOSES - 1 <= since <= CLOSES + 2


def test_no_flood_follows_a_closing_that_is_known(knowing: Story, unknowing: Story) -> None:
    """From its first day to a horizon after it there is no more than before, 0.14 a month.

    Where it is not known, there is 0.25: the dial saves up what it allows for days without alerts.
    """
    after = CLOSES, CLOSES + CLOSED + HORIZON
    assert knowing.rate(DIAL, *after) <= 1.1 * knowing.rate(DIAL, 2 * HORIZON, CLOSES)
    assert knowing.rate(DIAL, *after) <= 0.75 * unknowing.rate(DIAL, *after)
    days = (knowing.said[DIAL].time - STARTS_AT_MS) / DAY_MS
    assert (days > CLOSES + CLOSED).any()
