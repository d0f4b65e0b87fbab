"""The settings, said to those who connect: the engine's `Connection` and `EngineSettings`."""

import ssl

from aiokafka.abc import AbstractTokenProvider

from stream.engine.connection import Connection
from stream.engine.settings import EngineSettings
from stream.engine.tokens import ClientCredentials, GivenToken, from_file
from stream.security import Security
from stream.settings import Settings


def connection(settings: Settings) -> Connection:
    """Say how every Kafka client of this process connects."""
    security = settings.security
    sasl = security.protocol.startswith("SASL")
    bearer = sasl and security.sasl_mechanism == "OAUTHBEARER"
    return Connection(
        bootstrap=settings.bootstrap_servers,
        security_protocol=security.protocol,
        sasl_mechanism=security.sasl_mechanism,
        username=security.sasl_username if sasl and not bearer else None,
        password=security.password() if sasl and not bearer else None,
        tokens=_tokens(security) if bearer else None,
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


def _tokens(security: Security) -> AbstractTokenProvider:
    """Say where tokens come from."""
    if security.token_url is not None:
        tls = ssl.create_default_context()
        if security.ca_file is not None:  # besides the system's: theirs may be another authority
            tls.load_verify_locations(security.ca_file)
        return ClientCredentials(
            url=security.token_url,
            client_id=security.sasl_username,
            client_secret=security.password(),
            scope=security.token_scope,
            tls=tls,
        )
    if security.token_file is not None:
        return from_file(security.token_file)
    return GivenToken(security.token.get_secret_value)


def _alert_topics(settings: Settings) -> tuple[str, ...]:
    topics = settings.topics
    return topics.alerts, topics.holdout, topics.account_alerts, topics.account_holdout


def _tls(security: Security) -> ssl.SSLContext | None:
    """Make the TLS context; none where nothing is encrypted."""
    if not security.protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=security.ca_file)
    if security.cert_file is not None:
        context.load_cert_chain(security.cert_file, security.key_file)
    return context
