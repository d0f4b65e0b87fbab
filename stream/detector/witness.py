"""Witness: hears every judgement, return, loss and end of observation; decides nothing.

What another dial would have done can be told from these alone: whoever wants to
know need not run the detector once for each.
"""

from typing import Protocol

from models.protocol import Assessment


class Witness(Protocol):
    """Who hears; each call is quick, and in the order of the customer's own time."""

    def judged(self, customer_id: str, at: int, judged: Assessment, dial: str) -> None:
        """Hear a judgement at a landmark; `at` in ms.

        Of those only on whom there may be one; `dial` is the segment whose dial they count for.
        """
        ...

    def returned(self, customer_id: str, at: int, silence_ms: int, dial: str) -> None:
        """Hear that a customer came back at a moment (ms), and after how long."""
        ...

    def lost(self, customer_id: str, at: int) -> None:
        """Hear that a customer has lapsed, or left, at a moment (ms)."""
        ...

    def unobserved(self, customer_id: str, at: int) -> None:
        """Hear that nobody watches a customer from a moment (ms) on."""
        ...
