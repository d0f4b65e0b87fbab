"""Every metric as it is declared, under the name by which Prometheus knows it."""

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from stream.delivery.metrics import DeliveryMetrics
from stream.worker.metrics import Metrics

SUFFIXES = {"counter": "_total", "info": "_info"}
PARTS = {"histogram": ("_bucket", "_sum", "_count")}
"""What a histogram is asked for by."""


class Declared(NamedTuple):
    """One metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    words: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its series."""
        return tuple(self.name + part for part in PARTS.get(self.kind, ("",)))


def of_workers() -> list[Declared]:
    """Return what a worker declares."""
    return list(_in(Metrics().registry))


def of_deliveries() -> list[Declared]:
    """Return what `slipaway deliver` declares."""
    return list(_in(DeliveryMetrics().registry))


def _in(registry: CollectorRegistry) -> Iterator[Declared]:
    for collector in list(registry._collector_to_names):
        if isinstance(collector, MetricWrapperBase):
            found = [
                (collector._name, collector._type, collector._labelnames, collector._documentation)
            ]
        elif isinstance(collector, DeliveryMetrics):
            found = [
                (family.name, family.type, family._labelnames, family.documentation)  # type: ignore[attr-defined]
                for family in collector.describe()
            ]
        else:
            continue  # of the process and of Python: prometheus_client's own
        for name, kind, labels, words in found:
            yield Declared(name + SUFFIXES.get(kind, ""), kind, tuple(labels), words)
