"""The past: a log, or a topic as one, replayed up to the moment that is asked of.

Everybody's events are replayed, not the customer's alone: what is learned, and where the dial
stands, is made of all of them.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy

from models.snapshots import Snapshot
from stream.detector.alerts import Alert
from stream.detector.batch import EventBatch
from stream.detector.customer import Customer
from stream.detector.policy import Policy
from stream.explain.errors import Unexplained
from stream.explain.explanation import Explanation
from stream.explain.weighing import Weighing
from stream.replay.run import Replay
from stream.wire.fields import shown

LAST = "last"
"""In place of an alert's id: the customer's last one."""
_ALERTS_SHOWN = 10


class Replayed:
    """A replay, and what was said in it of one customer."""

    def __init__(
        self, policy: Policy, customer_id: str, pinned: Sequence[Snapshot] | None = None
    ) -> None:
        """Begin where nothing is known; `pinned` snapshots answer in place of what is learned."""
        self._customer_id = customer_id
        self._run = Replay(policy, pinned=pinned, alerts=None)
        self._run.detector.voice.listener = self._hear
        self._weighing = Weighing(policy, self._run.timeline)
        self._said: list[tuple[Customer, Alert]] = []
        self._end = 0

    def replay(
        self,
        batches: Iterable[EventBatch],
        as_of: int | None = None,
        ends_at: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Let time pass up to a moment (ms); None: to the log's end, as a replay has it.

        `ends_at` is asked behind the last event, as `replay_events` does.
        """
        run, latest = self._run, None
        for batch in batches:
            until = len(batch) if as_of is None else batch.before(as_of)
            run.take(batch.part(0, until))
            if until:
                latest = int(batch.occurred_at[until - 1])
            if until < len(batch):
                break
        else:
            if latest is not None:
                self._end = run.finish(latest, ends_at() if as_of is None else as_of)
            return
        assert as_of is not None
        self._end = as_of
        run.run_until(as_of)

    def moment(self) -> Explanation:
        """Explain what would be said where the replay has come to; Unexplained: nothing would."""
        return self._weighing.at(self._customer_id, self._known(), self._end)

    def alert(self, alert_id: str) -> Explanation:
        """Explain an alert; Unexplained: there was none of this id."""
        if alert_id == LAST and self._said:
            return self._weighing.alert(*self._said[-1])
        for customer, alert in self._said:
            if alert.alert_id == alert_id:
                return self._weighing.alert(customer, alert)
        self._known()
        told = ", ".join(alert.alert_id for _, alert in self._said[-_ALERTS_SHOWN:])
        raise Unexplained(
            f"--alert: {alert_id}: the log comes to no such alert on {shown(self._customer_id)};"
            f" its last ones are {told}"
            if told
            else f"--alert: the log comes to no alert on {shown(self._customer_id)}"
        )

    def _known(self) -> Customer:
        """Give the customer; Unexplained where it never visited."""
        customers = self._run.detector.customers
        customer = (
            customers.look(self._customer_id) if self._customer_id in customers.entries else None
        )
        return check_visited(self._customer_id, customer)

    def _hear(self, customer: Customer, alert: Alert) -> None:
        if alert.customer_id == self._customer_id:
            self._said.append((deepcopy(customer), alert))


def check_visited(customer_id: str, customer: Customer | None) -> Customer:
    """Give a customer of whom there is something to explain; raise Unexplained for any other."""
    name = shown(customer_id)
    if customer is not None and customer.identity is not None and customer.identity.moved_to:
        to = shown(customer.identity.moved_to)
        raise Unexplained(f"{name} goes on as {to}, by an alias: explain that one")
    if customer is None or not customer.visits:
        raise Unexplained(
            f"{name}: no visit of this customer is known by then. Ids are as in the events, upper"
            " and lower case differ; a first visit counts once the allowed lateness has passed."
        )
    return customer
