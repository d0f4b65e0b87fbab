"""Where an alert's runbook_url leads: to the Prometheus that calls, or where somebody said."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from needs import ROOT
from programs import RUNBOOKS, program, promtool
from scraping import prometheus
from worker_process import get, until

WIKI = "https://wiki.example.com/slipaway"


async def test_every_runbook_is_shown_by_prometheus_itself(tmp_path: Path) -> None:
    """It reads them as templates: braces in one would leave nothing of it."""
    with prometheus(tmp_path, rules="groups: []", jobs={}) as address:
        await until(lambda: get(f"{address}/-/ready", or_else="") != "", 30)
        for book in sorted(RUNBOOKS.glob("*.md")):
            shown = get(f"{address}/consoles/{book.name}")
            assert shown == book.read_text(encoding="utf-8"), book.name


def test_links_are_moved_by_one_command(tmp_path: Path) -> None:
    """In the rules, and in those of the Prometheus operator, which are the same."""
    just = shutil.which("just", path=str(Path(sys.executable).parent))
    assert just is not None
    program("promtool")
    for folder in ("deploy/prometheus", "deploy/kubernetes/prometheus"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "justfile", tmp_path)
    for url in (f"{WIKI}/", WIKI):  # again, as after a move
        subprocess.run([just, "runbooks-at", url], cwd=tmp_path, check=True, timeout=60)
    rules = tmp_path / "deploy" / "prometheus" / "rules.yml"
    promtool("check", "rules", str(rules))
    said = yaml.safe_load(rules.read_text(encoding="utf-8"))
    for rule in (rule for group in said["groups"] for rule in group["rules"] if "alert" in rule):
        assert rule["annotations"]["runbook_url"] == f"{WIKI}/{rule['alert']}.md"
    wrapped = tmp_path / "deploy" / "kubernetes" / "prometheus" / "rules.yaml"
    assert yaml.safe_load(wrapped.read_text(encoding="utf-8"))["spec"] == said


@pytest.mark.parametrize("book", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_has_no_braces(book: Path) -> None:
    """Also where there is no Prometheus to show it."""
    assert "{{" not in book.read_text(encoding="utf-8")
