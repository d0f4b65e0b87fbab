"""The book: what is open now, as the topics of the latest alerts say it.

One entry for each customer and each account with an open episode, and the latest of those that
are over.  Whoever shows the book remembers its version, and looks again when it has changed.
"""

from bisect import bisect_left, insort
from operator import attrgetter

from models.snapshots import Snapshot
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert
from stream.tap.worklist import OPEN
from stream.wire import snapshots
from stream.wire.account_alerts import decode_account_alert
from stream.wire.alerts import decode_alert

OVER_MAX = 1_000
"""How many episodes that are over are remembered, the latest."""

MODELS_MAX = 400
"""How many models are remembered, the latest: a year of days and more."""


class Book:
    """Open episodes by whom they are about, the latest that are over, and the model in force."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.customers: dict[str, Alert] = {}
        self.accounts: dict[str, AccountAlert] = {}
        self.over: list[Alert] = []
        """Episodes of customers that are over, by the time of their end."""
        self.models: list[Snapshot] = []
        """By when they take effect; the last is in force."""
        self.unread = 0
        """Records that were no alert of this version, or no snapshot: passed over."""
        self.version = 0
        """Grows with every change."""

    def customer(self, key: bytes, value: bytes | None) -> None:
        """Take in a record of the topic of each customer's latest alert; None: erased."""
        name = key.decode(errors="replace")
        self.version += 1
        if value is None:
            self.customers.pop(name, None)
            self.over = [alert for alert in self.over if alert.customer_id != name]
            return
        try:
            alert = decode_alert(value)
        except ValueError:
            self.unread += 1
            return
        if alert.kind in OPEN:
            self.customers[alert.customer_id] = alert
            return
        self.customers.pop(alert.customer_id, None)
        insort(self.over, alert, key=attrgetter("time"))
        del self.over[:-OVER_MAX]

    def account(self, key: bytes, value: bytes | None) -> None:
        """Take in a record of the topic of alerts on accounts; None: erased."""
        self.version += 1
        if value is None:
            self.accounts.pop(key.decode(errors="replace"), None)
            return
        try:
            alert = decode_account_alert(value)
        except ValueError:
            self.unread += 1
            return
        if alert.kind in OPEN:
            self.accounts[alert.account_id] = alert
        else:
            self.accounts.pop(alert.account_id, None)

    @property
    def model(self) -> Snapshot | None:
        """Give the model in force."""
        return self.models[-1] if self.models else None

    def snapshot(self, _key: bytes, value: bytes | None) -> None:
        """Take in a record of the topic of models; of two of one moment, the later counts."""
        if value is None:
            return
        try:
            found = snapshots.decode(value, Snapshot)
        except snapshots.SnapshotError:
            self.unread += 1
            return
        effective_from = attrgetter("effective_from")
        place = bisect_left(self.models, found.effective_from, key=effective_from)
        same = self.models[place : place + 1]
        again = bool(same) and same[0].effective_from == found.effective_from
        self.models[place : place + again] = [found]
        del self.models[:-MODELS_MAX]
        self.version += 1
