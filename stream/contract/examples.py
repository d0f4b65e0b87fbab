"""One alert of each kind, said by the detector itself, and by the guard."""

import msgspec

from models.online import OnlineModel
from models.protocol import Guarded
from models.snapshots import cold
from models.timeline import Timeline
from stream.detector import notices
from stream.detector.alerts import Alert, Kind
from stream.detector.detector import Detector
from stream.detector.events import DAY_MS, HOUR_MS, UsageEvent
from stream.detector.policy import Policy

_FIRST_DAY = 1_772_409_600_000  # 2026-03-02, a Monday, 00:00 UTC
_POLICY = Policy(horizon_ms=30 * DAY_MS, allowed_lateness_ms=0, version="1f0c5a7be2d4")
_THRESHOLD = 2.0
_EVERY_TWO_DAYS = (0.4, 2.4, 4.4, 6.4, 8.4)


def examples() -> dict[Kind, Alert]:
    """Return an alert of every kind, as published live."""
    days = _POLICY.horizon_ms / DAY_MS
    model = OnlineModel(msgspec.structs.replace(cold(days, days / 12), threshold=_THRESHOLD))
    detector = Detector(_POLICY, Timeline(model))
    said = []
    for day in _EVERY_TWO_DAYS:
        for customer in ("1042", "2077", "3110"):
            said += detector.on_events([_visit(customer, day)]).alerts
    silence = detector.on_tick(_at(22.0)).alerts
    opened = next(alert for alert in silence if alert.customer_id == "2077")
    said += silence
    late = _visit("2077", (opened.time - HOUR_MS - _FIRST_DAY) / DAY_MS)
    said += detector.on_events([msgspec.structs.replace(late, received_at=_at(22.0))]).alerts
    said += detector.on_events([_visit("3110", 24.4)]).alerts
    said += detector.on_tick(_at(60.0)).alerts
    said += _outage()
    of_kind = {alert.kind: alert for alert in reversed(said)}
    return {kind: msgspec.structs.replace(of_kind[kind], backfill=False) for kind in Kind}


def _at(day: float) -> int:
    """Give the moment (ms) so many days after the first."""
    return _FIRST_DAY + round(day * DAY_MS)


def _visit(customer: str, day: float) -> UsageEvent:
    """Give an event of a customer."""
    return UsageEvent(
        customer_id=customer,
        account_id="acme",
        name="report_opened",
        occurred_at=_at(day),
        received_at=_at(day),
    )


def _outage() -> list[Alert]:
    """Say what the guard says of two hours without use."""
    since = _at(61.5)
    down = Guarded(suspended_since=since, changed_at=since + HOUR_MS, observed=3, expected=212.0)
    up = Guarded(changed_at=since + 2 * HOUR_MS, lasted_ms=2 * HOUR_MS, observed=198, expected=205)
    days = _POLICY.horizon_ms / DAY_MS
    models = [
        OnlineModel(msgspec.structs.replace(cold(days, days / 12), guarded=found))
        for found in (down, up)
    ]
    return [
        notices.suspended(models[0], _POLICY),
        notices.resumed(models[1], _POLICY, since=since),
    ]
