"""The engine's test worker, whose consumer stops fetching for good once a file is there.

So consumers have been seen to do after an outage: a member of the group in
good standing, whose partitions nobody else is given.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import engine_worker
import structlog

from stream.engine.transport import BlockThread

_hear = BlockThread._fetch_records


def _deaf() -> bool:
    return Path(sys.argv[5]).exists()


async def _fetch(self: BlockThread, *args: Any, **kwargs: Any) -> Any:
    """Return what was fetched; nothing once deaf, as a fetcher that hangs would."""
    if not _deaf():
        return await _hear(self, *args, **kwargs)
    structlog.get_logger().info("deaf")  # a fetch that was under way has heard the last of it
    await asyncio.sleep(0.5)
    return {}


if __name__ == "__main__":
    BlockThread._fetch_records = _fetch  # type: ignore[method-assign]
    engine_worker.work(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
