"""What Tab offers: commands, options, and every word that is one of few."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from needs import lacking

from stream.cli import cli

COMPLETE = "_SLIPAWAY_COMPLETE"


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Offered":
    """Return what asks as a shell's own script does."""
    return Offered(monkeypatch, capsys)


class Offered:
    """Asks for what can follow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Ask in this process."""
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, shell: str, line: str) -> str:
        """Give what `shell` is told at the end of a line."""
        asked = {
            "bash": {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))},
            "zsh": {"_TYPER_COMPLETE_ARGS": line},
            "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        }
        for name, value in {**asked[shell], COMPLETE: f"complete_{shell}"}.items():
            self._monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit):
            typer.main.get_command(cli).main(args=[], prog_name="slipaway")
        return self._capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("slipaway to", {"top", "topics"}),
        ("slipaway dlq ", {"list", "show", "replay"}),
        ("slipaway backtest --pol", {"--policy"}),
        ("slipaway tap --kind re", {"recovered", "retracted", "resumed"}),
        ("slipaway tap --trigger s", {"silence"}),
        ("slipaway tap --accounts --trigger s", {"silence", "seats"}),
        ("slipaway topics acls --role op", {"operator"}),
        ("slipaway dlq list --code no_", {"no_customer", "no_time", "no_event"}),
        ("slipaway diff a b --ignore reason_1", {"reason_1", "reason_1_text"}),
        ("slipaway run --set topics.exa", {"topics.examples="}),
        ("slipaway retention --every ", {"week", "month", "quarter", "year"}),
        ("slipaway run --policy ", set()),
        ("slipaway validate ", set()),
    ],
)
def test_what_can_follow_is_offered(line: str, wanted: set[str], offered: Offered) -> None:
    """Where nothing is, the shell offers files: policies, logs."""
    assert {word for word in offered("bash", line).splitlines() if word} == wanted


def test_zsh_and_fish_are_offered_the_same(offered: Offered) -> None:
    """Each in its own form, with what it means where that is known; files where nothing is."""
    line = "slipaway topics acls --role re"
    assert "reader" in offered("zsh", line)
    assert offered("fish", line).split() == ["reader"]
    assert "_files" in offered("zsh", "slipaway run --policy ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_script_can_be_asked_for_by_name(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the reference says, also where nobody can tell which shell it is."""
    monkeypatch.setenv(COMPLETE, f"source_{shell}")
    with pytest.raises(SystemExit):
        typer.main.get_command(cli).main(args=[], prog_name="slipaway")
    assert f"{COMPLETE}=complete_{shell}" in capsys.readouterr().out


def test_a_real_bash_takes_the_script() -> None:
    """By the script as it is printed."""
    bash = shutil.which("bash")
    if bash is None:
        lacking("bash is not installed")
    program = Path(sys.executable).parent / "slipaway"
    script = f"""
        source <({COMPLETE}=source_bash {program})
        complete -p slipaway
        COMP_WORDS=({program} topics acls --role se) COMP_CWORD=4
        _slipaway_completion {program}
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        [str(bash), "--norc", "-c", script],
        env={k: v for k, v in os.environ.items() if not k.startswith("SLIPAWAY_")},
        capture_output=True,
        text=True,
        check=True,
    )
    declared, offered_word = done.stdout.splitlines()
    assert "-o default" in declared  # files, where nothing is offered
    assert offered_word == "sender"
