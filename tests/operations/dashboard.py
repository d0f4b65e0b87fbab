"""The dashboard's panels, and what each asks Prometheus for."""

import json
from typing import Any, NamedTuple

from needs import ROOT

FILE = ROOT / "deploy" / "grafana" / "dashboards" / "slipaway.json"
BOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


class Panel(NamedTuple):
    """One question of a panel."""

    title: str
    expression: str


def asked(expression: str) -> str:
    """Return an expression with Grafana's own variables as a short show has them."""
    return expression.replace("$__rate_interval", "5m").replace("$__range", "1h")


PANELS = [
    Panel(panel["title"], target["expr"])
    for panel in BOARD["panels"]
    for target in panel.get("targets", [])
]
