"""A slow road to the broker: a TCP proxy on 127.0.0.1 that holds back what passes.

The broker advertises the proxy as its own address, so every client of the
cluster takes this road, however it learned of the broker.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
_PIECE_BYTES = 64 << 10


class SlowRoad:
    """Passes bytes on to a port, both ways, after `delay_seconds` and no faster than said."""

    def __init__(self) -> None:
        """Begin fast; `lead_to` says where the road ends."""
        self.delay_seconds = 0.0
        self.bytes_per_second = float("inf")  # of each connection, each way
        self._target = 0
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where it begins: host:port."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def lead_to(self, port: int) -> None:
        """Name the port that connections are passed on to."""
        self._target = port

    async def __aenter__(self) -> Self:
        """Open the road."""
        self._server = await asyncio.start_server(self._join, HOST, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, with whoever is on it."""
        assert self._server is not None
        self._server.close()
        for passing in self._passing:
            passing.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client with the broker."""
        try:
            onward, back = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, back), (onward, writer)):
            passing = asyncio.create_task(self._pass(source, sink))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass one direction on, until either end closes."""
        with contextlib.suppress(OSError):
            while piece := await source.read(_PIECE_BYTES):
                await asyncio.sleep(self.delay_seconds + len(piece) / self.bytes_per_second)
                sink.write(piece)
                await sink.drain()
        sink.close()
