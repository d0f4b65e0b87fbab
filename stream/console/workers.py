"""Workers: where they answer, and what they and the broker say of the work at this moment."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.doctor import group
from stream.doctor.group import GroupFacts
from stream.engine.connection import Connection
from stream.top.lags import ask
from stream.top.picture import Picture, picture
from stream.top.scrape import Scrape, scrape

_SECONDS_MAX: Final = 5
_NAME_SECONDS_MAX: Final = 2


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was said, at one moment."""

    picture: Picture
    scrapes: list[Scrape]
    """Empty: nobody said where the workers answer."""
    members: GroupFacts | None
    """Who works, as the brokers know it; None: they say nothing of it."""


class Watching:
    """Asks everybody, again and again; what was said before tells how fast the work goes."""

    def __init__(
        self,
        connection: Connection,
        app_id: str,
        topics: Sequence[str],
        urls: Sequence[str],
        *,
        token: str = "",
        clock: Callable[[], float],
    ) -> None:
        """Ask the workers at `urls`, with `token` where they want one; `clock` is the wall's."""
        self._connection = connection
        self._app_id = app_id
        self._topics = topics
        self._urls = urls
        self._token = token
        self._clock = clock
        self._before: Sequence[Scrape] = ()

    async def look(self) -> Look:
        """Ask; who does not answer is named, and nothing is raised."""
        now = self._clock()
        scrapes, lags, members = await asyncio.gather(
            answers(self._urls, self._token, now),
            ask(self._connection, self._app_id, self._topics),
            self._members(),
        )
        found = picture(scrapes, lags, now, self._before)
        self._before = scrapes
        return Look(picture=found, scrapes=scrapes, members=members)

    async def _members(self) -> GroupFacts | None:
        admin = AIOKafkaAdminClient(**self._connection.client(), request_timeout_ms=5_000)
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                await admin.start()
                return await group.described(admin, self._app_id)
        except (KafkaError, OSError, TimeoutError):
            return None  # the lags' question says why
        finally:
            await admin.close()


async def answers(urls: Sequence[str], token: str, at: float) -> list[Scrape]:
    """Ask every worker at the moment `at` (seconds since 1970 UTC), all at once."""
    places = [place for url in urls for place in await addresses(url)]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(headers=headers) as session:
        return list(await asyncio.gather(*(scrape(session, one, at) for one in places)))


async def addresses(url: str) -> list[str]:
    """Give the addresses of the workers behind a name: a headless service has one for each.

    A name that leads nowhere is given back, and found not to answer.
    """
    place = urlsplit(url)
    if place.scheme != "http" or place.hostname is None:  # a certificate is for a name
        return [url]
    try:
        async with asyncio.timeout(_NAME_SECONDS_MAX):
            found = await asyncio.get_running_loop().getaddrinfo(
                place.hostname, place.port or 80, type=socket.SOCK_STREAM
            )
    except (OSError, TimeoutError):
        return [url]
    # A machine with addresses of both kinds is one machine.
    kinds = {family for family, *_ in found}
    kind = socket.AF_INET if socket.AF_INET in kinds else socket.AF_INET6
    hosts = sorted({str(at[0]) for family, *_, at in found if family == kind})
    if len(hosts) < 2:  # noqa: PLR2004 - one worker goes by its name
        return [url]
    port = f":{place.port}" if place.port else ""
    names = (f"[{host}]" if ":" in host else host for host in hosts)
    return [place._replace(netloc=f"{name}{port}").geturl() for name in names]


def owners(look: Look) -> Mapping[tuple[str, int], str]:
    """Name who works on which partition, as the brokers know it."""
    if look.members is None:
        return {}
    return {
        place: member.instance or member.host
        for member in look.members.members
        for place in member.partitions
    }
