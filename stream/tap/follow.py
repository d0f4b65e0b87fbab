"""Following the topic of alerts: what was committed, in every partition, without a group.

Nobody else notices a tap: it joins no group, commits nothing and writes nothing.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import orjson
from aiokafka import AIOKafkaConsumer

from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert
from stream.engine.connection import Connection, wait_for_broker
from stream.engine.exits import judge

Said = TypeVar("Said", Alert, AccountAlert)


async def records(
    connection: Connection, topic: str, *, from_beginning: bool
) -> AsyncIterator[Any]:
    """Give the records of a topic as they are committed, for ever."""
    await wait_for_broker(connection, [topic])
    consumer = AIOKafkaConsumer(
        topic,
        **connection.client(),
        group_id=None,
        auto_offset_reset="earliest" if from_beginning else "latest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        async for record in consumer:
            yield record
    except Exception as error:
        raise judge(error, f"reading {topic}") from error
    finally:
        await consumer.stop()


async def tap(
    found: AsyncIterator[Any],
    wanted: Callable[[Said], bool],
    show: Callable[[Said, bytes], None],
    complain: Callable[[str], None],
    limit: int | None = None,
    *,
    decode: Callable[[bytes], Said],
) -> int:
    """Show the alerts wanted, at most `limit`; return how many were shown.

    `decode` reads them, and raises ValueError; `show` is given each with its line of JSON.
    A tombstone is passed over; what is no alert is complained of, and passed over.
    """
    count = 0
    async with aclosing(found) as following:  # type: ignore[type-var]
        async for record in following:
            if record.value is None:
                continue
            try:
                alert = decode(record.value)
            except ValueError as error:
                where = f"partition {record.partition}, offset {record.offset}"
                complain(f"{record.topic}, {where}: this is no alert of this version: {error}")
                continue
            if not wanted(alert):
                continue
            # As a line, whoever wrote it, and with what a newer version added.
            show(alert, orjson.dumps(orjson.loads(record.value)))
            count += 1
            if count == limit:
                break
    return count
