"""Accounts: what is told of members in; alerts on accounts out.

Time is what the slowest partition of customers has come to: then everything
before it has been told.  The wall clock has no say here, so a partition that
lags makes no account look silent.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from faust.types import TP

from stream.detector.accounts.account import Account
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.accounts.roll_up import AccountsProgress, RollUp
from stream.detector.policy import Policy
from stream.engine.exits import Fatal
from stream.engine.flow import Batch, Fold, Output, Record, Row
from stream.wire.account_alerts import account_alert_headers, encode_account_alert
from stream.wire.heartbeat import Heartbeat
from stream.wire.members import MemberNewsError, decode_member
from stream.wire.state import StateCodec
from stream.worker.metrics import Metrics
from stream.worker.origins import Origins


class Reached(msgspec.Struct, array_like=True):
    """What a checkpoint holds of a partition besides its accounts."""

    roll_up: AccountsProgress
    origins: Origins


REACHED = StateCodec(Reached)
ACCOUNT = StateCodec(Account)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDesk:
    """Decides about each alert on an account whether it is live, backfill, or no news at all.

    As for customers: by the wall clock old news goes out only if it is asked
    for, and in event time now is when the event says it is; those on the holdout
    go to a topic of their own.
    """

    topic: str
    holdout_topic: str
    accounts: str
    """Topic of each account's latest alert."""
    wall_clock: bool
    max_age_ms: int
    publish_backfill: bool
    metrics: Metrics
    clock: Callable[[], int]

    def outputs(self, alerts: Sequence[AccountAlert]) -> list[Output]:
        """Return the records of the alerts that go out."""
        going = self._news(alerts) if self.wall_clock and alerts else alerts
        for alert in going:
            self.metrics.account_alerts.labels(alert.kind.value, alert.trigger.value).inc()
        said = [
            _record(self.holdout_topic if alert.holdout else self.topic, alert) for alert in going
        ]
        return [*said, *self._latest(alerts, going)]

    def forget(self, account_ids: Sequence[str]) -> list[Output]:
        """Return the tombstones of accounts whose latest alert may name who was erased.

        The account's next alert says anew how it stands, without that name.
        """
        return [Output(self.accounts, None, one.encode(), None) for one in account_ids]

    def _latest(
        self, alerts: Sequence[AccountAlert], going: Sequence[AccountAlert]
    ) -> list[Output]:
        """Return the records of how accounts stand now, but for those on the holdout."""
        live = {alert.alert_id: alert for alert in going}
        latest = {
            alert.account_id: live.get(alert.alert_id, alert)
            for alert in alerts
            if not alert.holdout
        }
        return [_record(self.accounts, alert) for alert in latest.values()]

    def _news(self, alerts: Sequence[AccountAlert]) -> list[AccountAlert]:
        """Call recent alerts live, and hold back the others unless they are asked for."""
        now, going = self.clock(), []
        held_back: Counter[str] = Counter()
        for alert in alerts:
            if now - alert.time <= self.max_age_ms:
                going.append(msgspec.structs.replace(alert, backfill=False))
            elif self.publish_backfill:
                going.append(alert)
            else:
                held_back[alert.kind.value] += 1
        for kind, count in held_back.items():
            self.metrics.alerts_held_back.labels(kind).inc(count)
        return going


def _record(topic: str, alert: AccountAlert) -> Output:
    """Write an alert for a topic."""
    key, headers = alert.account_id.encode(), account_alert_headers(alert)
    return Output(topic, None, key, encode_account_alert(alert), headers)


class AccountsFold(Fold):
    """The work on one partition of the members topic."""

    def __init__(
        self, tp: TP, *, policy: Policy, desk: AccountDesk, metrics: Metrics, origins: int
    ) -> None:
        """Prepare; `origins` is how many partitions of customers tell this one."""
        self._tp = tp
        self._policy = policy
        self._desk = desk
        self._metrics = metrics
        self._origins = Origins(origins)
        self._accounts: dict[str, Account] = {}
        self._roll_up: RollUp
        self._outputs: list[Output] = []

    @property
    def pending(self) -> int:
        """Count what is unsaved."""
        return len(self._roll_up.touched) + len(self._outputs)

    # ------------------------------------------------------------ restore

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take an account as it was last saved."""
        if value is None:
            self._accounts.pop(key.decode(), None)
        else:
            self._accounts[key.decode()] = ACCOUNT.decode(value)

    def begin(self, progress: bytes | None) -> None:
        """Take up the work where the rows leave it."""
        reached = (
            REACHED.decode(progress) if progress else Reached(AccountsProgress(), self._origins)
        )
        self._origins = reached.origins
        self._roll_up = RollUp(self._policy, self._accounts, reached.roll_up)

    # ------------------------------------------------------------ the work

    def apply(self, records: Sequence[Record]) -> None:
        """Take what is told, and let time pass where it has for all who tell."""
        results: Counter[str] = Counter()
        for record in records:
            try:
                told = decode_member(record.value)
            except MemberNewsError as error:
                raise Fatal(f"{self._tp.topic}, offset {record.offset}: {error}") from error
            if isinstance(told, Heartbeat):
                now = self._origins.hear(told)
                if now is not None:
                    self._outputs += self._desk.outputs(self._roll_up.pass_time(now))
            else:
                self._roll_up.take((told,))
                results["applied"] += 1
        # What was told late is answered at once.
        decided = self._roll_up.progress.decided
        self._outputs += self._desk.outputs(self._roll_up.pass_time(decided))
        self._outputs += self._desk.forget(self._roll_up.forgot)
        self._roll_up.forgot.clear()
        self._metrics.took(self._tp.topic, results)
        self._metrics.rolls_up(self._tp, decided, len(self._accounts))

    def repeat(self, records: Sequence[Record]) -> None:
        """Do so again: nothing but the records goes in."""
        self.apply(records)

    def tick(self, now_ms: int, caught_up: bool) -> None:  # noqa: FBT001 - see Fold
        """Do nothing: time is what is told."""

    def publish(self) -> list[Output] | None:
        """Hand over the alerts."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def collect(self) -> Batch:
        """Hand over what is unsaved, down to the accounts touched."""
        roll_up = self._roll_up
        rows: list[Row] = [
            (account_id.encode(), ACCOUNT.encode(self._accounts[account_id]))
            for account_id in roll_up.touched
        ]
        roll_up.touched.clear()
        outputs, self._outputs = self._outputs, []
        return Batch(rows, outputs, REACHED.encode(Reached(roll_up.progress, self._origins)))
