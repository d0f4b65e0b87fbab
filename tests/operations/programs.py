"""Programs of the machine that these tests need: Debian's package `prometheus` has both."""

import shutil
import subprocess

from needs import ROOT, lacking

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
RUNBOOKS = ROOT / "deploy" / "runbooks"


def program(name: str) -> str:
    """Return where a program is, or skip the test that needs it."""
    found = shutil.which(name)
    if found is None:
        lacking(f"{name} is not installed: apt-get install prometheus")
    return str(found)


def promtool(*arguments: str, given: str = "") -> None:
    """Run promtool; whatever it objects to fails the test that asked."""
    command = [program("promtool"), *arguments]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
