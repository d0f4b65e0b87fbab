"""Customers for tests of the console: what a worker would have saved of them, and their topics."""

from collections.abc import Sequence

import msgspec

from models.online import OnlineModel
from models.snapshots import cold
from models.timeline import Timeline
from stream.console.lookup import Found
from stream.console.past import Past
from stream.detector.alerts import Alert
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, UsageEvent
from stream.wire.alerts import encode_alert
from stream.wire.customers import CustomerCodec
from stream.wire.policy_file import PolicyFile, parse
from stream.wire.usage import encode_usage
from stream.worker.origins import Origins
from stream.worker.reached import REACHED, Reached

START = 1_700_006_400_000  # a Wednesday, 2023-11-15, 00:00 UTC
HORIZON_DAYS = 30
POLICY = """
[events]
contact = ["called"]
ticket_opened = ["ticket"]
warning = ["cancel_page"]
ending = ["cancelled"]

[slipping]
horizon = "30d"

[time]
allowed_lateness = "0s"

[decline]
enabled = true
alarm_nats = 3.0

[[segment]]
name = "team"
where = { plan = "team" }
owner = { trait = "csm" }
contact_rest = "10d"
silent_max = "20d"

[[release]]
name = "Boards"
date = 2023-12-10
new = "drag and drop"

[[release]]
name = "Chat"
date = 2024-02-10
"""
PRODUCT = parse(POLICY)


class Life:
    """A customer whose life a detector follows."""

    def __init__(self, customer_id: str = "ann", product: PolicyFile = PRODUCT) -> None:
        """Begin with nothing."""
        self.customer_id = customer_id
        self.policy = product.policy
        self.detector = Detector(self.policy, Timeline(OnlineModel(cold(HORIZON_DAYS, 2.5))))
        self.events: list[UsageEvent] = []
        self.alerts: list[Alert] = []

    def does(self, days: Sequence[float], name: str = "open", **fields: object) -> "Life":
        """Do something at these days."""
        for day in days:
            at = START + round(day * DAY_MS)
            event = UsageEvent(self.customer_id, name, at, at)
            self.events.append(msgspec.structs.replace(event, **fields))
            self.alerts += self.detector.on_events(self.events[-1:]).alerts
        return self

    def until(self, day: float) -> Past:
        """Decide what is due at this day and before, and give what Kafka then holds."""
        self.alerts += self.detector.on_tick(START + round(day * DAY_MS) + 1).alerts
        customer = self.detector.customers[self.customer_id]
        return Past(
            alerts=Found([encode_alert(alert) for alert in self.alerts], whole=True),
            usage=Found([encode_usage(event) for event in self.events], whole=True),
            row=CustomerCodec().encode(customer),
            reached=REACHED.encode(Reached(self.detector.progress, Origins(0))),
        )
