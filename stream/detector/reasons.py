"""Reasons: why this customer, in words with numbers a marketer can check.

The first reason states the fact that triggered; the others are what weighed
most in the model, grouped by what a person would call them.  A cold model has
no weights, so its alerts say the fact alone.
"""

from collections.abc import Callable, Iterable, Sequence
from math import expm1
from typing import NamedTuple

from models.protocol import Facts, WarningAssessment
from stream.detector.events import DAY_MS
from stream.detector.stages import Kind, Trigger

REASONS_MAX = 3
LEAST_LOGITS = 0.1
"""A push smaller than this is not worth a sentence."""
LEAST_DIFFERENCE = 0.5
"""A drop of less than half a thing reads as none."""
TELL_SMALLER_UNIT_BELOW = 2
"""Hours below two days, minutes below two hours."""
DECIMALS_UP_TO_DAYS = 10
WARNINGS_MIN = 10
"""Of fewer earlier warnings, what came of them is not worth a sentence."""
HOLIDAYS_TOLD = 3
"""Names of holidays in a sentence."""


class Reason(NamedTuple):
    """One reason: a stable code for machines, a sentence for people."""

    code: str
    text: str


class Fall(NamedTuple):
    """What shows that a customer uses the product less than it did."""

    reason: Reason
    ratio: float
    """Use of late over what was usual, 0 to 1."""


def fell(visits: int, days: float, usual_rate: float) -> Fall:
    """Say that a customer came so often in the last days; `usual_rate` is visits a day."""
    usual = max(usual_rate * days, LEAST_DIFFERENCE)
    often = "once" if visits == 1 else f"{visits} times"
    text = (
        f"Still comes, but less: {often} in the last {duration(days)},"
        f" where {usual:.0f} were usual."
    )
    return Fall(Reason("comes_less", text), min(1.0, visits / usual))


def does_fewer_things(kinds: float, visits: int, kinds_usual: float) -> Fall:
    """Say that a customer's last visits had so many kinds of event each, on average."""
    text = (
        f"Still comes, but for less: {kinds:.1f} kinds of event in each of the last {visits}"
        f" visits, where {kinds_usual:.1f} were usual."
    )
    return Fall(Reason("fewer_kinds", text), min(1.0, kinds / kinds_usual))


def waits(since_ms: int) -> Reason:
    """Say that a ticket has been open for so long."""
    return Reason("open_ticket", f"Has waited for support for {duration(since_ms / DAY_MS)}.")


def exempt(segment: str) -> Reason:
    """Say that a customer is in a segment of which nobody is alerted on."""
    return Reason("not_eligible", f"Is in “{segment}” now, of which nobody is alerted on.")


def unwatched(*, paused: bool) -> Reason:
    """Say that a customer's silence means nothing any longer."""
    why = "Has paused" if paused else "Is not watched any longer"
    return Reason("not_watched", f"{why}: silence says nothing now.")


def explain(
    kind: Kind,
    trigger: Trigger,
    facts: Facts,
    *,
    cause: str,
    fall: Fall | None = None,
    warned: WarningAssessment | None = None,
    holidays: Iterable[str] = (),
    horizon_days: float,
    contributions: Sequence[tuple[str, float]],
) -> list[Reason]:
    """Give up to three reasons, the fact first.

    `cause` is the event name behind a warning, an ending or an activation, or the id that goes on
    in this one's place; `fall` is what shows a decline; `warned` what the model
    says of a warning; `holidays` are those in the silence; contributions are logits of P(lapse) by
    input name.
    """
    fact = _fact(kind, trigger, facts, cause=cause, horizon_days=horizon_days)
    if fact.code in ("silence", "lapsed"):
        fact = _less_holidays(fact, list(holidays))
    if warned is not None and warned.resolved >= WARNINGS_MIN:
        of_others = f"{warned.left:.0%} left within {duration(horizon_days)}"
        fact = fact._replace(text=f"{fact.text} Of those who did before, {of_others}.")
    reasons = [fall.reason if fall else fact]
    if kind not in (Kind.OPENED, Kind.ESCALATED):
        return reasons
    pushes = dict(contributions)
    totals = [(sum(pushes.get(name, 0.0) for name in g.inputs), g) for g in GROUPS]
    for push, group in sorted(totals, key=lambda item: (-item[0], item[1].code)):
        text = group.say(facts) if push >= LEAST_LOGITS else ""
        if text and len(reasons) < REASONS_MAX:
            reasons.append(Reason(group.code, text))
    return reasons


