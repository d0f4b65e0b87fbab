"""The past of one customer: what Kafka still holds of it, read when somebody asks."""

import asyncio
from typing import NamedTuple

from stream.console.lookup import Found, Rows, lookup, newest
from stream.engine.connection import Connection
from stream.engine.exits import Fatal
from stream.engine.position import position_key, unpack_position
from stream.settings import Topics

PATIENCE_SECONDS = 15.0
"""A broker that answers takes a fraction of a second, and reading has an end of its own."""


class Past(NamedTuple):
    """What was found of a customer."""

    alerts: Found
    usage: Found
    row: bytes | None = None
    """As the workers saved it; None: not at all."""
    reached: bytes | None = None
    """How far its partition has come; None: nothing of it was saved."""
    missing: str = ""
    """Why there is no row, where there may be one."""


async def past(place: Connection, topics: Topics, customer_id: str) -> Past:
    """Read a customer's alerts, usage events and row.

    Raises `Fatal` for what Kafka refuses, but of the row alone; TimeoutError where it is away.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        found, (rows, missing) = await asyncio.gather(
            lookup(place, [topics.alerts, topics.usage], customer_id),
            _rows(place, topics, customer_id.encode()),
        )
    position = rows.values.get(position_key(topics.usage))
    return Past(
        alerts=found[topics.alerts],
        usage=found[topics.usage],
        row=rows.values.get(customer_id.encode()),
        reached=None if position is None else unpack_position(position).progress,
        missing=missing,
    )


async def _rows(place: Connection, topics: Topics, key: bytes) -> tuple[Rows, str]:
    """Read a customer's row and its partition's position, or say why not."""
    try:
        rows = await newest(place, topics.state, key, [position_key(topics.usage)])
    except Fatal as error:
        return Rows({}, whole=False), error.reason
    if rows.whole:
        return rows, ""
    return rows, "The state topic holds more than was looked through: this customer was not in it."
