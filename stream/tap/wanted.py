"""Which alerts somebody asked for."""

from dataclasses import dataclass

from stream.detector.alerts import Alert, Kind, Trigger


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
