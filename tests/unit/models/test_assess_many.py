"""Judging in columns: what is said of many is, to the last bit, what is said of each."""

from random import Random

import msgspec
import pytest

from models.inputs import NAMES
from models.online import OnlineModel
from models.protocol import Facts
from models.snapshots import Snapshot, Weights, cold

HORIZON = 30.0


def facts(chance: Random) -> Facts:
    """Draw what may be known of a customer, at the edges now and then."""
    return Facts(
        silence=chance.choice([chance.expovariate(0.1) + 0.02, 0.02, HORIZON, 2 * HORIZON]),
        repeats=chance.choice([0, 1, chance.randrange(500)]),
        span=chance.choice([0.0, chance.expovariate(0.01)]),
        longest_gap=chance.choice([0.0, chance.expovariate(0.1)]),
        last_gap=chance.choice([0.0, chance.expovariate(0.1)]),
        log_gap_mean=chance.gauss(0, 2),
        log_gap_variance=chance.choice([0.0, chance.random()]),
        gap_spread=chance.random(),
        long_gaps=chance.randrange(7),
        gap_trend=chance.gauss(0, 1),
        decline_sharp=chance.random(),
        decline_slow=chance.random(),
        volume=chance.expovariate(0.3),
        volume_usual=chance.expovariate(0.3),
        kinds=float(chance.randrange(9)),
        kinds_usual=chance.expovariate(0.3),
        volume_total=chance.expovariate(0.1),
        weekday=chance.randrange(7),
        last_weekday=chance.randrange(7),
    )


def weights(chance: Random) -> Weights:
    """Draw a regression; some of its inputs are clipped."""
    return Weights(
        rows=500,
        means=tuple(chance.gauss(0, 1) for _ in NAMES),
        scales=tuple(chance.random() + 0.05 for _ in NAMES),
        weights=tuple(chance.gauss(0, 0.3) for _ in NAMES),
        intercept=chance.gauss(0, 0.1),
    )


def learned(chance: Random) -> Snapshot:
    """Give a model that has learned two of its targets."""
    return msgspec.structs.replace(
        cold(HORIZON, 2.5),
        lapse=weights(chance),
        back=weights(chance),
        population_short=0.3,
        population_long=-0.1,
    )


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 33, 1_000, 5_000])
def test_many_are_judged_as_each(count: int, *, warm: bool) -> None:
    """However many: vectors of a processor take them by four or eight, and the rest singly."""
    chance = Random(count)
    model = OnlineModel(learned(chance) if warm else cold(HORIZON, 2.5))
    known = [facts(chance) for _ in range(count)]
    assert model.assess_many(known) == [model.assess(one) for one in known]


@pytest.mark.parametrize("count", [1, 40])
def test_who_came_all_the_time_and_is_long_gone_can_be_judged(count: int) -> None:
    """A robot that calls every half hour for ten days: its odds are beyond any float."""
    model = OnlineModel(cold(HORIZON, 2.5))
    robot = facts(Random(1))._replace(silence=60.0, repeats=480, span=10.0)
    for judged in (*model.assess_many([robot] * count), model.assess(robot)):
        assert judged.p_lapse > 0.99
    assert model.risk(robot) > 0.99
