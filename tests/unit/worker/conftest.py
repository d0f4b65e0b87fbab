"""Records as the engine hands them over, without Kafka."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from stream.worker.metrics import Metrics

NOW_MS = 1_770_000_000_000


@dataclass(frozen=True)
class FakeRecord:
    """A record as it was read."""

    value: bytes | None
    key: bytes | None = None
    offset: int = 0
    timestamp: int = NOW_MS
    headers: Sequence[tuple[str, bytes]] = ()


@pytest.fixture
def record() -> Callable[..., FakeRecord]:
    """Return what makes a record."""
    return FakeRecord


@pytest.fixture
def metrics() -> Metrics:
    """Return metrics of the test's own."""
    return Metrics()
