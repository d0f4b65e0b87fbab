"""The verdict: what the alerts were worth, read against the truth.

An alert is worth the days it comes before the rule everybody already has: "idle
for the whole horizon".  What it costs is false alarms.  Days alone would be won
by crying wolf, so they stand beside the false alarms, and beside the fixed idle
rule that would have raised no more of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, takewhile
from statistics import median

import msgspec
from rich.table import Table

from stream.demo.simulate import Fate, Truth
from stream.detector.alerts import Alert, Kind, Trigger
from stream.detector.events import DAY_MS, HOUR_MS
from stream.detector.policy import Policy

MONTH_MS = 30.4375 * DAY_MS
"""A customer-month."""

_ANSWERED_WITHIN_MS = HOUR_MS
_CLOSING = (Kind.RECOVERED, Kind.RETRACTED)


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """What the alerts of one episode say together."""

    customer_id: str
    opened_at: int
    """Its first alert; of an episode that begins as a lapse, that one."""
    trigger: Trigger
    """What its first alert was about."""
    foretold: bool
    """It was opened before it lapsed, or began with the customer's own word."""
    closed_at: int | None = None
    """When it recovered or was retracted; None: it stood to the end, lapsed or not."""

    def stands(self, at: int) -> bool:
        """Say whether the customer was called slipping at that time."""
        return self.opened_at <= at and (self.closed_at is None or at < self.closed_at)


