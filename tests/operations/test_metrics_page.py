"""The page of metrics, the rules and the dashboard, held against what is declared."""

import re

import pytest
from dashboard import PANELS
from declared import Declared, of_deliveries, of_workers
from needs import ROOT
from programs import RULES, RUNBOOKS, promtool
from prometheus_client import generate_latest

from stream.delivery.metrics import DeliveryMetrics
from stream.worker.metrics import Metrics

PAGE = (ROOT / "deploy" / "METRICS.md").read_text(encoding="utf-8")
WORKERS, DELIVERIES = PAGE.split("\n## ")[1:]


def row(metric: Declared) -> str:
    """Return what the page has to say of a metric, but for when to worry."""
    kind = ", ".join((metric.kind, *(f"`{label}`" for label in metric.labels)))
    return f"| `{metric.name}` | {kind} | {metric.words} |"


@pytest.mark.parametrize(
    ("section", "declared"), [(WORKERS, of_workers()), (DELIVERIES, of_deliveries())]
)
def test_every_metric_is_described_by_its_own_words(section: str, declared: list[Declared]) -> None:
    """A row that is missing is printed here, to be completed with when to worry."""
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert [line.rsplit(" | ", 1)[0] + " |" for line in rows] == [row(one) for one in declared]
    assert all(line.rsplit(" | ", 1)[1].rstrip(" |") for line in rows)


def test_the_page_names_only_rules_that_there_are() -> None:
    """It leads from a number to the runbook."""
    named = set(re.findall(r"\bSlipaway[A-Z][A-Za-z]+", PAGE))
    assert named <= {path.stem for path in RUNBOOKS.glob("*.md")}


def test_rules_and_panels_ask_for_metrics_that_there_are() -> None:
    """A misspelt name is no error to Prometheus: it is silence."""
    rules = RULES.read_text(encoding="utf-8")
    known = {name for one in (*of_workers(), *of_deliveries()) for name in one.names}
    asked = set(re.findall(r"(?<![:\w])slipaway_[a-z_]+", rules))
    for panel in PANELS:
        asked |= set(re.findall(r"(?<![:\w])slipaway_[a-z_]+", panel.expression))
    assert asked - known == set()
    recorded = set(re.findall(r"record: (\S+)", rules))
    used = set(re.findall(r"\b[a-z_]*:[a-z0-9_:]+", " ".join(panel.expression for panel in PANELS)))
    assert used - recorded == set()


def test_declarations_are_as_prometheus_would_have_them() -> None:
    """`promtool check metrics`: names, units and words."""
    for registry in (Metrics().registry, DeliveryMetrics().registry):
        promtool("check", "metrics", given=generate_latest(registry).decode())
