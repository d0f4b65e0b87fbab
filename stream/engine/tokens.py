"""Tokens: how we say who we are where brokers ask for an OAuth token (SASL OAUTHBEARER).

A token is asked for at each connection, in whichever thread makes it, and kept
until shortly before it runs out.  A provider that is away is waited for, as a
broker is; one that refuses us raises what a broker raises that does.
"""

import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

import aiohttp
import orjson
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed, for_code
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslHandShakeRequest

ASK_SECONDS = 10.0
ASSUMED_SECONDS = 300.0  # a provider need not say how long its token is good for
EARLY_SHARE = 0.2  # of its life a token is replaced so much before its end
_ANSWER_BYTES_MAX = 64 << 10


class GivenToken(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """A token that was given once, or that somebody else renews in a file."""

    def __init__(self, read: Callable[[], str]) -> None:
        """Take what reads it."""
        self._read = read

    async def token(self) -> str:
        """Read it; raise where there is none, which a person has to change."""
        try:
            token = self._read()
        except (OSError, UnicodeDecodeError) as error:
            raise SaslAuthenticationFailed(f"the token cannot be read: {error}") from error
        if not token or not token.isascii() or not token.isprintable():
            raise SaslAuthenticationFailed("the token is empty, or is none")
        return token


def from_file(path: Path) -> GivenToken:
    """Read the token anew each time: whoever renews it writes there."""
    return GivenToken(lambda: path.read_text(encoding="utf-8").strip())


@dataclass(slots=True, kw_only=True)
class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens by the client-credentials grant (RFC 6749, 4.4) of an OpenID provider."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False)  # None: the system's CAs
    clock: Callable[[], float] = time.monotonic
    _kept: tuple[str, float] = field(default=("", 0.0), repr=False)  # and when it is replaced

    async def token(self) -> str:
        """Return a token that is good for a while yet.

        Raises `SaslAuthenticationFailed` where the provider refuses us, and
        `OSError` where it does not answer, or not in its senses.
        """
        token, until = self._kept
        if self.clock() < until:
            return token
        asked_at = self.clock()
        status, body = await self._ask()
        if status in {400, 401, 403, 404}:
            raise SaslAuthenticationFailed(f"{self.url} gives no token: {_why(status, body)}")
        token, seconds = _granted(body) if status == 200 else ("", 0.0)  # noqa: PLR2004 - OK
        if not token:
            raise ConnectionError(f"{self.url} gives no token: {_why(status, body)}")
        self._kept = token, asked_at + seconds * (1 - EARLY_SHARE)
        return token

    async def _ask(self) -> tuple[int, bytes]:
        """Return what the provider answers."""
        wanted = {"grant_type": "client_credentials"} | (
            {"scope": self.scope} if self.scope else {}
        )
        # RFC 6749, 2.3.1: encoded as in a form, each by itself, before they are joined.
        login = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}".encode()
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as session,
                session.post(
                    self.url,
                    data=wanted,
                    headers={
                        "Accept": "application/json",
                        "Authorization": f"Basic {b64encode(login).decode()}",
                    },
                    allow_redirects=False,  # the secret is for this address alone
                    ssl=self.tls or True,
                ) as response,
            ):
                return response.status, await response.content.read(_ANSWER_BYTES_MAX)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            raise SaslAuthenticationFailed(
                f"{self.url} cannot be trusted: {error} (security.ca_file)"
            ) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            words = str(error) or f"no answer in {ASK_SECONDS:.0f} s"
            raise ConnectionError(f"{self.url} gives no token: {words}") from error


def _granted(body: bytes) -> tuple[str, float]:
    """Read the token, and for how many seconds it is good; an empty one where there is none."""
    try:
        found = orjson.loads(body)
        token, seconds = found["access_token"], found.get("expires_in", ASSUMED_SECONDS)
        return str(token), max(0.0, float(seconds))
    except (ValueError, TypeError, KeyError, AttributeError):
        return "", 0.0


def _why(status: int, body: bytes) -> str:
    """Say why not, in the provider's own words where it has the standard's form."""
    try:
        found = orjson.loads(body)
        words = f"{found['error']} {found.get('error_description', '')}".strip()
    except (ValueError, TypeError, KeyError, AttributeError):
        words = "not what RFC 6749 says"
    return f"status {status}, {words}"


async def show_token(
    host: str, port: int, context: ssl.SSLContext | None, tokens: AbstractTokenProvider
) -> None:
    """Show a token to a host, and hear its answer.

    A refusal comes as a word of the server's in an answer that has no error
    (RFC 7628, 3.2.2), which aiokafka takes for being let in.  Raises
    `SaslAuthenticationFailed` with that word.
    """
    protocol = "PLAINTEXT" if context is None else "SSL"
    opened = await create_conn(
        host, port, security_protocol=protocol, ssl_context=context, request_timeout_ms=5_000
    )
    try:
        offered = await opened.send(SaslHandShakeRequest("OAUTHBEARER"))
        if offered.error_code:
            raise for_code(offered.error_code)(f"enabled is {offered.enabled_mechanisms}")
        said = f"n,,\x01auth=Bearer {await tokens.token()}\x01\x01"
        answer = await opened.send(SaslAuthenticateRequest(said.encode()))
        if answer.error_code or answer.sasl_auth_bytes:
            words = answer.error_message or answer.sasl_auth_bytes.decode(errors="replace")
            raise SaslAuthenticationFailed(words)
    finally:
        await opened.close()
