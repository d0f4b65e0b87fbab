"""What is deployed together fits together: names, ports, folders."""

from typing import Any

import yaml
from dashboard import BOARD, FILE
from needs import ROOT
from programs import RULES

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
GRAFANA = ROOT / "deploy" / "grafana"


def mounts(service: str) -> dict[str, str]:
    """Return the folders of this repository that a service sees, by where it sees them."""
    pairs = [volume.split(":")[:2] for volume in COMPOSE[service]["volumes"]]
    return {inside: outside for outside, inside in pairs if outside.startswith("./")}


def said(text: str) -> Any:
    """Return what a file of the deployment says."""
    return yaml.safe_load((ROOT / "deploy" / text).read_text(encoding="utf-8"))


def test_prometheus_scrapes_services_where_they_answer() -> None:
    """By the names of the composition, at the ports the services were given."""
    config = said("prometheus/prometheus.yml")
    found = {
        place["names"][0]: place["port"]
        for job in config["scrape_configs"]
        for place in job["dns_sd_configs"]
    }
    worker, deliverer = COMPOSE["worker"], COMPOSE["deliverer"]
    told = deliverer["command"][deliverer["command"].index("--port") + 1]
    assert found == {
        "worker": int(worker["environment"]["SLIPAWAY_WEB_PORT"]),
        "deliverer": int(told),
    }
    assert all(job["job_name"].startswith("slipaway") for job in config["scrape_configs"])
    assert config["rule_files"] == [RULES.name]
    assert mounts("prometheus") == {"/etc/prometheus": "./deploy/prometheus"}


def test_grafana_finds_the_dashboard_and_its_source() -> None:
    """A panel whose source has another uid shows an error, and only to who looks."""
    (source,) = said("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    used = {panel["datasource"]["uid"] for panel in BOARD["panels"] if panel["type"] != "row"}
    assert used == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    (provider,) = said("grafana/provisioning/dashboards/slipaway.yml")["providers"]
    seen = mounts("grafana")
    assert ROOT / seen[provider["options"]["path"]] == FILE.parent
    assert ROOT / seen["/etc/grafana/provisioning"] == GRAFANA / "provisioning"
    home = COMPOSE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{FILE.name}"