class IdleRule(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed number of idle days, and what it would have done for the same customers."""

    days: int
    days_earlier_mean: float
    """Before the horizon, over all leavers."""
    false_alarms: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was caught, how early, and at what price; from `counted_from` on."""

    horizon_days: float
    leavers: int
    """Left early enough for the horizon to run out before the end."""
    leavers_caught: int
    """Called slipping before the horizon ran out."""
    caught_by: Mapping[Trigger, int]
    days_earlier_mean: float
    """Before the horizon ran out, over all leavers: 0 for a leaver who was not caught."""
    unwarned: int
    """Leavers who gave no warning: only these can be compared with a rule that reads silence."""
    unwarned_days_earlier_mean: float
    """Before the horizon ran out, over all of those: 0 for one who was not caught."""
    days_earlier_median: float | None
    """The same over the leavers caught."""
    decliners: int
    decliners_caught: int
    days_to_decline_median: float | None
    warnings: int
    warnings_answered: int
    false_alarms: int
    """Silence and decline alerts about customers who stayed as they were, and came back."""
    foreseen: int
    """Alerts about leavers who were fading already, and came back once more: not false."""
    customer_months: float
    false_alarms_per_customer_month: float
    dial: float
    """The same, as the policy wishes it."""
    idle_rule: IdleRule
    """The shortest that raises no more false alarms."""


def judge(
    truths: Sequence[Truth],
    alerts: Iterable[Alert],
    policy: Policy,
    *,
    counted_from: int,
    ends_at: int,
) -> Verdict:
    """Judge the alerts of [counted_from, ends_at) (event time) by the truth."""
    by_customer: dict[str, list[Episode]] = {}
    for episode in episodes(alerts):
        by_customer.setdefault(episode.customer_id, []).append(episode)
    cases = [
        _Case(truth, by_customer.get(truth.customer_id, []), policy, (counted_from, ends_at))
        for truth in truths
    ]

    leads = [case.days_earlier() for case in cases if case.leaver_counts()]
    caught = [lead for lead in leads if lead is not None]
    unwarned = [
        case.days_earlier() or 0.0
        for case in cases
        if case.leaver_counts() and case.truth.warned_at is None
    ]
    caught_by = [case.caught_by() for case in cases if case.leaver_counts()]
    delays = [case.days_to_decline() for case in cases if case.decliner_counts()]
    noticed = [delay for delay in delays if delay is not None]
    warnings = [case.warning_answered() for case in cases if case.warning_counts()]
    false_alarms = sum(case.false_alarms() for case in cases)
    months = sum(case.exposure_ms() for case in cases) / MONTH_MS
    return Verdict(
        horizon_days=policy.horizon_ms / DAY_MS,
        leavers=len(leads),
        leavers_caught=len(caught),
        caught_by={trigger: count for trigger in Trigger if (count := caught_by.count(trigger))},
        days_earlier_mean=sum(caught) / len(leads) if leads else 0.0,
        unwarned=len(unwarned),
        unwarned_days_earlier_mean=sum(unwarned) / len(unwarned) if unwarned else 0.0,
        days_earlier_median=median(caught) if caught else None,
        decliners=len(delays),
        decliners_caught=len(noticed),
        days_to_decline_median=median(noticed) if noticed else None,
        warnings=len(warnings),
        warnings_answered=sum(warnings),
        false_alarms=false_alarms,
        foreseen=sum(case.foreseen() for case in cases),
        customer_months=months,
        false_alarms_per_customer_month=false_alarms / months if months else 0.0,
        dial=policy.false_alarms_per_customer_month,
        idle_rule=_idle_rule(cases, policy, false_alarms),
    )


def episodes(alerts: Iterable[Alert]) -> list[Episode]:
    """Put the alerts of each episode together, in the order of their first alerts."""
    by_id: dict[str, Episode] = {}
    for alert in sorted(alerts, key=lambda alert: (alert.time, alert.kind is not Kind.OPENED)):
        known = by_id.get(alert.episode_id)
        if known is None:
            by_id[alert.episode_id] = Episode(
                customer_id=alert.customer_id,
                opened_at=alert.time,
                trigger=alert.trigger,
                foretold=alert.kind is Kind.OPENED or alert.trigger is Trigger.ENDING,
            )
        elif alert.kind in _CLOSING:
            by_id[alert.episode_id] = msgspec.structs.replace(known, closed_at=alert.time)
    return list(by_id.values())


class _Case:
    """One customer's truth beside what was said about the customer."""

    def __init__(
        self,
        truth: Truth,
        said: Sequence[Episode],
        policy: Policy,
        counted: tuple[int, int],
    ) -> None:
        """Keep what is judged; only what is `foretold` is more than the horizon's rule."""
        self.truth = truth
        self._said = [episode for episode in said if episode.foretold]
        self._policy = policy
        self._from, self._until = counted

    def leaver_counts(self) -> bool:
        left_at = self.truth.left_at
        return (
            left_at is not None
            and self._from <= left_at
            and left_at + self._policy.horizon_ms <= self._until
            and len(self.truth.visits_at) >= self._policy.visits_min
        )

    def days_earlier(self) -> float | None:
        """Return how long before the horizon ran out the leaver was called slipping, if at all."""
        caught = self._caught()
        if caught is None or self.truth.left_at is None:
            return None
        called_at = max(caught.opened_at, self.truth.left_at)
        return (self.truth.left_at + self._policy.horizon_ms - called_at) / DAY_MS

    def caught_by(self) -> Trigger | None:
        """Return what gave the leaver away, if anything did."""
        caught = self._caught()
        return caught.trigger if caught else None

    def _caught(self) -> Episode | None:
        """Return the first episode that stands in the leaver's last silence, within the horizon."""
        left_at = self.truth.left_at
        if left_at is None:
            return None
        runs_out_at = left_at + self._policy.horizon_ms
        for episode in self._said:
            if episode.opened_at < runs_out_at and episode.stands(max(left_at, episode.opened_at)):
                return episode
        return None

    def decliner_counts(self) -> bool:
        declines_at = self.truth.declines_at
        return declines_at is not None and self._from <= declines_at < self._until

    def days_to_decline(self) -> float | None:
        """Return how long after the decline began the decliner was first called slipping."""
        declines_at = self.truth.declines_at
        if declines_at is None:
            return None
        called = (e.opened_at for e in self._said if e.opened_at >= declines_at)
        first = next(called, None)
        return None if first is None else (first - declines_at) / DAY_MS

    def warning_counts(self) -> bool:
        warned_at = self.truth.warned_at
        return warned_at is not None and self._from <= warned_at < self._until

    def warning_answered(self) -> bool:
        """Say whether the customer was called slipping within the hour of the warning."""
        warned_at = self.truth.warned_at
        return warned_at is not None and any(
            episode.stands(max(warned_at, episode.opened_at))
            and episode.opened_at <= warned_at + _ANSWERED_WITHIN_MS
            for episode in self._said
        )

    def false_alarms(self) -> int:
        return sum(
            self._came_back(e.opened_at) and not self._had_turned(e.opened_at)
            for e in self._guesses()
        )

    def foreseen(self) -> int:
        if self.truth.fate is not Fate.LEAVES:
            return 0
        return sum(
            self._came_back(e.opened_at) and self._had_turned(e.opened_at) for e in self._guesses()
        )

    def _guesses(self) -> list[Episode]:
        """Return the episodes that rest on nothing the customer said."""
        return [
            episode
            for episode in self._said
            if episode.trigger in (Trigger.SILENCE, Trigger.DECLINE)
            and self._from <= episode.opened_at < self._until
        ]

    def _had_turned(self, at: int) -> bool:
        """Say whether the customer was really fading, leaving or declining by then."""
        truth = self.truth
        turns = (truth.fades_at, truth.left_at, truth.declines_at)
        return any(turn is not None and at >= turn for turn in turns)

    def _came_back(self, at: int) -> bool:
        """Say whether the silence (or the gap) at that time ended within the horizon.

        One that the end of the simulation cuts short counts as ended: of most
        customers who stay that is true.
        """
        before = max((v for v in self.truth.visits_at if v <= at), default=None)
        after = next((v for v in self.truth.visits_at if v > at), None)
        if after is None:
            return self.truth.left_at is None
        return before is None or after - before < self._policy.horizon_ms

    def silences(self) -> Iterable[tuple[int, int]]:
        """Give (from, until) of each silence of a customer who may be alerted on."""
        eligible = self.truth.visits_at[self._policy.visits_min - 1 :]
        yield from pairwise(eligible)
        if eligible:
            yield eligible[-1], self._until

    def exposure_ms(self) -> float:
        """Return how long the customer could be alerted on, each silence up to the horizon."""
        horizon_ms = self._policy.horizon_ms
        return sum(
            max(0, min(until, since + horizon_ms, self._until) - max(since, self._from))
            for since, until in self.silences()
        )

    def false_alarms_after(self, idle_ms: int) -> int:
        """Return how many false alarms a fixed idle rule would raise about the customer."""
        return sum(
            self._from <= since + idle_ms < min(until, self._until)
            and self._came_back(since + idle_ms)
            and not self._had_turned(since + idle_ms)
            for since, until in self.silences()
        )


def _idle_rule(cases: Sequence[_Case], policy: Policy, false_alarms: int) -> IdleRule:
    """Find the shortest idle rule, in whole days, that raises no more false alarms."""
    horizon_days = policy.horizon_ms // DAY_MS
    leavers = any(case.leaver_counts() for case in cases)
    counts = (
        (days, sum(case.false_alarms_after(days * DAY_MS) for case in cases))
        for days in range(horizon_days, 0, -1)
    )
    allowed = list(takewhile(lambda each: each[1] <= false_alarms, counts))
    days, raised = allowed[-1] if allowed else (horizon_days, 0)
    return IdleRule(
        days=days,
        days_earlier_mean=float(horizon_days - days) if leavers else 0.0,
        false_alarms=raised,
    )


def table(verdict: Verdict) -> Table:
    """Lay the verdict out for a reader who has just watched."""
    horizon = f"{verdict.horizon_days:g}"
    shown = Table(title="What it was worth", title_justify="left", show_header=False)
    shown.add_column(style="bold")
    shown.add_column()
    shown.add_row(
        "Leavers caught",
        f"{_share(verdict.leavers_caught, verdict.leavers)} before {horizon} idle days were over"
        f" {_by(verdict.caught_by)}",
    )
    if verdict.days_earlier_median is not None:
        shown.add_row(
            "How early",
            f"{verdict.days_earlier_mean:.1f} days before the {horizon}-day rule on average"
            f" (0 for those missed); median of those caught {verdict.days_earlier_median:.1f}",
        )
    rule = verdict.idle_rule
    shown.add_row(
        "Against a fixed rule",
        f"{verdict.unwarned_days_earlier_mean:.1f} days, over the {verdict.unwarned} leavers who"
        f" gave no warning; {rule.days} idle days, {rule.false_alarms} false alarms, would come"
        f" {rule.days_earlier_mean:.1f} days before the {horizon}-day rule",
    )
    shown.add_row(
        "Decliners caught",
        _share(verdict.decliners_caught, verdict.decliners)
        + (
            f", median {verdict.days_to_decline_median:.1f} days after they began to come less"
            if verdict.days_to_decline_median is not None
            else ""
        ),
    )
    shown.add_row(
        "Warnings answered",
        f"{_share(verdict.warnings_answered, verdict.warnings)} within the hour",
    )
    shown.add_row(
        "False alarms",
        f"{verdict.false_alarms} in {verdict.customer_months:,.0f} customer-months:"
        f" {verdict.false_alarms_per_customer_month:.3f} each, the dial is set to {verdict.dial:g}",
    )
    shown.add_row(
        "Called early",
        f"{verdict.foreseen} alerts about leavers who had begun to fade, and came once more",
    )
    return shown


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({part / whole:.0%})" if whole else "")


def _by(counts: Mapping[Trigger, int]) -> str:
    if not counts:
        return ""
    return "(" + ", ".join(f"{trigger.value} {count}" for trigger, count in counts.items()) + ")"
