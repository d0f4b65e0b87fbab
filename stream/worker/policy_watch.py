"""The policy file, watched: a changed one is taken up, a broken one is refused.

It is looked at each second rather than waited for by the file system: a mounted
ConfigMap is a link to a folder that is swapped, an editor may write in place or
rename, and a network drive tells nobody.  What counts is what is in it.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from mode import Service

from stream.wire import policy_file
from stream.wire.durations import format_duration
from stream.wire.policy_file import PolicyErrors, PolicyFile
from stream.worker.metrics import Metrics

log = structlog.get_logger("slipaway.worker")

LOOK_SECONDS = 1.0


class PolicyWatch(Service):
    """Watches the file that the policy in force was read from."""

    def __init__(
        self,
        path: Path,
        product: PolicyFile,
        *,
        learns: bool,
        metrics: Metrics,
        take_up: Callable[[str], object],
    ) -> None:
        """Watch `path`, while `product` is in force; `take_up` is told the text of a better one.

        `learns`: what was learned under the policy in force is to be kept.
        """
        super().__init__()
        self._path = path
        self._product = product
        self._learns = learns
        self._metrics = metrics
        self._take_up = take_up
        self._known: str | None = None  # what was last looked into
        self._before: str | None = None  # what was found the last time
        self._now = asyncio.Event()

    async def on_start(self) -> None:
        """Let SIGHUP ask for a look at once."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._now.set)

    @Service.task
    async def _follow(self) -> None:
        while not self.should_stop:
            self.look(told=self._now.is_set())
            self._now.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), LOOK_SECONDS)

    def look(self, *, told: bool = False) -> None:
        """Look at the file; at what is new twice, since it may still be written.

        `told`: somebody says that it is whole.
        """
        try:
            text, problem = policy_file.read(self._path), None
        except PolicyErrors as errors:
            text, problem = str(errors), errors
        if text == self._known:
            return
        if text != self._before and not told:
            self._before = text
            return
        self._known = text
        try:
            if problem is not None:
                raise problem
            product = policy_file.parse(text, str(self._path))
        except PolicyErrors as errors:
            self._refuse([str(error) for error in errors.errors])
            return
        if product == self._product:
            self._metrics.policy_file_in_force.set(1)
            return
        problems = unchangeable(self._product, product, learns=self._learns)
        if problems:
            self._refuse(problems)
            return
        version, before = product.policy.version, self._product.policy.version
        log.info("policy changed: taking it up", policy=version, before=before)
        self._take_up(text)

    def _refuse(self, problems: list[str]) -> None:
        """Go on with the policy in force, and say so until somebody hears."""
        self._metrics.policy_file_in_force.set(0)
        self._metrics.policies_refused.inc()
        log.error(
            "policy refused: the one in force goes on",
            file=str(self._path),
            problems=problems,
            policy=self._product.policy.version,
        )


def unchangeable(now: PolicyFile, wanted: PolicyFile, *, learns: bool) -> list[str]:
    """Say what of a policy cannot be taken up without anybody deciding on it."""
    if not learns:
        return []
    own, others = wanted.policy.horizon_ms, set(wanted.policy.horizons.values())
    lost = []
    if own != now.policy.horizon_ms:
        lost.append("[slipping] horizon: what was learned")
    lost += [
        f"[[segment]] horizon {format_duration(horizon_ms)}, which no segment has any more: what"
        " was learned"
        for horizon_ms in sorted({*now.policy.horizons.values()} - others)
    ]
    return [
        f"{what} is of another horizon, and would be dropped."
        " Operator action: restart the workers if that is meant; they begin to learn anew"
        for what in lost
    ]
