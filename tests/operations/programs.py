"""Programs of the machine that these tests need, by the names that Debian's packages give them."""

import shutil
import subprocess

from needs import ROOT, lacking

PACKAGES = {
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
"""Which package has a program; else it is `prometheus`."""
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
RUNBOOKS = ROOT / "deploy" / "runbooks"


def program(name: str) -> str:
    """Return where a program is, or skip the test that needs it."""
    found = shutil.which(name)
    if found is None:
        package = PACKAGES.get(name, "prometheus")
        lacking(f"{name} is not installed: apt-get install {package}")
    return str(found)


def promtool(*arguments: str, given: str = "") -> None:
    """Run promtool; whatever it objects to fails the test that asked."""
    printed("promtool", *arguments, given=given)


def printed(name: str, *arguments: str, given: str = "") -> str:
    """Return what a program prints; whatever it objects to fails the test that asked."""
    command = [program(name), *arguments]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
