"""The holdout: who is in it, and that nothing else changes for them."""

from zlib import crc32

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream.detector.holdout import held_out
from stream.detector.policy import Holdout

CUSTOMERS = [f"customer-{number}" for number in range(4_000)]


def held(share: float, salt: str = "s") -> set[str]:
    """Give who of the customers is in the holdout."""
    policy = Holdout(share=share, salt=salt)
    return {customer for customer in CUSTOMERS if held_out(customer, policy)}


def test_the_holdout_is_the_share_that_was_asked_for() -> None:
    """Within four standard deviations of a fair draw."""
    for share in (0.05, 0.2, 0.5):
        deviation = (len(CUSTOMERS) * share * (1 - share)) ** 0.5
        assert abs(len(held(share)) - share * len(CUSTOMERS)) < 4 * deviation


def test_nobody_is_held_out_unless_asked_for() -> None:
    """A product that has not heard of it delivers everything."""
    assert held(0.0) == set()


def test_a_larger_share_adds_customers_and_takes_none_away() -> None:
    """Whoever was compared stays comparable."""
    assert held(0.1) < held(0.2)


def test_another_salt_draws_other_customers() -> None:
    """About a tenth of a tenth is in both."""
    assert 0 < len(held(0.1, "a") & held(0.1, "b")) < 80


def test_it_has_nothing_to_do_with_who_is_learned_from() -> None:
    """Samples of customers are those with the lowest CRC-32."""
    low = [customer for customer in CUSTOMERS if crc32(customer.encode()) < 2**31]
    assert abs(len(held(0.5).intersection(low)) / len(low) - 0.5) < 0.05


@given(st.text(max_size=20))
def test_any_id_can_be_drawn(customer_id: str) -> None:
    """Also one that no text file could hold."""
    policy = Holdout(share=0.5)
    assert held_out(customer_id + "\ud800", policy) in (True, False)
    assert held_out(customer_id, policy) == held_out(customer_id, msgspec.structs.replace(policy))
