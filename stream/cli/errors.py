"""Errors: what a command may raise, as words on standard error and an exit code.

The codes are in `EXIT_CODES`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from stream.settings import SettingsError

WRONG = 1
UNUSABLE = 2
INTERRUPTED = 130
"""128 and SIGINT's number: what a shell says of a command that Ctrl-C ended."""

EXIT_CODES = {
    0: "All is well, and everything was done.",
    WRONG: "Something was found, or could not be done: the command's own words say what.",
    UNUSABLE: "The command, a setting or a file given is wrong: nothing was done. Correct it.",
    70: "`run`, `deliver`: our bug, or lost or unreadable data. Starting again changes nothing.",
    75: "`run`, `deliver`: broker trouble, or another worker took over. Start again.",
    INTERRUPTED: "Ctrl-C ended it.",
}
"""What every exit code means; 70 and 75 are after sysexits.h, as `engine.exits.Exit` has them."""


@contextmanager
def reported() -> Iterator[None]:
    """Turn what a command may raise into words on standard error and an exit code."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"setting {problem}", err=True)
        raise typer.Exit(UNUSABLE) from error
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(code) from error


def _exit_code(error: Exception) -> int | None:
    """Say the exit code of an error that is not ours; None if it is."""
    # Compared by name: importing the types would import the shells, even where none was started.
    codes: dict[str, int] = {
        "PolicyErrors": UNUSABLE,
        "SnapshotError": UNUSABLE,
        "LogError": WRONG,
        "StateError": WRONG,
        "Unexplained": WRONG,
        "Fatal": WRONG,
    }
    return next(
        (codes[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in codes), None
    )
