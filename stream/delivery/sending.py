"""One attempt: a request goes out, and what came back is an answer, whatever happens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import aiohttp
from yarl import URL

from stream.delivery.answers import Answer
from stream.delivery.request import Request
from stream.delivery.targets import guarded_socket

TIMEOUT_SECONDS = 20.0
"""For all of it; the specification recommends 15 to 30."""
CONNECT_SECONDS = 10.0
_AGENT = f"slipaway/{version('slipaway')}"


@asynccontextmanager
async def session(*, private: bool, connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Open what requests go through; `private`: private addresses are allowed.

    No proxy, no cookies, no redirects; certificates are checked.
    """
    connector = aiohttp.TCPConnector(
        socket_factory=None if private else guarded_socket, limit=connections
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": _AGENT, "Content-Type": "application/json"},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
        auto_decompress=False,
    ) as opened:
        yield opened


async def send(
    through: aiohttp.ClientSession, url: str, request: Request, headers: dict[str, str]
) -> Answer:
    """Send a request; what the body of the answer says is not read."""
    try:
        async with through.request(
            request.method,
            URL(url.rstrip("/") + request.path, encoded=True),
            data=request.body,
            headers={**dict(request.headers), **headers},
            allow_redirects=False,
        ) as response:
            return Answer(response.status, retry_after=response.headers.get("Retry-After"))
    except TimeoutError:
        return Answer(0, "no answer in time")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(0, f"{type(error).__name__}: {error}")
