"""Witness: hears every judgement, return and end of observation; decides nothing.

What another dial would have done can be told from these alone: whoever wants to
know need not run the detector once for each.
"""

from typing import Protocol


class Witness(Protocol):
    """Who hears; each call is quick, and in the order of the customer's own time."""

    def judged(self, customer_id: str, at: int, value: float) -> None:
        """Hear what an alert at a landmark is worth (`Assessment.value`); `at` in ms.

        Of those only on whom there may be one.
        """
        ...

    def returned(self, customer_id: str, at: int, silence_ms: int) -> None:
        """Hear that a customer came back at a moment (ms), and after how long."""
        ...

    def unobserved(self, customer_id: str, at: int) -> None:
        """Hear that nobody watches a customer from a moment (ms) on."""
        ...
