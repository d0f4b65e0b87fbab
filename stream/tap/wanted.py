"""Which alerts somebody asked for."""

from dataclasses import dataclass

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.stages import AccountTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an alert has to be; an empty set asks for nothing."""

    customers: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    triggers: frozenset[Trigger] = frozenset()

    def __call__(self, alert: Alert) -> bool:
        """Say whether the alert is one of them."""
        return (
            (not self.customers or alert.customer_id in self.customers)
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.triggers or alert.trigger in self.triggers)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOfAccounts:
    """What an alert on an account has to be; an empty set asks for nothing."""

    accounts: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    triggers: frozenset[AccountTrigger] = frozenset()

    def __call__(self, alert: AccountAlert) -> bool:
        """Say whether the alert is one of them."""
        return (
            (not self.accounts or alert.account_id in self.accounts)
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.triggers or alert.trigger in self.triggers)
        )
