"""The demo, as somebody runs it who has just installed this."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from stream.broker import LocalBroker

pytestmark = pytest.mark.integration

KINDS = ("opened", "escalated", "recovered", "lapsed")


def test_the_demo_shows_alerts_and_judges_them(broker: LocalBroker) -> None:
    """Kafka, ingest, detector, trainer and reader together, in one command."""
    command = [sys.executable, "-m", "stream", "demo", "--seconds", "45", "--customers", "150"]
    done = subprocess.run(
        [*command, "--broker", broker.bootstrap],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    alerts = [line for line in done.stdout.splitlines() if line.startswith("2025-")]
    assert alerts, done.stderr
    unclear = [line for line in alerts if "risk" not in line or not any(map(line.count, KINDS))]
    assert unclear == []
    assert "What it was worth" in done.stdout
    assert "kafka-topics.sh" in done.stderr


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Let what is started hear Ctrl-C: whoever is started in a shell's background does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_ends_all_that_was_started(broker: LocalBroker) -> None:
    """Nothing of a showing may outlive it: the next one would share its machine."""
    command = [sys.executable, "-m", "stream", "demo", "--seconds", "60", "--customers", "20"]
    showing = subprocess.Popen(
        [*command, "--broker", broker.bootstrap],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert showing.stderr is not None
    heard = ""
    while "/metrics" not in heard:
        line = showing.stderr.readline()
        assert line, heard
        heard += line
    showing.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = showing.communicate(timeout=60)

    assert showing.returncode == 130, out + err
    assert "Stopped" in err
    assert time.monotonic() - begun < 30