def _fact(kind: Kind, trigger: Trigger, facts: Facts, *, cause: str, horizon_days: float) -> Reason:
    """State what triggered this stage."""
    silence, horizon = duration(facts.silence), duration(horizon_days)
    if kind is Kind.RETRACTED and cause:
        reason = Reason("same_customer", f"Is “{cause}”, and followed under that id from now on.")
    elif kind is Kind.RETRACTED:
        reason = Reason("late_event", "A visit that arrived late shows that the silence never was.")
    elif kind is Kind.RECOVERED and trigger in (Trigger.SILENCE, Trigger.ENDING):
        reason = Reason("back", f"Back after {silence} of silence.")
    elif kind is Kind.RECOVERED and trigger is Trigger.ONBOARDING:
        how = f"“{cause}”" if cause else "it had, under another id"
        reason = Reason("activated", f"Got going: {how}.")
    elif kind is Kind.RECOVERED:
        reason = Reason("worn_off", f"Keeps coming; the {trigger.value} has worn off.")
    elif trigger is Trigger.WARNING:
        reason = Reason("warning_event", f"Did “{cause}”.")
    elif trigger is Trigger.ENDING:
        reason = Reason("ending_event", f"Left: “{cause}”.")
    elif kind is Kind.LAPSED:
        reason = Reason("lapsed", f"Silent for {horizon}: counts as lapsed here.")
    elif trigger is Trigger.ONBOARDING:
        reason = Reason("not_activated", _stalled(facts))
    else:
        reason = Reason("silence", _silence(facts, silence, horizon_days))
    return reason


def _less_holidays(fact: Reason, holidays: list[str]) -> Reason:
    """Add which holidays do not count as silence, the last ones first."""
    if not holidays:
        return fact
    names = ", ".join(holidays[: -HOLIDAYS_TOLD - 1 : -1])
    more = ", and more" if len(holidays) > HOLIDAYS_TOLD else ""
    return fact._replace(text=f"{fact.text} Holidays in it do not count: {names}{more}.")


def _stalled(facts: Facts) -> str:
    """Say that a customer has not got going."""
    known, visits = duration(facts.span + facts.silence), facts.repeats + 1
    times = "once" if visits == 1 else f"{visits} times"
    return f"Came first {known} ago, {times} since then, and has not got going yet."


def _silence(facts: Facts, silence: str, horizon_days: float) -> str:
    """Say a silence against the customer's own rhythm."""
    if not facts.repeats:
        return f"Came once, {silence} ago, and not again."
    usual = usual_gap(facts)
    if usual > horizon_days:
        return (
            f"Comes every {duration(usual)} or so, rarer than the {duration(horizon_days)} "
            f"that count as lapsed here; silent for {silence}."
        )
    return f"Usually back every {duration(usual)}, silent for {silence}."


def _longest_silence(facts: Facts) -> str:
    """Say that this silence breaks the customer's own record."""
    if not 0 < facts.longest_gap < facts.silence:
        return ""
    return f"Never silent this long before: the longest was {duration(facts.longest_gap)}."


def _gaps_growing(facts: Facts) -> str:
    """Say that the customer comes ever more rarely."""
    if facts.gap_trend <= 0:
        return ""
    return f"The gaps have been growing; the last was {duration(facts.last_gap)}."


def _less_use(facts: Facts) -> str:
    """Say that the last visit was small."""
    now, usual = expm1(facts.volume), expm1(facts.volume_usual)
    if usual - now < LEAST_DIFFERENCE:
        return ""
    return f"Used less on the last visit: {now:.0f} against {usual:.1f} usually."


def _narrower_use(facts: Facts) -> str:
    """Say that the last visit touched few features."""
    if facts.kinds_usual - facts.kinds < LEAST_DIFFERENCE:
        return ""
    return f"Did fewer things: {facts.kinds:.0f} kinds against {facts.kinds_usual:.1f} usually."


def _short_history(facts: Facts) -> str:
    """Say that the customer is new."""
    return f"Has come {facts.repeats + 1} times so far, over {duration(facts.span)}."


class _Group(NamedTuple):
    """Inputs a person would call by one name, and the sentence for them."""

    code: str
    inputs: tuple[str, ...]
    say: Callable[[Facts], str]
    """Empty where the facts do not bear the sentence."""


GROUPS = (
    _Group("longest_silence", ("ln_silence_to_longest", "last_gap", "long_gaps"), _longest_silence),
    _Group("gaps_growing", ("gap_trend", "decline_sharp", "decline_slow"), _gaps_growing),
    _Group("less_use", ("volume", "volume_usual", "volume_change"), _less_use),
    _Group("narrower_use", ("kinds", "kinds_usual", "kinds_change"), _narrower_use),
    _Group("short_history", ("ln_repeats", "ln_age", "age", "volume_total"), _short_history),
)
"""The model's inputs in a person's words; the rest is the silence itself, said first."""

CODES = (
    *("silence", "comes_less", "fewer_kinds", "warning_event", "not_activated", "open_ticket"),
    *("ending_event", "lapsed", "back", "worn_off", "activated", "late_event", "same_customer"),
    *("not_eligible", "not_watched"),
    *(group.code for group in GROUPS),
)
"""Every code a customer's alert may have."""


def usual_gap(facts: Facts) -> float:
    """Give the mean gap between the customer's own visits, in days."""
    return facts.span / facts.repeats if facts.repeats else 0.0


def duration(days: float) -> str:
    """Say a duration as a person would."""
    if days * 24 < TELL_SMALLER_UNIT_BELOW:
        return f"{days * 24 * 60:.0f} minutes"
    if days < TELL_SMALLER_UNIT_BELOW:
        return f"{days * 24:.0f} hours"
    return f"{days:.1f} days" if days < DECIMALS_UP_TO_DAYS else f"{days:.0f} days"
