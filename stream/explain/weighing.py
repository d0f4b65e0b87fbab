"""Weighing: one customer's state at one moment, turned into an explanation of what is said of it.

Nothing is computed here that the detector or the model does not compute for an alert; it is asked
of the same functions, and put side by side.
"""

from copy import deepcopy
from math import isfinite, log, sqrt

from models.online import OnlineModel
from models.protocol import FALLS, RiskModels
from models.warned import WarningFound
from stream.detector import cadence, falls
from stream.detector.advice import Adviser
from stream.detector.alerts import OVERDUE_CHANCE, Alert
from stream.detector.calendar import local_time
from stream.detector.customer import Customer
from stream.detector.features import facts
from stream.detector.holdout import held_out
from stream.detector.horizons import Horizon, Horizons
from stream.detector.policy import Policy
from stream.detector.ranking import as_if_left
from stream.detector.stages import Kind, Stage, Trigger
from stream.detector.suspension import Suspension
from stream.explain.checks import Checks, Silent
from stream.explain.explanation import (
    Check,
    EarlierWarnings,
    Explanation,
    Fall,
    Past,
    Said,
    Silence,
    Worth,
)
from stream.wire.times import iso


class Weighing:
    """Explains by one policy."""

    def __init__(self, policy: Policy, models: RiskModels) -> None:
        """Ask the model that is in force at each moment; all of them are `OnlineModel`s."""
        self._policy = policy
        self._models = models
        self._adviser = Adviser(policy)
        self._suspension = Suspension(policy, models)
        self._horizons = Horizons(policy)
        self._checks = Checks(policy, self._adviser, self._suspension, self._horizons)
        self._local = local_time(policy.calendar)

    def at(self, customer_id: str, customer: Customer, moment: int) -> Explanation:
        """Explain what would be said of a customer at a moment (ms): has visited, by then.

        A visit that is under way counts as over, as in a ranking.
        """
        horizon = self._horizons.of(customer)
        left = as_if_left(customer, horizon, self._policy)
        return self._explain(customer_id, left, moment, None)

    def alert(self, customer: Customer, alert: Alert) -> Explanation:
        """Explain an alert, by the state that it was said of."""
        return self._explain(alert.customer_id, _before(customer, alert), alert.time, alert)

    def _explain(
        self, customer_id: str, customer: Customer, at: int, alert: Alert | None
    ) -> Explanation:
        policy, horizon = self._policy, self._horizons.of(customer)
        model = self._model(at, horizon)
        not_counted = self._suspension.within(customer.last_at, at)
        working = model.working(facts(customer, at, self._local))
        known = facts(customer, at, self._local, not_counted)
        silent = Silent(customer, at, known, not_counted, model.assess(known))
        left = customer.ended or (
            alert is not None and alert.trigger is Trigger.ENDING and alert.kind is Kind.LAPSED
        )
        checks = tuple(self._checks.ask(silent, model))
        rung = horizon.ladder.first_after(customer.last_at, at)
        landmark = None if customer.ended else horizon.ladder.at(customer.last_at, rung)
        segment = self._adviser.segment(customer)
        earlier = None if alert is None else _earlier(alert, model)
        risk = working.lapse.probability
        if earlier is not None:
            risk = earlier.p_leaves(risk)
        return Explanation(
            customer_id=customer_id,
            at=iso(at),
            alert=None if alert is None else _said(alert),
            policy_version=policy.version,
            model_version=model.version,
            horizon=horizon.days,
            segment=segment.name,
            traits=customer.life.traits if customer.life else {},
            past=_past(customer),
            silence=self._silence(customer, at, silent, horizon.days),
            risk=1.0 if left else risk,
            left=left,
            working=working,
            worth=self._worth(silent, model),
            falls=tuple(self._falls(customer, model)),
            checks=checks,
            verdict=self._verdict(silent, checks, alert),
            next_look=None if landmark is None else iso(landmark),
            held_out=held_out(customer_id, policy.holdout),
            warning=None if alert is None or earlier is None else _shown(alert, earlier),
        )

    def _model(self, at: int, horizon: Horizon) -> OnlineModel:
        model = self._models.at(at, horizon.key)
        assert isinstance(model, OnlineModel)
        return model

    def _silence(self, customer: Customer, at: int, silent: Silent, horizon: float) -> Silence:
        gaps, span = customer.rhythm.gaps, customer.span_days
        lasts = facts(customer, at, self._local).silence
        return Silence(
            lasts=lasts,
            not_counted=cadence.days(silent.not_counted_ms),
            judged=silent.known.silence,
            usual_gap=span / gaps if gaps else None,
            shrunk_gap=cadence.expected_gap(gaps, span, horizon),
            shape=1.0 + gaps,
            rate=span + horizon / cadence.PRIOR_SHARE,
            outlasting=cadence.outlasts(gaps, span, horizon, lasts),
            overdue_after=cadence.deadline(gaps, span, horizon, OVERDUE_CHANCE),
        )

    def _worth(self, silent: Silent, model: OnlineModel) -> Worth:
        judged, customer = silent.judged, silent.customer
        back = model.working(silent.known).back
        days_left = model.snapshot.horizon_days - silent.known.silence
        gain = days_left * judged.p_gap / (1 - judged.p_lapse)
        return Worth(
            p_lapse=judged.p_lapse,
            p_gap=judged.p_gap,
            p_back=back.probability,
            back_days=model.snapshot.back_days,
            hazard=judged.hazard,
            days_left=days_left,
            gain=log(gain) if gain > 0 else None,
            urgency=log(judged.p_gap / judged.hazard),
            value=_finite(judged.value),
            threshold=_finite(model.threshold(customer.dial)),
            dial=customer.dial,
            highest=customer.best_value,
        )

    def _falls(self, customer: Customer, model: OnlineModel) -> list[Fall]:
        falling, decline = customer.falling, self._policy.decline
        if falling is None or not decline.enabled:
            return []
        return [
            Fall(
                fall=FALLS[cause],
                level=float(falls.level(falling, cause)),
                told_from=model.fall_level(FALLS[cause])
                if decline.alarm_nats is None
                else decline.alarm_nats,
            )
            for cause in falls.CAUSES
        ]

    def _verdict(self, silent: Silent, checks: tuple[Check, ...], alert: Alert | None) -> str:
        """Say what follows."""
        unmet = [check for check in checks if not check.met]
        if alert is not None and alert.kind is Kind.ESCALATED and alert.trigger is Trigger.SILENCE:
            return f"Escalated: {self._escalates(silent.judged.p_lapse)}."
        if alert is not None:
            stage = alert.kind.value.capitalize()
            return f"{stage} for {alert.trigger.value}: {alert.reason_1_text}"
        if not unmet:
            return "An alert on this silence would open here: all conditions are met."
        episode = silent.customer.episode
        if episode is not None and [check.name for check in unmet] == ["free"]:
            return f"No second alert: {unmet[0].says}."
        return f"No alert on this silence: {unmet[0].says}."

    def _escalates(self, risk: float) -> str:
        """Say why a silence makes an open episode graver; `risk` is by the time that counts."""
        severe = self._policy.escalate_at_risk
        if risk >= severe:
            return f"P(lapse) is {risk:.4f}, and an open episode escalates from {severe:g} on"
        return "beside what had been told of, the silence has come to be worth an alert by itself"


