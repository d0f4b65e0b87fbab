"""Explanations, done again by hand: nothing but the printed figures, and school arithmetic."""

import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from msgspec import json as msgspec_json
from typer.testing import CliRunner, Result

from models.protocol import Assessment
from stream.cli import cli
from stream.demo.feed import message
from stream.demo.simulate import simulate
from stream.detector.alerts import Alert
from stream.detector.customer import Customer
from stream.explain.weighing import Weighing
from stream.replay.refusals import Refusals
from stream.replay.run import Replay, read_in_order
from stream.wire.policy_file import load

ROOT = Path(__file__).parents[3]
POLICY = ROOT / "stream" / "demo" / "policy.toml"
RECEIVED_AT = 4_000_000_000_000


class Everything:
    """Explains every alert of a replay, and every judgement, as they come; decides nothing."""

    def __init__(self, run: Replay, weighing: Weighing) -> None:
        """Listen to a replay."""
        self._run = run
        self._weighing = weighing
        run.detector.voice.listener = self._hear
        run.detector.judge.witness = self
        self.alerts: list[tuple[Alert, dict[str, Any]]] = []
        self.would_open: dict[tuple[str, int], bool] = {}

    def _hear(self, customer: Customer, alert: Alert) -> None:
        found = self._weighing.alert(customer, alert)
        self.alerts.append((alert, orjson.loads(msgspec_json.encode(found))))

    def judged(self, customer_id: str, at: int, judged: Assessment, dial: str) -> None:
        """Say beforehand whether an alert will open."""
        del dial
        customer = self._run.detector.customers.look(customer_id)
        found = self._weighing.at(customer_id, customer, at)
        assert (found.worth.p_lapse, found.worth.p_gap) == (judged.p_lapse, judged.p_gap)
        self.would_open[customer_id, at] = all(check.met for check in found.checks)

    def returned(self, *_: object) -> None:
        """Hear nothing of returns."""

    def lost(self, *_: object) -> None:
        """Hear nothing of losses."""

    def unobserved(self, *_: object) -> None:
        """Hear nothing of ends."""


