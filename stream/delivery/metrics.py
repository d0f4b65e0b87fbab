"""Metrics of `deliver`: everything Prometheus is told of deliveries, declared in this one file.

They are read off the couriers when somebody asks, so that these know nothing of it.
A metric that is added here is described in deploy/METRICS.md as well.
"""

from collections.abc import Iterator
from importlib.metadata import version
from math import nan

from prometheus_client import CollectorRegistry, Info
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from stream.delivery.courier import Courier
from stream.detector.events import SECOND_MS

RESULTS = ("delivered", "retried", "put_aside", "passed_over")
"""What `Courier.counts` may hold."""


class DeliveryMetrics(Collector):
    """The metrics of one process that delivers."""

    def __init__(self) -> None:
        """Begin without endpoints, in a registry of its own."""
        self.registry = CollectorRegistry()
        self._couriers: dict[str, Courier | None] = {}
        Info("build", "What runs.", namespace="slipaway", registry=self.registry).info(
            {"version": version("slipaway")}
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def follow(self, name: str, courier: Courier) -> None:
        """Tell of an endpoint that is delivered to."""
        self._couriers[name] = courier

    def disabled(self, name: str) -> None:
        """Tell of an endpoint that wanted nothing any more when this began."""
        self._couriers[name] = None

    def describe(self) -> Iterator[Metric]:
        """Declare them, without values."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        """Say how it stands with every endpoint."""
        results, waiting, oldest, down, disabled = families = _families()
        for name, courier in self._couriers.items():
            disabled.add_metric([name], courier is None or bool(courier.gone))
            if courier is None:
                continue
            for result in RESULTS:
                results.add_metric([name, result], courier.counts[result])
            waiting.add_metric([name], courier.lanes.count)
            since = courier.lanes.oldest_ms
            oldest.add_metric([name], nan if since is None else since / SECOND_MS)
            down.add_metric([name], courier.down)
        yield from families


def _families() -> tuple[
    CounterMetricFamily,
    GaugeMetricFamily,
    GaugeMetricFamily,
    GaugeMetricFamily,
    GaugeMetricFamily,
]:
    """Declare every metric."""
    return (
        CounterMetricFamily(
            "slipaway_deliveries",
            "Alerts by endpoint and result: delivered, retried (an attempt failed, another"
            " follows), put_aside (a dead letter), passed_over (not wanted there).",
            labels=["endpoint", "result"],
        ),
        GaugeMetricFamily(
            "slipaway_delivery_waiting",
            "Alerts read and not settled, by endpoint; at most 1,000 are read ahead.",
            labels=["endpoint"],
        ),
        GaugeMetricFamily(
            "slipaway_delivery_oldest_waiting_timestamp_seconds",
            "When the eldest alert that waits was published; NaN while none waits.",
            labels=["endpoint"],
        ),
        GaugeMetricFamily(
            "slipaway_delivery_endpoint_down",
            "1 while an endpoint fails for one alert after another, and is only tried now and"
            " then.",
            labels=["endpoint"],
        ),
        GaugeMetricFamily(
            "slipaway_delivery_endpoint_disabled",
            "1 where an endpoint has answered 410: nothing is delivered until its URL changes, or"
            " --enable.",
            labels=["endpoint"],
        ),
    )
