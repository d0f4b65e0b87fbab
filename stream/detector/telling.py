"""Telling: what accounts are told of their members, collected until somebody asks for it.

Which account a visit counts for follows from the events up to its begin, though
by the time that is decided later ones have come: so changes of account are kept
until time has passed them.
"""

from stream.detector.customer import Customer
from stream.detector.members import MemberNews, Tidings
from stream.detector.policy import Policy


class Telling:
    """Tells accounts of their members, if the policy looks at accounts at all."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing told."""
        self._enabled = policy.accounts.enabled
        self._told: list[MemberNews] = []

    def move(self, customer: Customer, account_id: str, at: int) -> None:
        """Let a customer belong to another account from a moment (ms) on.

        What was decided needs no memory; of two events that overtook each other
        the one that came later tells the account.
        """
        if self._enabled:
            moved = [change for change in customer.moved if change[0] > customer.frontier]
            at = max(at, moved[-1][0]) if moved else at
            customer.moved = [*moved, (at, customer.account_id)]
        customer.account_id = account_id

    def tell(self, customer_id: str, customer: Customer, what: Tidings, at: int) -> None:
        """Tell the account that a customer belongs to at a moment (ms) what it does then."""
        if not self._enabled:
            return
        befores = (before for changed_at, before in customer.moved if changed_at > at)
        account_id = next(befores, customer.account_id)
        if account_id:
            self._told.append(MemberNews(at, account_id, customer_id, what))

    def describe(self, customer_id: str, account_id: str, at: int, traits: str) -> None:
        """Tell an account what a customer's message of a moment (ms) says of it, as JSON."""
        if self._enabled:
            news = MemberNews(at, account_id, customer_id, Tidings.TRAITS, traits=traits)
            self._told.append(news)

    def collect(self) -> list[MemberNews]:
        """Hand over what has been told since the last call."""
        told, self._told = self._told, []
        return told
