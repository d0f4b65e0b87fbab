"""Not being let in: each cause has its own words, an end instead of endless attempts, no secret."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from secured_broker import YESTERDAY, Certificates, Issuer, SecuredBroker
from secured_commands import slipaway

from stream.doctor.examine import examine
from stream.doctor.findings import Fault, Verdict
from stream.engine.connection import Connection, knock, wait_for_broker
from stream.engine.exits import Exit, Fatal
from stream.settings import load
from stream.worker.connection import connection

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

WRONG = "hunter2 is wrong"
Way = Callable[[SecuredBroker, Path], dict[str, Any]]


def tls(secured: SecuredBroker, listener: str, **more: Any) -> dict[str, Any]:
    """Return the settings of one who comes by TLS."""
    security = {"protocol": "SSL", "ca_file": str(secured.certificates.ca), **more}
    return {"bootstrap_servers": secured.places[listener], "security": security}


def with_certificate(secured: SecuredBroker, files: tuple[Path, Path]) -> dict[str, Any]:
    """Return the settings of one who shows a certificate."""
    cert, key = map(str, files)
    return tls(secured, "CERTIFICATES", cert_file=cert, key_file=key)


WAYS: dict[str, tuple[Way, Fault, str]] = {
    "wrong password": (
        lambda secured, _: secured.by_password("ann", WRONG, "PLAIN"),
        Fault.CREDENTIALS,
        "refuses us",
    ),
    "unknown user": (
        lambda secured, _: secured.by_password("zoe", WRONG, "SCRAM-SHA-512"),
        Fault.CREDENTIALS,
        "refuses us",
    ),
    "token of another audience": (
        lambda secured, _: secured.by_token(token=secured.issuer.token("zoe", audience="x")),
        Fault.CREDENTIALS,
        "refuses us",
    ),
    "token that somebody else signed": (
        lambda secured, folder: secured.by_token(token=Issuer(folder).token("zoe")),
        Fault.CREDENTIALS,
        "refuses us",
    ),
    "token that ran out": (
        lambda secured, _: secured.by_token(token=secured.issuer.token("zoe", -60)),
        Fault.CREDENTIALS,
        "refuses us",
    ),
    "no certificate": (
        lambda secured, _: tls(secured, "CERTIFICATES"),
        Fault.CREDENTIALS,
        "CERTIFICATE_REQUIRED",
    ),
    "our certificate has expired": (
        lambda secured, _: with_certificate(
            secured, secured.certificates.issue("old", "old@clients.test", until=YESTERDAY)
        ),
        Fault.CREDENTIALS,
        "does not accept the certificate that we show",
    ),
    "our certificate is of another authority": (
        lambda secured, folder: with_certificate(
            secured, Certificates(folder).issue("mallory", "mallory@clients.test")
        ),
        Fault.CREDENTIALS,
        "does not accept the certificate that we show",
    ),
    "its certificate has expired": (
        lambda secured, _: tls(secured, "EXPIRED"),
        Fault.BROKER,
        "has expired",
    ),
    "its certificate is for another host": (
        lambda secured, _: tls(secured, "ELSEWHERE"),
        Fault.SETTINGS,
        "for another host",
    ),
    "its certificate is of another authority": (
        lambda secured, folder: tls(secured, "SASL_SSL", ca_file=str(Certificates(folder).ca)),
        Fault.SETTINGS,
        "an authority that we do not trust",
    ),
    "TLS where there is none": (
        lambda secured, _: tls(secured, "PLAINTEXT"),
        Fault.SETTINGS,
        "answers without TLS",
    ),
    "no TLS where there is": (
        lambda secured, _: {"bootstrap_servers": secured.places["SASL_SSL"]},
        Fault.SETTINGS,
        "answers with TLS",
    ),
    "no password where one is asked for": (
        lambda secured, _: tls(secured, "SASL_SSL"),
        Fault.SETTINGS,
        "asks for a password or a token",
    ),
}


@pytest.mark.parametrize("why", WAYS)
async def test_a_refusal_is_told_from_a_broker_that_is_away(
    secured: SecuredBroker, why: str, tmp_path: Path
) -> None:
    """Who waits for what a person has to change waits for ever, and nobody looks for the cause."""
    way, fault, words = WAYS[why]
    settings = load(way(secured, tmp_path))
    (finding,) = [f for f in await examine(settings) if f.verdict is not Verdict.OK]
    assert (finding.check, finding.fault) == ("broker", fault)
    assert words in finding.reason
    assert finding.action
    with pytest.raises(Fatal, match="Operator action") as caught:
        await asyncio.wait_for(wait_for_broker(connection(settings)), 60)
    assert caught.value.code is Exit.HUMAN
    assert words in caught.value.reason
    assert WRONG not in f"{finding}{caught.value.reason}{settings!r}"


@pytest.mark.parametrize("command", [("run",), ("tap",), ("topics", "create")])
async def test_a_command_that_is_refused_ends_and_tells_no_password(
    secured: SecuredBroker, command: tuple[str, ...]
) -> None:
    """Also where everything is logged that can be: PLAIN sends the password itself."""
    talkative = {"log_level": "debug", "web_port": 0}
    mine = secured.by_password("ann", WRONG, "PLAIN")
    ended = await slipaway(mine | talkative, *command)
    assert ended.returncode == (Exit.HUMAN if command == ("run",) else 1)
    assert "correct the credentials" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr


async def test_tokens_come_from_a_provider_and_from_a_file(
    secured: SecuredBroker, tmp_path: Path
) -> None:
    """Asked for by id and secret, kept until shortly before their end; or renewed by others."""
    asked: list[str] = []

    async def give(request: web.Request) -> web.Response:
        asked.append(request.headers["Authorization"])
        form = await request.post()
        assert form["grant_type"] == "client_credentials"
        if request.headers["Authorization"] != "Basic Y2xpZW50Om91cnM=":  # client:ours
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response(
            {"access_token": secured.issuer.token("client"), "expires_in": 3600}
        )

    app = web.Application()
    app.router.add_post("/token", give)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("/token"))

        def by_secret(secret: str) -> Connection:
            more = {"token_url": url, "sasl_username": "client", "sasl_password": secret}
            return connection(load(secured.by_token(**more)))

        place = by_secret("ours")
        for _ in range(2):
            assert set((await knock(place)).values()) == {None}
        assert len(asked) == 1
        refused = by_secret("hunter2")
        with pytest.raises(Fatal, match="gives no token: status 401, invalid_client") as caught:
            await asyncio.wait_for(wait_for_broker(refused), 60)
        assert "hunter2" not in caught.value.reason

    away = by_secret("ours")
    with pytest.raises(TimeoutError):  # waited for, as a broker is
        await asyncio.wait_for(wait_for_broker(away), 3)

    file = tmp_path / "token"
    file.write_text("")
    reading = connection(load(secured.by_token(token_file=str(file))))
    with pytest.raises(Fatal, match="the token is empty"):
        await asyncio.wait_for(wait_for_broker(reading), 60)
    file.write_text(f"{secured.issuer.token('ann')}\n")
    assert await wait_for_broker(reading) == {}
