"""The services of ours, run as the composition has them, against a real broker."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from needs import ROOT, lacking
from started import free_ports, running
from test_compose import COMPOSE, mounts

from stream.broker import JarsMissingError, LocalBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STARTED_SECONDS_MAX = 120
SECRET = "whsec_c2xpcGF3YXktc2xpcGF3YXktc2xpcGF3YXk="  # noqa: S105 - nobody's


@pytest.fixture(scope="module")
def empty_broker() -> Iterator[LocalBroker]:
    """Give a broker without topics: the composition's are named as they are named everywhere."""
    try:
        local = LocalBroker.start()
    except JarsMissingError as error:
        lacking(str(error))
        raise
    with local:
        yield local


class Service:
    """A service of ours, as a process: at a free port, its folders those of the repository."""

    def __init__(self, name: str, broker: LocalBroker, secret: Path | None = None) -> None:
        """Read what the composition says of it; `secret` is the file it is given, if it is."""
        said: dict[str, Any] = COMPOSE[name]
        outside = [port.split(":")[-1] for port in said.get("ports", ())]
        free = map(str, free_ports(len(outside)))
        self._moved = {**dict(zip(outside, free, strict=True)), "kafka:19092": broker.bootstrap}
        self._folders = mounts(name) if "volumes" in said else {}
        if secret is not None:
            (called,) = said["secrets"]
            self._folders[f"/run/secrets/{called}"] = str(secret)
        self.command = [sys.executable, "-m", "stream", *map(self._here, said["command"])]
        self.environment = {
            variable: self._here(text) for variable, text in said.get("environment", {}).items()
        }
        self.check = [self._here(word) for word in said.get("healthcheck", {}).get("test", ())]

    def _here(self, text: str) -> str:
        """Return a word of the composition as it is on this machine."""
        text = re.sub(r"^\$\{(\w+):-\}$", "", text)
        for inside, outside in self._folders.items():
            text = text.replace(inside, str(ROOT / outside))
        for port, free in self._moved.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return text

    def healthy(self) -> bool:
        """Ask as the composition does."""
        kind, program, *arguments = self.check
        assert (kind, program) == ("CMD", "python")
        done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
        return done.returncode == 0


def test_our_services_work_as_they_are_composed(empty_broker: LocalBroker, tmp_path: Path) -> None:
    """In the order in which they wait for each other, each until its own check is content."""
    topics = Service("topics", empty_broker)
    done = run(topics)
    assert done.returncode == 0, done.stderr
    assert "slipaway.usage" in done.stdout
    assert run(Service("past", empty_broker)).returncode == 0
    example = (ROOT / "examples" / "endpoints.toml").read_text(encoding="utf-8")
    given = dict.fromkeys(re.findall(r'"env:(\w+)"', example), SECRET)
    given |= {name: "https://hooks.example.com/x" for name in given if name.endswith("URL")}
    (tmp_path / "token").write_text("sesame\n")
    with ExitStack() as stack:
        present = Service("present", empty_broker)
        stack.enter_context(running(present.command, tmp_path / "present.log", {}))
        for name in ("worker", "deliverer", "console"):
            token = tmp_path / "token" if name == "console" else None
            service, log = Service(name, empty_broker, token), tmp_path / f"{name}.log"
            assert not service.healthy()
            stack.enter_context(running(service.command, log, {**service.environment, **given}))
            deadline = time.monotonic() + STARTED_SECONDS_MAX
            while not service.healthy():
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.5)


def run(service: Service) -> subprocess.CompletedProcess[str]:
    """Run a service to its end."""
    return subprocess.run(
        service.command,
        env={**os.environ, **service.environment},
        capture_output=True,
        text=True,
        timeout=STARTED_SECONDS_MAX,
        check=False,
    )
