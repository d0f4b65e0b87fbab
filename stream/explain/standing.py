"""Standing: one customer as the workers last saved it, and the models that answer for it there.

Read from the state topic, of the one partition that the customer's id belongs to: no group is
joined and nothing is written, so nobody else notices.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing

from aiokafka.partitioner import murmur2

from models.online import OnlineModel
from models.snapshots import Snapshot, cold
from models.timeline import Timeline
from stream.detector import cadence
from stream.detector.customer import Customer
from stream.detector.outcomes import back_age_ms
from stream.detector.policy import Policy
from stream.engine.connection import Connection
from stream.engine.position import position_key, unpack_position
from stream.engine.present import Range, partition_count, present_blocks
from stream.explain.errors import Unexplained
from stream.explain.explanation import Explanation
from stream.explain.replayed import LAST, check_visited
from stream.explain.weighing import Weighing
from stream.settings import Settings
from stream.wire.alerts import decode_alert
from stream.wire.fields import shown
from stream.worker.connection import connection
from stream.worker.detect import CUSTOMERS, SWITCH_KEY
from stream.worker.reached import REACHED

_DIGITS = 6
"""Of the risk in an alert, on the wire."""
_INSTEAD = "ask with --from-topic, which replays what led to it"


class Standing:
    """What the topics hold of one customer."""

    def __init__(self, settings: Settings, policy: Policy, customer_id: str) -> None:
        """Ask the application of these settings."""
        self._link: Connection = connection(settings)
        self._topics = settings.topics
        self._wall = settings.clock == "wall"
        self._policy = policy
        self._customer_id = customer_id
        self._customer: Customer | None = None
        self._switched: dict[str, int] = {}
        self._alert: bytes | None = None
        self._decided_until = 0
        self.decided_by = ""
        """Version of the policy that the workers decide by; empty: they have saved nothing yet."""

    async def read(self, on_records: Callable[[int], object] = lambda _: None) -> None:
        """Read the customer, the switches of its partition, and its latest alert; or `Fatal`.

        `on_records` hears of how many records were read.
        """
        for key, value in (await self._latest(self._topics.state, on_records)).items():
            if value is None:
                continue
            if key == self._place:
                reached = REACHED.decode(unpack_position(value).progress)
                self._decided_until = reached.detector.watermark.at
                self.decided_by = reached.detector.policy
            elif key.startswith(SWITCH_KEY):
                self._switched[key.removeprefix(SWITCH_KEY).decode()] = int(value)
            else:
                self._customer = CUSTOMERS.decode(value)
        alerts = await self._latest(self._topics.customers, on_records)
        self._alert = alerts.get(self._key)

    def moment(self, snapshots: Sequence[Snapshot], now: int, as_of: int | None) -> Explanation:
        """Explain what would be said at a moment (ms); None: now, or where event time has come to.

        `now` is the clock's.  Unexplained: nothing would be said, or nobody knows any more.
        """
        customer = check_visited(self._customer_id, self._customer)
        until = self._decided_until
        if self._wall:
            until = max(until, now - self._policy.allowed_lateness_ms)
        if as_of is not None and as_of < customer.last_at:
            raise Unexplained(
                "--as-of: it lies before the customer's last event, and the state topic holds only"
                f" how it stands now: {_INSTEAD}"
            )
        weighing = Weighing(self._policy, self._timeline(snapshots))
        at = until if as_of is None else as_of
        return weighing.at(self._customer_id, customer, max(at, customer.last_at))

    def alert(self, snapshots: Sequence[Snapshot], alert_id: str) -> Explanation:
        """Explain the customer's latest alert, as long as the state is still the one behind it."""
        name, customer = shown(self._customer_id), check_visited(self._customer_id, self._customer)
        if self._alert is None:
            raise Unexplained(f"--alert: no alert on {name} is in {self._topics.customers}")
        alert = decode_alert(self._alert)
        if alert_id not in (LAST, alert.alert_id):
            raise Unexplained(
                f"--alert: the latest one on {name} is {alert.alert_id}; of others, {_INSTEAD}"
            )
        found = Weighing(self._policy, self._timeline(snapshots)).alert(customer, alert)
        same = found.model_version == alert.model_version
        if not same or round(found.risk, _DIGITS) != alert.risk:
            raise Unexplained(
                f"--alert: {name} has been here since {alert.alert_id}, or its model is no longer"
                f" in {self._topics.model}: the state that it was said of is gone; {_INSTEAD}"
            )
        return found

    @property
    def _key(self) -> bytes:
        return self._customer_id.encode()

    @property
    def _place(self) -> bytes:
        return position_key(self._topics.usage)

    async def _latest(
        self, topic: str, on_records: Callable[[int], object]
    ) -> dict[bytes, bytes | None]:
        """Give the last value of each key we look for, of the partition that the customer is in."""
        count = await partition_count(self._link, topic)
        number = (int(murmur2(self._key)) & 0x7FFFFFFF) % count
        where, found = Range(offsets={number: (0, None)}), dict[bytes, bytes | None]()
        async with aclosing(present_blocks(self._link, topic, where)) as blocks:
            async for records in blocks:
                on_records(len(records))
                for record in records:
                    if record.key is not None and self._wanted(record.key):
                        found[record.key] = record.value
        return found

    def _wanted(self, key: bytes) -> bool:
        return key in (self._key, self._place) or key.startswith(SWITCH_KEY)

    def _timeline(self, snapshots: Sequence[Snapshot]) -> Timeline:
        """Give the models as they took over in the customer's partition.

        Of those that are gone only the latest is missed; Unexplained then.
        """
        days = cadence.days(self._policy.horizon_ms)
        first = OnlineModel(cold(days, cadence.days(back_age_ms(self._policy))))
        known = {snapshot.version: snapshot for snapshot in snapshots}
        timeline = Timeline(first)
        switches = sorted(self._switched.items(), key=lambda item: item[1])
        if switches and switches[-1][0] not in known:
            raise Unexplained(
                f"The workers judge by model {switches[-1][0]}, which is not in"
                f" {self._topics.model}: ask again, if it was published just now; else `slipaway"
                " model publish` the file that holds it"
            )
        for version, start in switches:
            if version in known:
                timeline.add(OnlineModel(known[version]), not_before=start)
        return timeline