class Simulated(NamedTuple):
    """A log, and all that is explained of it."""

    log: Path
    everything: Everything


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Explain everything that a simulated product comes to, under floors and an open ticket."""
    log = tmp_path_factory.mktemp("explained") / "events.jsonl"
    events = simulate(customers=120, days=60, seed=5)
    log.write_bytes(b"".join(message(event) + b"\n" for event in events))
    product = load(POLICY)
    run = Replay(product.policy, alerts=None)
    everything = Everything(run, Weighing(product.policy, run.timeline))
    last = 0
    for batch in read_in_order([str(log)], product, received_at=RECEIVED_AT, refusals=Refusals()):
        run.take(batch)
        last = int(batch.occurred_at[-1])
    run.finish(last)
    return Simulated(log, everything)


def chance(target: dict[str, Any]) -> float:
    """Add a target up, one input after the other, and take the logistic of it."""
    pushed = 0.0
    for term in target["terms"]:
        standardised = (term["value"] - term["mean"]) / term["scale"]
        pushed += term["weight"] * min(max(standardised, -4.0), 4.0)
    logit = target["prior_logit"] + target["intercept"] + pushed
    return float(min(max(1 / (1 + math.exp(-logit)), 1e-5), 1 - 1e-5))


def test_the_figures_of_every_alert_add_up_to_its_risk(simulated: Simulated) -> None:
    """To the last bit of a double: the alert itself says six digits of it."""
    alerts = simulated.everything.alerts
    assert len(alerts) > 40
    by_warm = Counter(bool(found["working"]["lapse"]["terms"]) for _, found in alerts)
    assert min(by_warm[True], by_warm[False]) > 5
    assert any(found["warning"] for _, found in alerts)
    for alert, found in alerts:
        risk = chance(found["working"]["lapse"])
        if warned := found["warning"]:
            assert (alert.event, alert.reason_1) == (warned["event"], "warning_event")
            risk = 1 - (1 - risk) * (1 - warned["adds"])
        risk = 1.0 if found["left"] else risk
        assert risk == pytest.approx(alert.risk, rel=1e-13), alert.alert_id
        assert found["risk"] == alert.risk
        assert found["model_version"] == alert.model_version


def test_the_prior_behind_it_follows_from_visits_and_silence(simulated: Simulated) -> None:
    """MBG/NBD by its formulas, of the figures printed."""
    for _, found in simulated.everything.alerts:
        past, silence, odds = found["past"], found["silence"], found["working"]["odds"]
        r, alpha, a, b = (odds[name] for name in ("r", "alpha", "a", "b"))
        x, span, lasts = past["gaps"], past["span"], silence["lasts"]
        age = alpha + span + lasts
        alive = 1 / (1 + a / (b + x) * (age / (alpha + span)) ** (r + x))
        lapse = 1 - alive * (1 - (age / (age + found["horizon"])) ** (r + x))
        assert odds["alive"] == pytest.approx(alive, rel=1e-12)
        assert odds["p_lapse"] == pytest.approx(lapse, rel=1e-12)
        kept = min(max(lapse, 1e-4), 1 - 1e-4)
        logit = math.log(kept / (1 - kept))
        assert found["working"]["lapse"]["prior_logit"] == pytest.approx(logit, abs=1e-9)
        base = span + found["horizon"] / 6
        assert silence["shrunk_gap"] == pytest.approx(base / (x + 1))
        assert silence["outlasting"] == pytest.approx((base / (base + lasts)) ** (x + 1))
        after = silence["overdue_after"]
        assert (base / (base + after)) ** (x + 1) == pytest.approx(0.05)


def test_the_worth_follows_from_three_chances(simulated: Simulated) -> None:
    """And an alert on a silence opened because it reached the threshold, where no ceiling did."""
    opened = 0
    for alert, found in simulated.everything.alerts:
        worth, working = found["worth"], found["working"]
        if found["silence"]["not_counted"] == 0.0:
            chances = [chance(working[name]) for name in ("lapse", "gap", "back")]
            said = [worth[name] for name in ("p_lapse", "p_gap", "p_back")]
            assert said == pytest.approx(chances, rel=1e-12)
        if worth["value"] is None:
            assert worth["days_left"] <= 0
            continue
        hazard = -math.log1p(-worth["p_back"]) / worth["back_days"]
        gain = math.log(worth["days_left"] * worth["p_gap"] / (1 - worth["p_lapse"]))
        assert worth["value"] == pytest.approx(
            min(gain, math.log(worth["p_gap"] / hazard)), rel=1e-12
        )
        if (alert.kind, alert.trigger) == ("opened", "silence"):
            opened += 1
            assert worth["value"] >= worth["threshold"]
            assert all(check["met"] for check in found["checks"]), found["checks"]
    assert opened > 5


def test_what_is_said_to_open_an_alert_does(simulated: Simulated) -> None:
    """At every landmark of a whole log: the conditions are those that the detector asks."""
    everything = simulated.everything
    opened = {
        (alert.customer_id, alert.time)
        for alert, _ in everything.alerts
        if (alert.kind, alert.trigger) == ("opened", "silence")
    }
    assert len(everything.would_open) > 1_000
    assert {key for key, opens in everything.would_open.items() if opens} == opened


def slipaway(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SLIPAWAY_"):
            monkeypatch.delenv(name)


def test_the_command_prints_what_adds_up(simulated: Simulated) -> None:
    """The table as a person reads it comes to the risk that the alert says, to its last digit."""
    alert, expected = next(
        one
        for one in reversed(simulated.everything.alerts)
        if one[0].kind == "opened" and one[1]["working"]["lapse"]["terms"]
    )
    asked = ("explain", alert.customer_id, "--log", simulated.log, "--policy", POLICY)
    printed = slipaway(*asked, "--alert", alert.alert_id)
    assert printed.exit_code == 0, printed.output
    section = printed.stdout.partition("The risk: ")[2].partition("What an alert is worth")[0]
    rows = [line.split() for line in section.splitlines()[2:] if len(line.split()) == 7]
    pushes = [float(push) for *_, push in rows]
    assert len(pushes) == len(expected["working"]["lapse"]["terms"])
    numbers = dict(re.findall(r"  (the prior|intercept|risk)[^\n]*? +([+-]?\d+\.\d+)\n", section))
    logit = float(numbers["the prior"]) + float(numbers["intercept"]) + math.fsum(pushes)
    assert f"{1 / (1 + math.exp(-logit)):.6f}" == numbers["risk"] == f"{alert.risk:.6f}"
    assert alert.reason_1_text in printed.stdout

    before = orjson.loads(slipaway(*asked, "--as-of", expected["at"], "--json").stdout)
    assert (before["alert"], before["working"]) == (None, expected["working"])
    assert "would open here" in before["verdict"]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--alert", "nonsense-opened"], 1, "its last ones are"),
        (["--as-of", "1999-12-31"], 1, "no visit of this customer is known"),
        (["--as-of", "soon"], 2, "write it as 2026-01-31T00:00:00Z"),
        (["--as-of", "2026-01-31", "--alert", "last"], 2, "an alert has its own time"),
        (["--from-topic", "t"], 2, "exclude each other"),
    ],
)
def test_what_cannot_be_explained_says_what_to_ask(
    simulated: Simulated, more: list[str], code: int, said: str
) -> None:
    """Exit code 1 for what is not there, 2 for what is asked wrongly; on standard error."""
    customer = simulated.everything.alerts[-1][0].customer_id
    done = slipaway("explain", customer, "--log", simulated.log, "--policy", POLICY, *more)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


@pytest.mark.parametrize("name", ["", "c\x00", "\udcff", "c" * 2_000])
def test_an_id_that_nobody_can_have_is_refused(name: str) -> None:
    """Before anything is read or connected to."""
    done = slipaway("explain", name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "CUSTOMER: no customer can have this id" in done.stderr


def test_a_hostile_id_is_shown_as_text(tmp_path: Path) -> None:
    """Nothing in an event commands the terminal of who asks about it."""
    name = "c\x1b[31m[bold]"
    event = {"type": "track", "userId": name, "event": "o", "timestamp": "2026-01-01T10:00:00Z"}
    log = tmp_path / "log.jsonl"
    log.write_bytes(orjson.dumps(event) + b"\n")
    done = slipaway("explain", name, "--log", log)
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert "c\\x1b[31m[bold]" in done.stdout
