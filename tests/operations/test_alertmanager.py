"""Who is told of what, by a real Alertmanager: by severity, and once for what has one cause."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from needs import ROOT
from programs import RULES, printed, program
from started import free_ports, running
from worker_process import get

CONFIG = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
ALERTS = {
    rule["alert"]: rule["labels"]["severity"]
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
SECONDS_MAX = 30
W0 = {"job": "slipaway", "instance": "w0"}
W1 = {"job": "slipaway", "instance": "w1"}
DELIVERER = {"job": "slipaway-deliver", "instance": "d"}
JOB = {"job": "slipaway"}


def alert(name: str, **labels: str) -> dict[str, dict[str, str]]:
    """Return an alert as Prometheus sends it."""
    return {"labels": {"alertname": name, "severity": ALERTS[name], **labels}}


@contextmanager
def managing(folder: Path) -> Iterator[str]:
    """Run Alertmanager by our configuration; give its address."""
    (port,) = free_ports(1)
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={CONFIG}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    address = f"http://127.0.0.1:{port}"
    with running(command, folder / "alertmanager.log", {}):
        deadline = time.monotonic() + SECONDS_MAX
        while not get(f"{address}/-/ready", or_else=""):
            assert time.monotonic() < deadline, (folder / "alertmanager.log").read_text()
            time.sleep(0.1)
        yield address


def calls(address: str, *alerts: dict[str, dict[str, str]]) -> set[tuple[str, str]]:
    """Send alerts; return those that somebody is told of, by name and instance."""
    request = Request(  # noqa: S310 - our own Alertmanager
        f"{address}/api/v2/alerts",
        data=json.dumps(alerts).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=SECONDS_MAX) as response:  # noqa: S310 - the same
        assert response.status == 200
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        found = json.loads(get(f"{address}/api/v2/alerts"))
        known = [one for one in found if one["status"]["state"] != "unprocessed"]
        if len(known) == len(alerts):
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    active = [one["labels"] for one in known if one["status"]["state"] == "active"]
    return {(labels["alertname"], labels.get("instance", "")) for labels in active}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_alert_goes_where_its_severity_says(name: str) -> None:
    """A page that lands among the tickets is read in the morning."""
    labels = [f"alertname={name}", f"severity={ALERTS[name]}"]
    told = printed("amtool", "config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert told.strip() == ALERTS[name]


def test_a_worker_that_is_down_is_one_call(tmp_path: Path) -> None:
    """What follows from it is held back; what is said of others, and the objectives, is not."""
    with managing(tmp_path) as address:
        assert calls(
            address,
            alert("SlipawayDown", **W0),
            alert("SlipawayRestarting", **W0),
            alert("SlipawayPartitionStuck", **W0, topic="slipaway.usage", partition="1"),
            alert("SlipawayPartitionStuck", **W1, topic="slipaway.usage", partition="2"),
            alert("SlipawayPartitionUnowned", **JOB, topic="slipaway.usage", role="usage"),
            alert("SlipawayTrainerGone", **JOB, topic="slipaway.examples", role="examples"),
            alert("SlipawayNobodyWorks"),
            alert("SlipawayFreshnessBurnFast", **JOB),
            alert("SlipawayFreshnessBurnSlow", **JOB),
            alert("SlipawayLatencyBurnSlow", **JOB),
        ) == {
            ("SlipawayDown", "w0"),
            ("SlipawayPartitionStuck", "w1"),
            ("SlipawayFreshnessBurnFast", ""),
            ("SlipawayLatencyBurnSlow", ""),
        }


def test_a_deliverer_that_is_down_hides_nothing_of_workers(tmp_path: Path) -> None:
    """They are different processes."""
    with managing(tmp_path) as address:
        said = {("SlipawayDown", "d"), ("SlipawayNobodyWorks", ""), ("SlipawayTrainerGone", "")}
        told = calls(
            address,
            alert("SlipawayDown", **DELIVERER),
            alert("SlipawayNobodyWorks"),
            alert("SlipawayTrainerGone", **JOB, topic="slipaway.examples", role="examples"),
        )
        assert told == said


def test_whatever_is_held_back_is_a_rule_that_there_is() -> None:
    """A name that is misspelt holds back nothing, without a word."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    named = {
        word
        for rule in config["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        for word in matcher.replace('"', " ").replace("|", " ").split()
        if word.startswith("Slipaway")
    }
    assert named
    assert named <= set(ALERTS)
