"""Tokens: kept while they are good, asked for before they are not, and no answer is believed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka.errors import SaslAuthenticationFailed

from stream.engine.tokens import ASSUMED_SECONDS, ClientCredentials


class Provider:
    """A provider that answers what it is told to, and counts."""

    def __init__(self) -> None:
        """Begin with an answer that is right."""
        self.asked = 0
        self.body: object = {"access_token": "t", "expires_in": 100}
        self.status = 200
        self.headers: dict[str, str] = {}

    async def give(self, request: web.Request) -> web.Response:
        """Answer."""
        self.asked += 1
        form = await request.post()
        assert dict(form) == {"grant_type": "client_credentials", "scope": "kafka"}
        return web.json_response(self.body, status=self.status, headers=self.headers)


@asynccontextmanager
async def asking(provider: Provider) -> AsyncIterator[tuple[ClientCredentials, list[float]]]:
    """Give what asks, and its clock."""
    now = [1000.0]
    app = web.Application()
    app.router.add_post("/token", provider.give)
    async with TestServer(app, host="127.0.0.1") as server:
        yield (
            ClientCredentials(
                url=str(server.make_url("/token")),
                client_id="us",
                client_secret="hunter2",  # noqa: S106
                scope="kafka",
                clock=lambda: now[0],
            ),
            now,
        )


@pytest.mark.parametrize(("says", "good_for"), [(100, 80.0), (None, ASSUMED_SECONDS * 0.8)])
async def test_a_token_is_kept_for_most_of_its_life(says: int | None, good_for: float) -> None:
    """A connection that is made with one that is about to end would be refused."""
    provider = Provider()
    provider.body = {"access_token": "t"} | ({"expires_in": says} if says else {})
    async with asking(provider) as (tokens, now):
        for passed, asked in ((0.0, 1), (good_for - 1, 1), (2.0, 2)):
            now[0] += passed
            assert await tokens.token() == "t"
            assert provider.asked == asked


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": "invalid_client"}, SaslAuthenticationFailed),
        (400, {"error": "invalid_scope"}, SaslAuthenticationFailed),
        (404, {}, SaslAuthenticationFailed),
        (500, {}, ConnectionError),
        (503, {"error": "temporarily_unavailable"}, ConnectionError),
        (200, {}, ConnectionError),
        (200, ["t"], ConnectionError),
        (200, {"access_token": "t", "expires_in": "soon"}, ConnectionError),
    ],
)
async def test_a_refusal_is_final_and_trouble_is_not(
    status: int, body: object, error: type[Exception]
) -> None:
    """What a person has to change ends the worker; what passes is waited for."""
    provider = Provider()
    provider.status, provider.body = status, body
    async with asking(provider) as (tokens, _):
        with pytest.raises(error) as caught:
            await tokens.token()
        assert "hunter2" not in f"{caught.value}{tokens!r}"
        assert f"status {status}" in str(caught.value)


async def test_the_secret_goes_where_it_was_meant_to_go_and_no_further() -> None:
    """A redirect would take it along."""
    provider = Provider()
    provider.status, provider.headers = 307, {"Location": "http://127.0.0.1:1/"}
    async with asking(provider) as (tokens, _):
        with pytest.raises(ConnectionError, match="status 307"):
            await tokens.token()
        assert provider.asked == 1
