"""A whole backtest of a real log, held against the independent scorer."""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from real_logs import EXAMPLES, LOGS, independent_scorer

from stream.backtest.curve import RATES
from stream.backtest.findings import Findings
from stream.backtest.history import Ints
from stream.backtest.run import NOTICE_SHARES, backtest
from stream.backtest.sweep import Sweep
from stream.replay.refusals import Refusals
from stream.wire.policy_file import load


class Run(NamedTuple):
    """What was found, and the alerts that it was found of."""

    findings: Findings
    said: list[tuple[Ints, Ints]]
    codes: dict[str, int]


@pytest.fixture(scope="module")
def retail(shared_data: Path) -> Run:
    """Return the backtest of a wholesaler's log."""
    kept: list[tuple[list[tuple[Ints, Ints]], dict[str, int]]] = []
    alerts = Sweep.alerts

    def keep(sweep: Sweep, codes: dict[str, int]) -> list[tuple[Ints, Ints]]:
        kept.append((alerts(sweep, codes), codes))
        return kept[-1][0]

    policy, files = LOGS["online_retail"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sweep, "alerts", keep)
        findings = backtest(
            [str(shared_data / file) for file in files],
            load(EXAMPLES / f"{policy}.toml"),
            received_at=time.time_ns() // 1_000_000,
            refusals=Refusals(),
        )
    ((said, codes),) = kept
    return Run(findings, said, codes)


@pytest.mark.shared
def test_findings_are_what_the_independent_scorer_makes_of_the_same_alerts(
    retail: Run, shared_data: Path
) -> None:
    """Every figure of the dial, and the curve over fixed thresholds."""
    yardstick = independent_scorer(shared_data)
    log = yardstick.datasets.load("online_retail")
    timeline = yardstick.episodes.Timeline(log)
    middle = (log.start + int(log.end.max()) + 1) // 2
    window = yardstick.episodes.Window(begin=middle)
    place = {customer: number for number, customer in enumerate(log.customers)}
    names = list(retail.codes)
    theirs = [
        yardstick.score_alerts.Alerts(
            np.array([place[names[code]] for code in customer.tolist()], np.int64), at / 1000
        )
        for customer, at in retail.said
    ]
    findings, fixed = retail.findings, len(NOTICE_SHARES)
    for setting, alerts in zip(findings.dial, theirs[fixed:], strict=True):
        expected = yardstick.score_alerts.score(alerts, timeline, window)
        for ours, other in (
            ("measured", "false_per_customer_month"),
            ("recall", "recall"),
            ("precision", "precision"),
            ("mean_delay_days", "mean_delay_missed_as_horizon"),
        ):
            assert getattr(setting, ours) == pytest.approx(expected[other], abs=0.001), ours
        whole = yardstick.score_alerts.score(alerts, timeline, yardstick.episodes.Window())
        months = whole["customer_months"] - expected["customer_months"]
        warm_up = (whole["false"] - expected["false"]) / months
        assert setting.warm_up_measured == pytest.approx(warm_up, abs=0.001)
    curve = yardstick.compare.compare(theirs[:fixed], theirs[fixed:], timeline, window, draws=2)
    for number, method in ((0, "a"), (1, "b")):
        readings = findings.everybody.methods[number].readings
        for reading, expected in zip(readings, curve, strict=True):
            delay = expected["mean_delay_missed_as_horizon"][method]
            assert reading.mean_delay_days == pytest.approx(delay, abs=0.001)


@pytest.mark.shared
def test_rules_are_as_late_as_published(retail: Run) -> None:
    """On the later half: the independent scorer's own figures for them."""
    published = {
        "hiatus": (90.0, 90.0, 66.5, 45.6, 16.3),
        "own_gap": (87.0, 84.1, 80.1, 72.0, 43.8),
        "drop": (87.3, 83.1, 76.3, 62.6, 21.4),
        "expected": (80.4, 69.3, 54.7, 30.5, 3.7),
    }
    methods = {method.name: method.readings for method in retail.findings.everybody.methods}
    for name, delays in published.items():
        found = [reading.mean_delay_days for reading in methods[name]]
        assert found == pytest.approx(list(delays), abs=0.3)
    assert len(RATES) == len(published["hiatus"])


@pytest.mark.shared
def test_on_a_real_log_thresholds_reach_all_rates(retail: Run) -> None:
    """From below the strictest to above the laxest."""
    rates = [s.false_per_customer_month for s in retail.findings.everybody.methods[0].settings]
    assert min(rates) < RATES[0]
    assert max(rates) > RATES[-1]
