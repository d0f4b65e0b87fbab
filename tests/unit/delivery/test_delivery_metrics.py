"""The metrics of deliveries: what an SRE sees of an endpoint without reading the log."""

from collections.abc import Callable
from dataclasses import replace
from math import isnan
from types import SimpleNamespace
from typing import Any

from said import NOON_MS, alert, records

from stream.delivery.metrics import RESULTS, DeliveryMetrics
from stream.delivery.run import _unready

Rounds = Callable[..., Any]


def value(metrics: DeliveryMetrics, name: str, **labels: str) -> float:
    """Return one series of the endpoint `crm`."""
    found = metrics.registry.get_sample_value(f"slipaway_{name}", {"endpoint": "crm", **labels})
    assert found is not None, name
    return found


async def test_what_is_delivered_is_counted_and_nothing_waits(
    receiver: Any, round_to: Rounds
) -> None:
    """Results are there from the start, at nought: a rate needs to have seen them so."""
    way, metrics = round_to(), DeliveryMetrics()
    metrics.follow("crm", way.courier)
    assert {value(metrics, "deliveries_total", result=result) for result in RESULTS} == {0}
    assert isnan(value(metrics, "delivery_oldest_waiting_timestamp_seconds"))
    await way.courier.read(records(alert(), alert(customer_id="bob", alert_id="b-opened")))
    assert value(metrics, "delivery_waiting") == 2
    assert value(metrics, "delivery_oldest_waiting_timestamp_seconds") == NOON_MS / 1000
    await way.run(1)
    assert len(receiver.got) == 2
    assert value(metrics, "deliveries_total", result="delivered") == 2
    assert value(metrics, "delivery_waiting") == 0
    assert isnan(value(metrics, "delivery_oldest_waiting_timestamp_seconds"))


async def test_an_endpoint_that_fails_again_and_again_is_down(
    receiver: Any, round_to: Rounds
) -> None:
    """Down is not disabled: it is tried now and then, and what waits grows old."""
    way, metrics = round_to(), DeliveryMetrics()
    metrics.follow("crm", way.courier)
    receiver.status = 503
    await way.courier.read(records(alert()))
    await way.run(1)
    assert value(metrics, "delivery_endpoint_down") == 1
    assert value(metrics, "delivery_endpoint_disabled") == 0
    assert value(metrics, "deliveries_total", result="retried") >= 3
    assert value(metrics, "delivery_oldest_waiting_timestamp_seconds") == NOON_MS / 1000


async def test_who_has_answered_410_is_disabled(receiver: Any, round_to: Rounds) -> None:
    """Now, or before this process began."""
    way, metrics = round_to(), DeliveryMetrics()
    metrics.follow("crm", way.courier)
    receiver.status = 410
    await way.courier.read(records(alert()))
    await way.run(1)
    assert value(metrics, "delivery_endpoint_disabled") == 1
    later = DeliveryMetrics()
    later.disabled("crm")
    assert value(later, "delivery_endpoint_disabled") == 1
    assert "slipaway_delivery_waiting" in {family.name for family in later.collect()}


def test_ready_is_when_every_endpoint_has_its_partitions() -> None:
    """Of those that wait it says the names: they are in the file, and no secret."""
    crm, chat = (
        SimpleNamespace(name="crm", at_work=True),
        SimpleNamespace(name="chat", at_work=False),
    )
    ways: list[Any] = []
    assert _unready(ways) == "waiting for the broker"
    ways += [crm, chat]
    assert _unready(ways) == "waiting for partitions: chat"
    chat.at_work = True
    assert _unready(ways) == ""


async def test_the_eldest_that_waits_is_of_any_partition(round_to: Rounds) -> None:
    """Also where the newer one was read first."""
    way = round_to()
    newer, older = records(alert(), alert(customer_id="bob", alert_id="b-opened"))
    newer, older = replace(newer, timestamp=NOON_MS + 5), replace(older, partition=1)
    await way.courier.read([newer, older])
    assert way.courier.lanes.oldest_ms == NOON_MS
    assert way.courier.lanes.count == 2
    way.courier.lanes.drop([1])
    assert way.courier.lanes.oldest_ms == NOON_MS + 5
