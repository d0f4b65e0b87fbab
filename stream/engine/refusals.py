"""Refusals: why a host does not let us in, though somebody answers there.

Away and refused look alike to a Kafka client: it found nobody.  The one passes
by itself, the other by a person's hand alone.  So whoever was not let in looks
closer: at the certificate, at what the host says to a first request, with TLS
and without, and at the alert with which TLS sends somebody away.
"""

import asyncio
import ssl
import struct
from enum import StrEnum
from typing import Final

from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

LOOK_SECONDS = 3.0


def _request(key: int, version: int, body: bytes = b"") -> bytes:
    """Return a request of Kafka's protocol as it is sent."""
    client = b"slipaway"
    header = struct.pack(">hhih", key, version, 1, len(client)) + client
    return struct.pack(">i", len(header + body)) + header + body


# What a listener answers before it knows who asks: which requests there are, and which ways to
# say who one is, of which the empty name is none.
_HELLO = _request(18, 0)
_SASL_HANDSHAKE = _request(17, 1, struct.pack(">h", 0))
_UNKNOWN_MECHANISM = struct.pack(">h", 33)
_BEGINNING_BYTES = 64
_TLS_RECORDS, _TLS_MAJOR = range(0x14, 0x18), 3
_SENT_AWAY = (  # alerts of TLS that are about the certificate of whoever came
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "HANDSHAKE_FAILURE",
)
# What OpenSSL finds wrong with a certificate, by its numbers (X509_V_ERR_...).
_NOT_YET, _EXPIRED = 9, 10
_UNTRUSTED: Final = (2, 18, 19, 20, 21)
_OTHER_NAME: Final = (62, 64)


class Whose(StrEnum):
    """Who can remove the cause."""

    CREDENTIALS = "the credentials"
    SETTINGS = "these settings"
    BROKER = "the brokers' configuration"


class Refusal(Exception):  # noqa: N818 - it says what is, as an answer
    """Why we are not let in."""

    def __init__(self, reason: str, whose: Whose, action: str) -> None:
        """Say why, whose fault it is, and what an operator does."""
        super().__init__(f"{reason}. Cause: {whose}. Operator action: {action}.")
        self.reason = reason
        self.whose = whose
        self.action = action


async def understand(
    error: Exception, host: str, port: int, protocol: str, context: ssl.SSLContext | None
) -> Exception:
    """Return why `error` happened, as a `Refusal`, or `error` itself if it may pass.

    `protocol` and `context` are those that the connection was tried with.
    """
    if isinstance(error, UnsupportedSaslMechanismError):
        action = "set security.sasl_mechanism to one that is enabled, or enable it on the broker"
        return Refusal(str(error), Whose.SETTINGS, action)
    if isinstance(error, IllegalSaslStateError):
        action = "set security.protocol to SSL or PLAINTEXT, or bootstrap_servers to another port"
        return Refusal("this listener asks for no password or token", Whose.SETTINGS, action)
    if isinstance(error, AuthenticationFailedError | SaslAuthenticationFailed):
        action = (
            "correct the credentials (security.sasl_mechanism, sasl_username and the password, or"
            " the token), or add the user on the broker"
        )
        return Refusal(f"answers, and refuses us: {error}", Whose.CREDENTIALS, action)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error)
    closed = KafkaConnectionError, ConnectionResetError, ssl.SSLError, TimeoutError
    if isinstance(error, closed):
        return await _look(host, port, protocol, context) or error
    return error


def _certificate(error: ssl.SSLCertVerificationError) -> Refusal:
    """Say what is wrong with the certificate that the broker showed."""
    what = error.verify_message
    if error.verify_code == _EXPIRED:
        action = "have the broker's certificate renewed; if it is not over, set this clock right"
        return Refusal(f"shows a certificate that has expired: {what}", Whose.BROKER, action)
    if error.verify_code == _NOT_YET:
        action = "set this machine's clock right, or have the broker's certificate issued anew"
        return Refusal(f"shows a certificate of the future: {what}", Whose.BROKER, action)
    if error.verify_code in _OTHER_NAME:
        action = (
            "name the host in bootstrap_servers, and the brokers in advertised.listeners, as the"
            " certificate does, or have it issued for this name too"
        )
        return Refusal(f"shows a certificate for another host: {what}", Whose.SETTINGS, action)
    if error.verify_code in _UNTRUSTED:
        action = "set security.ca_file to the certificates of the authority that issued it"
        reason = f"shows a certificate of an authority that we do not trust: {what}"
        return Refusal(reason, Whose.SETTINGS, action)
    action = "have the broker's certificate issued anew"
    return Refusal(f"shows a certificate that cannot be accepted: {what}", Whose.BROKER, action)


async def _look(
    host: str, port: int, protocol: str, context: ssl.SSLContext | None
) -> Refusal | None:
    """Say what keeps us out; None: nothing that a person would have to change."""
    encrypted = protocol.endswith("SSL")
    begins = await _answer(host, port, _HELLO)
    tls = len(begins) > 1 and begins[0] in _TLS_RECORDS and begins[1] == _TLS_MAJOR
    if encrypted and begins and not tls:
        action = "set security.protocol to one without SSL, or bootstrap_servers to the TLS port"
        return Refusal("answers without TLS, and not with it", Whose.SETTINGS, action)
    if tls and not encrypted:
        action = "set security.protocol to SSL or SASL_SSL, or bootstrap_servers to the plain port"
        return Refusal("answers with TLS, and not without it", Whose.SETTINGS, action)
    if not begins:
        return None
    try:
        asked = await _answer(host, port, _SASL_HANDSHAKE, context if encrypted else None)
    except ssl.SSLError as error:
        return _sent_away(str(error.reason))
    if not protocol.startswith("SASL") and asked[8:10] == _UNKNOWN_MECHANISM:
        action = "set security.protocol to SASL_SSL or SASL_PLAINTEXT, with the credentials"
        return Refusal("asks for a password or a token, and got none", Whose.SETTINGS, action)
    return None


def _sent_away(alert: str) -> Refusal:
    """Say why TLS sent us away."""
    if alert.endswith(_SENT_AWAY):
        action = (
            "set security.cert_file and key_file to a certificate that is in date, and of an"
            " authority that the broker trusts (`openssl x509 -noout -dates -issuer -in FILE`)"
        )
        reason = f"does not accept the certificate that we show, or that we show none ({alert})"
        return Refusal(reason, Whose.CREDENTIALS, action)
    action = "see which versions and ciphers of TLS the broker allows (ssl.enabled.protocols)"
    return Refusal(f"speaks TLS otherwise than we do ({alert})", Whose.BROKER, action)


async def _answer(
    host: str, port: int, request: bytes, context: ssl.SSLContext | None = None
) -> bytes:
    """Return how the host's answer to a request begins; nothing where there is none.

    Raises `ssl.SSLError` where TLS sends us away.
    """
    writer, answer = None, b""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            writer.write(request)
            answer = await reader.read(_BEGINNING_BYTES)
    except ssl.SSLError:
        raise
    except (OSError, TimeoutError):
        return b""
    finally:
        if writer is not None:
            writer.transport.abort()
    return answer
