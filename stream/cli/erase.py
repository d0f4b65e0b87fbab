"""The command that has customers forgotten."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.errors import UNUSABLE, WRONG, reported
from stream.cli.given import settings_of
from stream.cli.options import AsJson, Assign, Brokers, Config
from stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from stream.erasing.findings import Findings

cli = typer.Typer()

WAIT_SECONDS = 60.0


@cli.command()
def erase(
    customers: Annotated[
        list[str] | None, typer.Argument(metavar="CUSTOMER...", help="Ids, as in the events.")
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option(metavar="IDS.txt", help="Ids from a file, too, one a line.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    wait: Annotated[bool, typer.Option(help="Until the topics say that it is done.")] = True,
    timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Wait no longer.")
    ] = WAIT_SECONDS,
    as_json: AsJson = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Forget customers for good: state, alerts, standing; say where they were, and what remains.

    slipaway erase c-1007

    slipaway erase --file ids.txt --yes --json

    Exit code 1: not all of it is done yet, or an alias leads on to another id.
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        customer_ids = _ids(customers or [], file)
        if not yes:
            _confirm(len(customer_ids), settings)
        from stream.worker.logs import to_stderr

        to_stderr(settings.log_level, settings.log_format)
        findings = _erase(settings, customer_ids, timeout if wait else None)
        if as_json:
            from stream.erasing.findings import encode

            typer.echo(encode(findings))
        else:
            from stream.erasing.show import lines

            for line in lines(findings):
                typer.echo(line)
        if not findings.complete:
            typer.echo(
                f"Not all of it was done within {timeout:g} s. The request is in"
                f" {settings.topics.usage}: whoever works on it next carries it out. Operator"
                " action: see that a worker runs and has caught up, then ask again; that does no"
                " harm.",
                err=True,
            )
            raise typer.Exit(WRONG)
        if findings.unnamed:
            from stream.wire.fields import shown

            ids = ", ".join(map(shown, findings.unnamed))
            typer.echo(
                f"What was known of them before an alias is part of {ids}, and was not erased."
                " Operator action: if it is the same person, erase that id, too.",
                err=True,
            )
            raise typer.Exit(WRONG)


def _ids(given: list[str], file: Path | None) -> list[str]:
    """Give the ids, each once; SettingsError names those that no customer can have."""
    from stream.detector.errors import BadEvent
    from stream.wire import fields

    named = [("CUSTOMER", customer_id) for customer_id in given]
    if file is not None:
        try:
            text = file.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError([f"--file: {file}: cannot be read: {error}"]) from error
        rows = enumerate(text.split("\n"), 1)
        named += [(f"{file}, line {n}", row.removesuffix("\r")) for n, row in rows if row.strip()]
    problems, ids = [], dict[str, None]()
    for where, customer_id in named:
        try:
            ids[fields.customer(customer_id, "it")] = None
        except BadEvent as bad:
            problems.append(
                f"{where}: no customer can have this id, and no event of it was ever used:"
                f" {bad.message}"
            )
    if not (ids or problems):
        problems.append("CUSTOMER: name one at least, or a --file of them")
    if problems:
        raise SettingsError(problems)
    return list(ids)


def _confirm(count: int, settings: Settings) -> None:
    """Ask whether it is meant."""
    words = f"{count:,} customer{'s' * (count != 1)}"
    where = f"{settings.app_id} at {settings.bootstrap_servers}"
    try:
        meant = typer.confirm(f"Forget {words} of {where}? Nothing brings them back.", err=True)
    except typer.Abort:
        meant = False
    if not meant:
        typer.echo("Not confirmed: nothing was done. (--yes confirms.)", err=True)
        raise typer.Exit(UNUSABLE)


def _erase(settings: Settings, customer_ids: list[str], wait_seconds: float | None) -> "Findings":
    """Do so, with a line that tells how far it is."""
    from rich.console import Console
    from rich.status import Status

    from stream.erasing.run import erase as ask

    console = Console(stderr=True)
    if not (console.is_terminal and sys.stderr.isatty()):
        return asyncio.run(ask(settings, customer_ids, wait_seconds=wait_seconds))
    with Status("asking", console=console) as status:

        def told(done: int, of: int) -> None:
            status.update(f"{done:,} of {of:,} tombstones can be read")

        return asyncio.run(ask(settings, customer_ids, wait_seconds=wait_seconds, told=told))
