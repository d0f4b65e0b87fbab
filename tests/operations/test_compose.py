"""What is deployed together fits together: names, ports, folders."""

import re
from typing import Any

import pytest
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
    assert mounts("prometheus") == {
        "/etc/prometheus": "./deploy/prometheus",
        "/runbooks": "./deploy/runbooks",
    }


def test_alerts_find_who_passes_them_on_and_runbooks_are_where_they_lead() -> None:
    """Each under the name and the port that the other knows."""
    (place,) = said("prometheus/prometheus.yml")["alerting"]["alertmanagers"]
    assert place == {"static_configs": [{"targets": ["alertmanager:9093"]}]}
    assert mounts("alertmanager") == {"/etc/alertmanager": "./deploy/alertmanager"}
    flags = set(COMPOSE["prometheus"]["command"])
    assert {"--web.console.templates=/runbooks", f"--web.external-url={own('prometheus')}"} <= flags
    flags = set(COMPOSE["alertmanager"]["command"])
    assert f"--web.external-url={own('alertmanager')}" in flags


def test_the_policy_that_the_first_lines_name_is_where_they_say() -> None:
    """Whoever types what stands there has a worker that starts."""
    words = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    (named,) = re.findall(r"SLIPAWAY_POLICY=(\S+) docker compose --profile demo", words)
    folder, _, file = named.rpartition("/")
    assert (ROOT / mounts("worker")[folder] / file).is_file()


def own(service: str) -> str:
    """Return where a service is seen from this machine."""
    (port,) = COMPOSE[service]["ports"]
    return f"http://{port.rpartition(':')[0]}"


@pytest.mark.parametrize("service", sorted(COMPOSE))
def test_a_service_is_confined_and_watched(service: str) -> None:
    """To its memory, its volumes and no rights; and somebody notices when it is stuck."""
    one = COMPOSE[service]
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["mem_limit"]
    assert one["pids_limit"]
    assert one.get("read_only", False) or service == "kafka"
    assert one.get("user", "0").partition(":")[0] != "0" or service == "kafka"
    assert "healthcheck" in one or one["restart"] == "no" or service == "present"
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))


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
