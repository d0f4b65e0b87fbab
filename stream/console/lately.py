"""Lately: what takes a while to find out is found out once for all who ask, and kept a moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lately(Generic[T]):
    """The answer to a question, not older than some seconds."""

    def __init__(
        self,
        find: Callable[[], Awaitable[T]],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `find` again when its answer is `seconds` old."""
        self._find = find
        self._seconds = seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._found: tuple[float, T] | None = None

    async def get(self) -> T:
        """Give the answer; who asks while it is being found waits for that one."""
        async with self._lock:
            if self._found is None or self._clock() - self._found[0] >= self._seconds:
                found = await self._find()
                self._found = self._clock(), found
            return self._found[1]
