"""A local real Kafka for demo, development and tests."""
