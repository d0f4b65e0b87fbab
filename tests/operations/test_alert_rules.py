"""The alert rules: each has called, and kept quiet, and leads to words on what to do."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from needs import ROOT
from programs import RULES, RUNBOOKS, promtool
from rule_cases import CASES, Case, Series

GROUPS = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}


def held_against(alert: str, case: Case) -> list[dict[str, Any]]:
    """Return promtool's tests of one rule, those that call first."""

    def one(series: Series, *, fires: bool) -> dict[str, Any]:
        expected = [{"labels": "{}", "value": 1}] if fires else []
        return {
            "name": f"{alert}, {'fires' if fires else 'quiet'}: {series}",
            "interval": "1m",
            "input_series": [{"series": name, "values": said} for name, said in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                    "eval_time": case.at,
                    "exp_samples": expected,
                }
            ],
        }

    calls = [one(series, fires=True) for series in case.fires]
    return calls + [one(series, fires=False) for series in case.quiet]


@pytest.mark.parametrize("alert", sorted(CASES))
def test_a_rule_calls_when_it_must_and_only_then(alert: str, tmp_path: Path) -> None:
    """A rule that never fired is a hope, and one that never kept quiet is noise."""
    case = CASES[alert]
    assert case.fires
    assert case.quiet
    file = tmp_path / "rules_test.yml"
    asked = {
        "rule_files": [str(RULES)],
        "evaluation_interval": case.every,
        "group_eval_order": [group["name"] for group in GROUPS],  # else it is up to chance
        "tests": held_against(alert, case),
    }
    file.write_text(yaml.safe_dump(asked, width=1_000_000))
    promtool("test", "rules", str(file))


def test_every_rule_is_held_against_series() -> None:
    """Also the one that was added last."""
    assert set(CASES) == set(ALERTS)


def test_rules_and_configuration_are_valid() -> None:
    """Prometheus itself would start with the old ones, and say so in a log."""
    promtool("check", "rules", str(RULES))
    promtool("check", "config", str(ROOT / "deploy" / "prometheus" / "prometheus.yml"))


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_a_rule_says_what_is_wrong_how_bad_and_where_to_read_on(alert: str) -> None:
    """Whoever is called at night has nothing but this."""
    rule = ALERTS[alert]
    assert alert.startswith("Slipaway")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/{alert}.md")


def test_every_rule_has_a_runbook_and_every_runbook_a_rule() -> None:
    """Neither a call without words nor words that nobody is led to."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(ALERTS)
