"""Publishing: live, backfill, or no news at all."""

from dataclasses import replace

import msgspec
import pytest
import said

from stream.detector.alerts import Alert, Kind, Severity
from stream.wire.alerts import decode_alert
from stream.worker.metrics import Metrics
from stream.worker.publishing import Desk

NOW_MS = 1_770_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def alert() -> Alert:
    """Return an alert decided just now."""
    return said.alert(
        customer_id="c1",
        time=NOW_MS - 1_000,
        alert_id="a",
        episode_id="e",
        severity=Severity.LOW,
        risk=0.4,
        backfill=True,
    )


def desk(metrics: Metrics, *, wall: bool, publish_backfill: bool = False) -> Desk:
    """Return a desk whose clock stands still."""
    return Desk(
        topic="alerts",
        holdout_topic="holdout",
        clock_kind="wall" if wall else "event",
        max_age_ms=DAY_MS,
        publish_backfill=publish_backfill,
        lateness_ms=0,
        metrics=metrics,
        clock=lambda: NOW_MS,
    )


def test_by_the_wall_clock_a_recent_alert_is_live(alert: Alert, metrics: Metrics) -> None:
    """The platform may act on it."""
    (output,) = desk(metrics, wall=True).outputs([alert])
    assert (output.topic, output.partition, output.key) == ("alerts", None, b"c1")
    assert decode_alert(output.value) == msgspec.structs.replace(alert, backfill=False)
    assert dict(output.headers)["ce_id"] == b"a"


@pytest.mark.parametrize("wall", [True, False])
def test_alerts_on_the_holdout_go_to_their_own_topic(
    alert: Alert, metrics: Metrics, *, wall: bool
) -> None:
    """Recorded as the others are, and where no platform reads."""
    held = msgspec.structs.replace(alert, customer_id="c2", holdout=True)
    outputs = desk(metrics, wall=wall).outputs([held, alert])
    assert [output.topic for output in outputs] == ["holdout", "alerts"]
    assert decode_alert(outputs[0].value).holdout


def test_by_the_wall_clock_an_old_alert_is_held_back_and_counted(
    alert: Alert, metrics: Metrics
) -> None:
    """Nobody writes to customers about last month."""
    old = msgspec.structs.replace(alert, time=NOW_MS - DAY_MS - 1)
    assert desk(metrics, wall=True).outputs([old]) == []
    held_back = metrics.registry.get_sample_value(
        "slipaway_alerts_held_back_total", {"kind": "opened"}
    )
    assert held_back == 1


def test_old_alerts_go_out_marked_where_asked_for(alert: Alert, metrics: Metrics) -> None:
    """A first run over a backlog may be wanted."""
    old = msgspec.structs.replace(alert, time=NOW_MS - DAY_MS - 1)
    (output,) = desk(metrics, wall=True, publish_backfill=True).outputs([old])
    assert decode_alert(output.value) == old


def test_in_event_time_everything_goes_out_as_it_is(alert: Alert, metrics: Metrics) -> None:
    """A replay gives the same bytes whenever it is run."""
    old = msgspec.structs.replace(alert, time=0)
    (output,) = desk(metrics, wall=False).outputs([old])
    assert decode_alert(output.value) == old


def test_how_each_customer_stands_now_goes_with_the_alerts(alert: Alert, metrics: Metrics) -> None:
    """One record a customer, the latest, and also of what was held back: it is no news."""
    told = msgspec.structs.replace
    old = told(alert, customer_id="c2", alert_id="b", time=NOW_MS - 2 * DAY_MS)
    escalated = told(alert, kind=Kind.ESCALATED, alert_id="a2")
    notice = told(alert, customer_id="", kind=Kind.SUSPENDED, alert_id="n")
    standing = replace(desk(metrics, wall=True), customers="customers")
    outputs = standing.outputs([alert, old, escalated, notice])
    alerts = [decode_alert(out.value or b"") for out in outputs if out.topic == "alerts"]
    latest = {out.key: decode_alert(out.value or b"") for out in outputs if out.topic != "alerts"}
    assert [one.alert_id for one in alerts] == ["a", "a2", "n"]
    assert set(latest) == {b"c1", b"c2"}
    assert (latest[b"c1"].kind, latest[b"c1"].backfill) == (Kind.ESCALATED, False)
    assert (latest[b"c2"].alert_id, latest[b"c2"].backfill) == ("b", True)
