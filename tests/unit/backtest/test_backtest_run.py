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
from stream.backtest.noting import NotingReplay
from stream.backtest.run import NOTICE_SHARES, backtest
from stream.backtest.stories import CAUGHT, IN_VAIN, MISSED
from stream.backtest.sweep import Sweep
from stream.detector.alerts import Alert, Kind
from stream.detector.decisions import Decisions
from stream.detector.events import DAY_MS
from stream.replay.refusals import Refusals
from stream.wire.policy_file import load
from stream.wire.times import from_iso


class Run(NamedTuple):
    """What was found, and the alerts that it was found of."""

    findings: Findings
    said: list[tuple[Ints, Ints]]
    codes: dict[str, int]
    opened: list[Alert]
    """The policy's own, of all triggers."""


@pytest.fixture(scope="module")
def retail(shared_data: Path) -> Run:
    """Return the backtest of a wholesaler's log."""
    kept: list[tuple[list[tuple[Ints, Ints]], dict[str, int]]] = []
    opened: list[Alert] = []
    alerts, keep_opened = Sweep.alerts, NotingReplay._keep

    def note(replay: NotingReplay, decisions: Decisions) -> None:
        keep_opened(replay, decisions)
        opened.extend(alert for alert in decisions.alerts if alert.kind is Kind.OPENED)

    def keep(sweep: Sweep, codes: dict[str, int]) -> list[tuple[Ints, Ints]]:
        kept.append((alerts(sweep, codes), codes))
        return kept[-1][0]

    policy, files = LOGS["online_retail"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sweep, "alerts", keep)
        patch.setattr(NotingReplay, "_keep", note)
        findings = backtest(
            [str(shared_data / file) for file in files],
            load(EXAMPLES / f"{policy}.toml"),
            received_at=time.time_ns() // 1_000_000,
            refusals=Refusals(),
        )
    ((said, codes),) = kept
    return Run(findings, said, codes, opened)


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
def test_the_reports_figures_are_the_independent_scorers(retail: Run, shared_data: Path) -> None:
    """The answer, what became of alerts, what the log held, and each story."""
    yardstick = independent_scorer(shared_data)
    log = yardstick.datasets.load("online_retail")
    timeline = yardstick.episodes.Timeline(log)
    window = yardstick.episodes.Window(begin=(log.start + int(log.end.max()) + 1) // 2)
    place = {customer: number for number, customer in enumerate(log.customers)}
    findings, names = retail.findings, list(retail.codes)

    def score(of: list[tuple[str, float]]) -> dict[str, float]:
        alerts = yardstick.score_alerts.Alerts(
            np.array([place[customer_id] for customer_id, _ in of], np.int64),
            np.array([at / 1000 for _, at in of]),
        )
        found: dict[str, float] = yardstick.score_alerts.score(alerts, timeline, window)
        return found

    own = len(NOTICE_SHARES) + [setting.own for setting in findings.dial].index(True)
    customers, times = retail.said[own]
    expected = score(
        [(names[code], at) for code, at in zip(customers.tolist(), times.tolist(), strict=True)]
    )
    answer = findings.answer
    assert (answer.lapses, answer.right, answer.false) == tuple(
        expected[name] for name in ("lapses", "true", "false")
    )
    assert answer.named / answer.lapses == pytest.approx(expected["recall"], abs=0.001)
    assert answer.mean_delay_days == pytest.approx(
        expected["mean_delay_missed_as_horizon"], abs=0.001
    )
    assert answer.false_per_customer_month == pytest.approx(
        expected["false_per_customer_month"], abs=0.001
    )
    expected = score([(alert.customer_id, alert.time) for alert in retail.opened])
    came_to = {
        kind: sum(one.came_to.get(kind, 0) for one in findings.raised.triggers)
        for kind in ("right", "false")
    }
    assert came_to == {"right": expected["true"], "false": expected["false"]}
    assert findings.log.customers == len(log.customers)
    assert findings.raised.opened == sum(
        alert.time >= from_iso(findings.data.begin) for alert in retail.opened
    )
    for story in findings.stories:
        times = log.time[log.customer == place[story.customer_id]] * 1000
        since = from_iso(story.last)
        assert story.active_days == len(np.unique(times[times <= since] // DAY_MS))
        later = times[times > since]
        assert (story.back is None) == (not len(later))
        if story.back is not None:
            assert from_iso(story.back) == later.min()
        away_days = (later.min() - since) / DAY_MS if len(later) else np.inf
        alerted = [
            alert.time
            for alert in retail.opened
            if alert.customer_id == story.customer_id and since < alert.time < since + 90 * DAY_MS
        ]
        if story.came_to == MISSED:
            assert away_days > 90
            assert not [at for at in alerted if at < since + away_days * DAY_MS]
        else:
            assert from_iso(story.alerted or "") in alerted
            after = later.min() - from_iso(story.alerted or "") if len(later) else np.inf
            assert away_days > 90 if story.came_to == CAUGHT else after <= 90 * DAY_MS
    assert [story.came_to for story in findings.stories] == 3 * [CAUGHT] + 3 * [IN_VAIN] + 3 * [
        MISSED
    ]


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
