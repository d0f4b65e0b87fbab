"""The laws of the repository itself: what no review should have to look for."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from needs import ROOT, lacking

from stream.settings import CONFIG_VARIABLE, PREFIX, knobs

LINES_MAX = 600
TEST_VARIABLES = {f"{PREFIX}REQUIRE_ALL"}  # read by tests/needs.py
OPTION_VARIABLES = {  # in place of an option
    CONFIG_VARIABLE,
    *(f"{PREFIX}CONSOLE_{option}" for option in ("TOKEN_FILE", "WORKERS", "RUNBOOKS")),
}

# What must not be found is put together here, or this file would hold it.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    )
]
MACHINE_PATHS = [f"/{folder}/" for folder in ("work", "root", "Users", "home")]
LEFT_UNDONE = ["TO" + "DO", "FIX" + "ME", "X" * 3]


def repository_files() -> list[Path]:
    """Return every file that is, or is about to be, under version control."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        lacking("not a git checkout: its files cannot be told from others")
    listed = subprocess.check_output(
        [str(git), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
    )
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def found(pattern: str) -> list[str]:
    """Return where `pattern` occurs, as file:line."""
    wanted = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in repository_files()
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), 1
        )
        if wanted.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's business: mirrors differ."""
    assert found("|".join(map(re.escape, HOSTS))) == []


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    """Such a path works on one machine, and tells who sat at it."""
    assert found(rf"(?<![\w.~/}}-])(?:{'|'.join(MACHINE_PATHS)})") == []


def test_nothing_is_left_undone_in_comments() -> None:
    """The tracker holds what is to be done; a comment is never found again."""
    assert found(rf"\b(?:{'|'.join(LEFT_UNDONE)})\b") == []


def test_no_module_outgrows_a_reader() -> None:
    """A module longer than this has two subjects."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in repository_files()
        if path.suffix == ".py"
    }
    assert {name: length for name, length in lengths.items() if length > LINES_MAX} == {}


def test_the_lock_file_stays_out() -> None:
    """uv.lock names registry hosts; requirements.txt pins the same without them."""
    assert [path for path in repository_files() if path.name == "uv.lock"] == []


def test_requirements_are_what_uv_resolves() -> None:
    """The image and pip's users install what the tests ran with."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        lacking("uv is not installed: run the tests by `uv run pytest`")
    options = ["--no-emit-project", "--no-dev", "--no-header"]
    exported = subprocess.check_output(
        [str(uv), "export", "--quiet", "--format", "requirements-txt", *options],
        cwd=ROOT,
        text=True,
    )
    assert (ROOT / "requirements.txt").read_text(encoding="utf-8") == exported


@pytest.mark.parametrize("name", ["docker-compose.yml", "deploy", "docs", "README.md"])
def test_every_variable_we_name_is_a_setting(name: str) -> None:
    """A misspelt variable is ignored without a word: pods have stray ones with our prefix."""
    below = [path for path in repository_files() if path.is_relative_to(ROOT / name)]
    texts = [path.read_text(encoding="utf-8") for path in below]
    named = {word for text in texts for word in re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", text)}
    settings = {PREFIX + knob.upper().replace(".", "__") for knob, _ in knobs()}
    assert named - settings - OPTION_VARIABLES - TEST_VARIABLES == set()
