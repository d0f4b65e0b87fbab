"""Falls of customers who go on coming: sooner than by silences, at the same false alarms."""

import pytest

from tests.bench.declining import RATIOS, Held, Product, bound, held

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def daily() -> Held:
    """Give a product that is used about once a day, at times of pure chance."""
    return held(Product(size=250, horizons=9), seed=1)


@pytest.mark.parametrize("ratio", [str(ratio) for ratio in RATIOS])
def test_a_fall_is_told_of_sooner_than_by_silence_alone(daily: Held, ratio: str) -> None:
    """By days, and of more customers, where silence alone calls as many falsely."""
    assert daily.falls[ratio] >= 15
    assert daily.silence.false_per_customer_month == pytest.approx(
        daily.both.false_per_customer_month
    )
    assert daily.both.days[ratio] < daily.silence.days[ratio] - 3
    assert daily.both.caught[ratio] > daily.silence.caught[ratio]


def test_both_together_are_false_no_more_often_than_the_dial_allows(daily: Held) -> None:
    """Whatever they are raised on."""
    assert 0 < daily.both.false_per_customer_month < 0.1


def test_what_no_test_can_reach() -> None:
    """Hardly a fall to 0.6 in two months of who comes twice a week; regular customers show more."""
    assert bound(Product(), 0.3, 0.02) == pytest.approx(15.3, abs=0.5)
    assert bound(Product(), 0.6, 0.02) == pytest.approx(42.6, abs=0.5)
    assert bound(Product(gap_days=3.5), 0.6, 0.02) > 90
    assert bound(Product(shape=4.0), 0.6, 0.02) < 16
