"""The raw loop: fetch, `orjson.loads`, nothing else; what an asyncio consumer can do at most.

No time is read, nothing is folded, kept or committed.  It fetches as the worker
does: 4 MiB a partition.
"""

import asyncio
import time
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer


def read(bootstrap: str, topic: str, group: str, events: int) -> dict[str, Any]:
    """Read `events` events; give what that took from the first one on."""
    return asyncio.run(_read(bootstrap, topic, group, events))


async def _read(bootstrap: str, topic: str, group: str, events: int) -> dict[str, Any]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        count, wall, cpu = 0, 0.0, 0.0
        while count < events:
            fetched = await consumer.getmany(timeout_ms=1000, max_records=10_000)
            if fetched and not count:
                wall, cpu = time.perf_counter(), time.process_time()
            for records in fetched.values():
                for record in records:
                    orjson.loads(record.value)
                count += len(records)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    finally:
        await consumer.stop()
    return {"events": count, "wall_s": wall, "cpu_s": cpu, "events_per_s": count / wall}
