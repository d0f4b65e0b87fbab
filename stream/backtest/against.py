"""Against: what a changed policy would have done, beside the one it is to replace.

Each replays the log by itself, with a dial, a model and a record of its own, as
it would have run.  Both are held against the same history: what counts as use,
and as a lapse, is what the new policy says, for that is what is wanted from now on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stream.backtest.findings import Against, Case, Only, Part, Side
from stream.backtest.judging import Alerts, Court
from stream.backtest.noting import NotingReplay
from stream.detector.alerts import Alert
from stream.detector.events import DAY_MS
from stream.replay import run as replay
from stream.replay.refusals import Refusals
from stream.wire.policy_file import PolicyFile
from stream.wire.times import iso

EXAMPLES = 10
"""Customers who are shown, of those newly alerted on and of those no longer."""


class Fate(NamedTuple):
    """What became of one alert."""

    alert: Alert
    came_to: str
    """"right", "false", or "unknown": the log ends too soon, or nothing says."""


def opened_by(
    files: Sequence[str],
    policy_file: PolicyFile,
    *,
    received_at: int,
    watcher: replay.Watcher | None = None,
) -> list[Alert]:
    """Replay a log by a policy, and give the alerts that opened; LogError as `replay` has it."""
    run, last = NotingReplay(policy_file.policy, alerts=None), None
    for batch in replay.read_in_order(
        files, policy_file, received_at=received_at, refusals=Refusals(), watcher=watcher
    ):
        run.take(batch)
        last = int(batch.occurred_at[-1])
    if last is not None:
        run.finish(last)
    return run.opened


def against(
    old: tuple[PolicyFile, Sequence[Alert]], new: tuple[PolicyFile, Sequence[Alert]], court: Court
) -> Against:
    """Hold the alerts of two policies against what came after, and against each other."""
    codes = {customer_id: code for code, customer_id in enumerate(court.history.customers)}
    fates = [list(fates_of(alerts, court)) for _, alerts in (old, new)]
    before, after = (_first(found) for found in fates)
    return Against(
        old=_side(old[0], fates[0], court, codes),
        new=_side(new[0], fates[1], court, codes),
        both=len(before.keys() & after.keys()),
        newly=_only(after, before),
        no_longer=_only(before, after),
    )


def fates_of(alerts: Iterable[Alert], court: Court) -> Iterator[Fate]:
    """Say what became of the alerts in the time that is scored, by customer and then by time.

    Last come those on customers nothing of whom counts as use.
    """
    codes = {customer_id: code for code, customer_id in enumerate(court.history.customers)}
    scored = [alert for alert in alerts if alert.time >= court.begin]
    known = [alert for alert in scored if alert.customer_id in codes]
    # As the court orders them: by customer, then by time.
    known.sort(key=lambda alert: (codes[alert.customer_id], alert.time))
    found = court.judge(_alerts(known, codes))
    for alert, right, false in zip(known, found.true.tolist(), found.false.tolist(), strict=True):
        yield Fate(alert, "right" if right else "false" if false else "unknown")
    for alert in scored:
        if alert.customer_id not in codes:
            yield Fate(alert, "unknown")  # nothing of it counts as use by the new policy


def _alerts(alerts: Sequence[Alert], codes: Mapping[str, int]) -> Alerts:
    return Alerts(
        np.array([codes[alert.customer_id] for alert in alerts], np.int64),
        np.array([alert.time for alert in alerts], np.int64),
    )


def _side(
    policy_file: PolicyFile, fates: Sequence[Fate], court: Court, codes: Mapping[str, int]
) -> Side:
    policy = policy_file.policy
    triggers = sorted({fate.alert.trigger for fate in fates})
    return Side(
        policy_version=policy.version,
        dial=policy.false_alarms_per_customer_month,
        horizon_days=policy.horizon_ms / DAY_MS,
        everything=_part(fates, court, codes),
        triggers={
            trigger.value: _part([f for f in fates if f.alert.trigger is trigger], court, codes)
            for trigger in triggers
        },
    )


def _part(fates: Sequence[Fate], court: Court, codes: Mapping[str, int]) -> Part:
    """Count what became of some alerts."""
    known = [fate.alert for fate in fates if fate.alert.customer_id in codes]
    score = court.score(_alerts(known, codes))
    return Part(
        alerts=len(fates),
        customers=len({fate.alert.customer_id for fate in fates}),
        right=score.true,
        false=score.false,
        unknown=len(fates) - score.true - score.false,
        false_per_customer_month=score.false_per_customer_month,
        precision=score.precision,
        recall=score.recall,
        mean_delay_days=score.mean_delay_days,
    )


def _first(fates: Iterable[Fate]) -> dict[str, Fate]:
    """Give each customer's first alert, in the order of their times."""
    first: dict[str, Fate] = {}
    for fate in sorted(fates, key=lambda fate: (fate.alert.time, fate.alert.customer_id)):
        first.setdefault(fate.alert.customer_id, fate)
    return first


def _only(these: Mapping[str, Fate], those: Mapping[str, Fate]) -> Only:
    """Say who is alerted on by one policy, and not by the other."""
    only = [fate for customer_id, fate in these.items() if customer_id not in those]
    return Only(
        customers=len(only),
        came_to=dict(sorted(Counter(fate.came_to for fate in only).items())),
        cases=[
            Case(
                customer_id=fate.alert.customer_id,
                time=iso(fate.alert.time),
                trigger=fate.alert.trigger.value,
                reason=fate.alert.reason_1_text,
                came_to=fate.came_to,
            )
            for fate in only[:EXAMPLES]
        ],
    )
