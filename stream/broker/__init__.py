"""A local real Kafka for demo, development and tests."""

from stream.broker.errors import BrokerError, JarsMissingError
from stream.broker.local import LocalBroker

__all__ = ["BrokerError", "JarsMissingError", "LocalBroker"]
