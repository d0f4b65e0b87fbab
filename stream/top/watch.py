"""Watching: everybody asked at once, again and again, until somebody has seen enough."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

import aiohttp

from stream.engine.connection import Connection
from stream.top.lags import Lags, ask
from stream.top.picture import Picture, picture
from stream.top.scrape import Scrape, scrape


async def watch(
    urls: Sequence[str],
    connection: Connection | None,
    group: str,
    topics: Sequence[str],
    every_seconds: float,
) -> AsyncGenerator[Picture, None]:
    """Give pictures for ever; without a `connection` the broker is not asked."""
    before: list[Scrape] = []
    async with aiohttp.ClientSession() as session:
        while True:
            now = time.time()
            looks = asyncio.gather(*(scrape(session, url, now) for url in urls))
            lags = Lags() if connection is None else await ask(connection, group, topics)
            scrapes = await looks
            yield picture(scrapes, lags, now, before)
            before = scrapes
            await asyncio.sleep(every_seconds)
