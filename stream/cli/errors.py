"""Errors: what a command may raise, as words on standard error and an exit code.

0 fine, 1 found something wrong, 2 usage or configuration.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from stream.settings import SettingsError

WRONG = 1
UNUSABLE = 2


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
        "Unexplained": WRONG,
        "Fatal": WRONG,
    }
    return next(
        (codes[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in codes), None
    )
