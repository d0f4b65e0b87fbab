"""Commands for the eye: the console."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.errors import reported
from stream.cli.given import metrics_of, settings_of
from stream.cli.options import Assign, Brokers, Config, PolicyPath
from stream.settings import SettingsError

cli = typer.Typer()


@cli.command()
def console(
    *,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 8090,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="SLIPAWAY_CONSOLE_TOKEN_FILE",
            help="Holds what has to be given to see customers.",
        ),
    ] = None,
    worker: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            envvar="SLIPAWAY_CONSOLE_WORKERS",
            help="Where a worker answers, http://HOST:PORT, or all of them by one name: shows how"
            " they are doing.",
        ),
    ] = None,
    runbooks: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="SLIPAWAY_CONSOLE_RUNBOOKS",
            help="Where the runbooks are, for links to them.",
        ),
    ] = "",
    policy: PolicyPath = None,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Show in a browser who is slipping now, why, and what was won back; Ctrl-C ends it.

    slipaway console

    slipaway console --worker http://127.0.0.1:8080

    slipaway console --host 0.0.0.0 --token-file token.txt
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers, policy)
        token = _token(token_file)
        workers = [metrics_of(url) for url in worker or ()]
        if runbooks and not runbooks.startswith(("http://", "https://")):
            raise SettingsError([f"--runbooks: {runbooks!r}: write it as http://HOST/PATH"])
        from stream.console.run import console as serve
        from stream.worker.logs import to_stderr

        to_stderr(settings.log_level, settings.log_format)
        asyncio.run(
            serve(
                settings,
                host=host,
                port=port,
                token=token,
                workers=workers,
                runbooks=runbooks,
                announce=lambda address: typer.echo(f"The console is at {address}/", err=True),
            )
        )


def _token(file: Path | None) -> str:
    """Read the token; its last line break is no part of it."""
    if file is None:
        return ""
    try:
        token = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"--token-file: {file} cannot be read: {error}"]) from error
    if not token:
        raise SettingsError([f"--token-file: {file} is empty"])
    return token
