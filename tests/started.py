"""Programs that a test starts: their words in a file, their ports free ones."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def running(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a program, its words in a file."""
    with log.open("wb") as file:
        popen = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=file, stderr=file
        )
    try:
        yield
        assert popen.poll() is None, log.read_text()
    finally:
        popen.terminate()
        try:
            popen.wait(20)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on: their numbers stand in somebody's configuration."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
