"""What can keep a local broker from running, and what whoever started it does about it."""


class BrokerError(Exception):
    """A local broker that does not start; the message ends in what to do."""


class JarsMissingError(BrokerError):
    """Kafka's jars are not in the cache, and could not be fetched into it."""
