"""What is said about a customer, flat enough for platforms that take no nesting."""

from enum import StrEnum

import msgspec

from models.protocol import Facts, RiskModel
from stream.detector import cadence
from stream.detector.advice import Adviser
from stream.detector.calendar import LocalTime
from stream.detector.customer import Customer, Episode
from stream.detector.events import DAY_MS, SECOND_MS
from stream.detector.holdout import held_out
from stream.detector.life import Phase, open_tickets
from stream.detector.policy import Policy
from stream.detector.reasons import REASONS_MAX, Fall, Reason, explain, usual_gap, waits
from stream.detector.stages import Kind, Trigger

__all__ = ["Alert", "Kind", "Severity", "Trigger"]


OVERDUE_CHANCE = 0.05
"""A silence is overdue when only this share of the customer's own would outlast it."""
MEDIUM_RISK = 0.5
HIGH_RISK = 0.8


class Severity(StrEnum):
    """How sure it is that the customer goes."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one episode of one customer.

    `time` is the event time of the decision (its deadline), never the moment it
    was noticed: milliseconds since 1970-01-01 UTC, as `expected_by`.
    """

    customer_id: str
    time: int
    kind: Kind
    alert_id: str
    episode_id: str
    account_id: str
    severity: Severity
    trigger: Trigger
    risk: float
    """P(no visit within the horizon from now), 0 to 1; of who has just given a warning, P(leaves in
    that time), by what came of earlier ones."""
    silent_for_seconds: int
    usual_gap_seconds: int | None
    """Mean gap between the customer's own visits; None before the second visit."""
    expected_by: int | None
    """When 95 of 100 such silences would have ended; None before the second visit."""
    drop_ratio: float | None
    """Use of late over what was usual, of one who declines: 0 to 1; None in any other alert."""
    reason_1: str
    reason_1_text: str
    reason_2: str
    reason_2_text: str
    reason_3: str
    reason_3_text: str
    event: str = ""
    """Name of the event behind it: a warning, an ending or an activation; empty: there is none."""
    segment: str = ""
    """Kind of customer, by the policy; empty: in none of its segments."""
    phase: Phase = Phase.ACTIVE
    """Where the customer is on its way."""
    play: str = ""
    """Name of the play that the policy suggests; empty: none fits."""
    play_text: str = ""
    """What the play is, in the policy's words."""
    value: float | None = None
    """What the customer is worth, in the policy's unit; None: not known."""
    owner: str = ""
    """Who looks after the customer; empty: nobody is known to."""
    whats_new: str = ""
    """What was released since the customer was last here, the newest first; empty: nothing."""
    holdout: bool = False
    """Recorded to compare with, not delivered: act on it, and the comparison is worth nothing."""
    backfill: bool
    """Decided while working off a log, not as it happened."""
    model_version: str
    """The snapshot that judged; "cold..." where only the prior did."""
    policy_version: str


def severity_of(kind: Kind, trigger: Trigger, risk: float, *, raised: bool = False) -> Severity:
    """Grade an alert: an ending or a lapse is certain, a warning at least worth a look.

    What is `raised` by an open ticket is urgent, but for good news.
    """
    good = kind in (Kind.RECOVERED, Kind.RETRACTED)
    if trigger is Trigger.ENDING or kind is Kind.LAPSED or risk >= HIGH_RISK:
        return Severity.HIGH
    if raised and not good:
        return Severity.HIGH
    if trigger in (Trigger.WARNING, Trigger.ONBOARDING) or risk >= MEDIUM_RISK:
        return Severity.MEDIUM
    return Severity.LOW


def expected_by(
    facts: Facts,
    seen_at: int,
    horizon_days: float,
    local: LocalTime,
    chance: float = OVERDUE_CHANCE,
) -> int:
    """Give when (ms) all but this share of silences since `seen_at` (ms) would have ended.

    Of the customer's own, by its rhythm so far; holidays of `local` come on top.
    """
    silence = cadence.deadline(facts.repeats, facts.span, horizon_days, chance)
    at = seen_at + round(silence * DAY_MS)
    return at + local.holidays_ms(seen_at, at)


def compose(
    customer_id: str,
    customer: Customer,
    change: tuple[Kind, Episode],
    *,
    at: int,
    facts: Facts,
    cause: str,
    fall: Fall | None = None,
    reason: Reason | None = None,
    model: RiskModel,
    horizon_days: float,
    policy: Policy,
    adviser: Adviser,
    local: LocalTime,
) -> Alert:
    """Say what happened to one customer at `at` (ms), with everything a reader needs to act.

    `cause` is the event behind a warning, an ending or an activation, `fall` what shows a decline,
    `reason` the fact itself, where none of these is.
    """
    kind, episode = change
    seen_at = at - round(facts.silence * DAY_MS)
    judged = model.assess(facts)
    warns = episode.trigger is Trigger.WARNING and kind in (Kind.OPENED, Kind.ESCALATED)
    warned = model.assess_warning(cause, facts) if warns else None
    risk = judged.p_lapse
    if kind is Kind.LAPSED and episode.trigger is Trigger.ENDING:
        risk = 1.0
    elif warned is not None:
        risk = warned.p_leaves
    why = explain(
        kind,
        episode.trigger,
        facts,
        cause=cause,
        fall=fall,
        warned=warned,
        holidays=local.holidays_in(seen_at, at),
        horizon_days=horizon_days,
        contributions=model.contributions(judged.inputs),
    )
    if reason is not None:
        why = [reason]
    if customer.life and kind in (Kind.OPENED, Kind.ESCALATED):
        why[1:1] = [waits(at - opened) for opened in open_tickets(customer.life, at)[:1]]
        del why[REASONS_MAX:]
    advice = adviser.advise(customer, change, [reason.code for reason in why], at)
    why += [Reason("", "")] * (REASONS_MAX - len(why))
    known = facts.repeats > 0
    return Alert(
        customer_id=customer_id,
        time=at,
        kind=kind,
        alert_id=f"{episode.episode_id}-{kind.value}",
        episode_id=episode.episode_id,
        account_id=customer.account_id,
        severity=severity_of(kind, episode.trigger, risk, raised=adviser.raised(customer, at)),
        trigger=episode.trigger,
        risk=risk,
        silent_for_seconds=round(facts.silence * DAY_MS) // SECOND_MS,
        usual_gap_seconds=round(usual_gap(facts) * DAY_MS) // SECOND_MS if known else None,
        expected_by=expected_by(facts, seen_at, horizon_days, local) if known else None,
        drop_ratio=fall.ratio if fall else None,
        reason_1=why[0].code,
        reason_1_text=why[0].text,
        reason_2=why[1].code,
        reason_2_text=why[1].text,
        reason_3=why[2].code,
        reason_3_text=why[2].text,
        event="" if kind is Kind.RETRACTED else cause,
        **advice._asdict(),
        holdout=held_out(customer_id, policy.holdout),
        backfill=True,
        model_version=model.version,
        policy_version=policy.version,
    )
