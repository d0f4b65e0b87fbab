"""The settings, said to those who connect: the engine's `Connection` and `EngineSettings`."""

import ssl

from stream.engine.connection import Connection
from stream.engine.settings import EngineSettings
from stream.settings import Security, Settings


def connection(settings: Settings) -> Connection:
    """Say how every Kafka client of this process connects."""
    security = settings.security
    sasl = security.protocol.startswith("SASL")
    return Connection(
        bootstrap=settings.bootstrap_servers,
        security_protocol=security.protocol,
        sasl_mechanism=security.sasl_mechanism,
        username=security.sasl_username if sasl else None,
        password=security.password() if sasl else None,
        ssl_context=_tls(security),
    )


def engine_settings(settings: Settings, *, accounts: bool = False) -> EngineSettings:
    """Say how the engine runs; `accounts`: the policy looks at accounts."""
    return EngineSettings(
        instance_id=settings.member(accounts=accounts),
        checkpoint_seconds=settings.checkpoint_interval_seconds,
        checkpoint_seconds_max=settings.checkpoint_interval_max_seconds,
        deadline_seconds=settings.checkpoint_timeout_seconds,
        tick_seconds=settings.tick_interval_seconds,
        stalled_seconds=settings.stall_timeout_seconds,
        slice_records_max=settings.slice_events_max,
        fetch_bytes_max=settings.fetch_bytes_max,
        session_seconds=settings.session_timeout_seconds,
        heartbeat_seconds=settings.session_timeout_seconds / 5,
        rebalance_seconds=settings.rebalance_timeout_seconds,
        request_seconds=max(30.0, settings.session_timeout_seconds),
        told_topics=frozenset(_alert_topics(settings) if settings.log_episodes else ()),
    )


def _alert_topics(settings: Settings) -> tuple[str, ...]:
    topics = settings.topics
    return topics.alerts, topics.holdout, topics.account_alerts


def _tls(security: Security) -> ssl.SSLContext | None:
    """Make the TLS context; none where nothing is encrypted."""
    if not security.protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=security.ca_file)
    if security.cert_file is not None:
        context.load_cert_chain(security.cert_file, security.key_file)
    return context
