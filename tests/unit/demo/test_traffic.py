"""The simulated product's traffic: as if it were real, and as if it were now."""

import pytest

from stream.demo.simulate import Simulation, simulate
from stream.demo.traffic import DAYS, PAST_DAYS, WEEK_MS, moved
from stream.detector.events import DAY_MS, HOUR_MS

NOWS = [1_763_900_000_000 + hours * HOUR_MS for hours in (0, 1, 40, 100, 167)]


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """Give a small product."""
    return simulate(30, DAYS, seed=1)


@pytest.mark.parametrize("now", NOWS)
def test_it_began_two_months_ago_and_goes_on(simulation: Simulation, now: int) -> None:
    """Whatever the day: enough to learn from, and weeks still to come."""
    times = [event.occurred_at for event in moved(simulation, now)]
    assert times == sorted(times)
    assert PAST_DAYS * DAY_MS - 2 * DAY_MS <= now - times[0] <= PAST_DAYS * DAY_MS + WEEK_MS
    assert times[-1] > now + 30 * DAY_MS


@pytest.mark.parametrize("now", NOWS)
def test_its_mondays_are_ours(simulation: Simulation, now: int) -> None:
    """Who works in an office does so on our working days."""
    pairs = zip(simulation, moved(simulation, now), strict=True)
    assert {(after.occurred_at - before.occurred_at) % WEEK_MS for before, after in pairs} == {0}


def test_past_and_present_meet(simulation: Simulation) -> None:
    """Sent an hour apart, they are of one product: the same events, moved as far."""
    first, second = (list(moved(simulation, now)) for now in NOWS[:2])
    assert first == second
