"""Our commands as processes, with the settings of one who is known to a secured broker."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from secured_broker import Acl, SecuredBroker

from stream.settings import load
from stream.worker.permissions import Permission, Role, needed

COMMAND_SECONDS = 180  # three processes that start at once on a busy machine


def knobs(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Say nested settings as environment variables, without what begins all of them."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from knobs(value, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", str(value)


async def slipaway(settings: Mapping[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = {f"SLIPAWAY_{name}": value for name, value in knobs(settings)}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stream", *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    return await asyncio.to_thread(run)


def permissions(role: Role, settings: Mapping[str, Any]) -> list[Permission]:
    """List what a role needs, as `slipaway topics acls` does."""
    plain = {name: value for name, value in settings.items() if name != "security"}
    return needed(role, load(plain), accounts=False)


def acl(one: Permission) -> Acl:
    """Say a permission in the protocol's numbers."""
    return Acl.of(one.kind, one.name, one.operation, prefixed=one.prefixed)


async def allow(broker: SecuredBroker, who: str, role: Role, settings: Mapping[str, Any]) -> None:
    """Allow somebody exactly what a role needs."""
    await broker.allow(who, [acl(one) for one in permissions(role, settings)])