def _earlier(alert: Alert, model: OnlineModel) -> WarningFound | None:
    """Give what the model knows of warnings like an alert's; None: nothing, or it is of none."""
    if alert.trigger is not Trigger.WARNING or alert.kind not in (Kind.OPENED, Kind.ESCALATED):
        return None
    return model.snapshot.warned.get(alert.event)


def _shown(alert: Alert, earlier: WarningFound) -> EarlierWarnings:
    return EarlierWarnings(
        event=alert.event, resolved=earlier.resolved, left=earlier.left, adds=earlier.adds
    )


def _before(customer: Customer, alert: Alert) -> Customer:
    """Give the state that an alert was decided on: without what the alert itself changed."""
    seen = deepcopy(customer)
    if alert.kind is Kind.OPENED:
        seen.episode = None
    elif alert.kind is Kind.ESCALATED and seen.episode is not None:
        seen.episode.stage = Stage.SLIPPING
    return seen


def _past(customer: Customer) -> Past:
    rhythm = customer.rhythm
    return Past(
        visits=customer.visits,
        gaps=rhythm.gaps,
        first_visit=iso(customer.first_at),
        last_visit=iso(customer.visit_at),
        last_event=iso(customer.last_at),
        span=customer.span_days,
        last_gap=rhythm.last_gap,
        longest_gap=rhythm.longest_gap,
        survived=rhythm.survived,
        log_gap_mean=rhythm.log_mean,
        log_gap_sd=sqrt(rhythm.log_variance),
    )


def _said(alert: Alert) -> Said:
    reasons = (alert.reason_1_text, alert.reason_2_text, alert.reason_3_text)
    return Said(
        alert_id=alert.alert_id,
        kind=alert.kind.value,
        trigger=alert.trigger.value,
        severity=alert.severity.value,
        reasons=tuple(reason for reason in reasons if reason),
    )


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None
