"""The command that shows how the workers are doing."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream.cli.errors import WRONG, reported
from stream.cli.given import metrics_of, settings_of
from stream.cli.options import Assign, Brokers, Config
from stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from stream.top.picture import Picture

cli = typer.Typer()

ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - not bound to: what a setting may say


@cli.command()
def top(
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="[URL...]", help="Of workers. Unset: the local one."),
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="One look, and no more.")] = False,
    every: Annotated[
        float, typer.Option(min=0.5, metavar="SECONDS", help="Between two looks.")
    ] = 2.0,
    kafka: Annotated[bool, typer.Option(help="Ask the broker for lags, too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One look, as JSON.")] = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Watch workers, partitions, lag and alerts live; one look where there is no terminal.

    slipaway top http://w0:8080 http://w1:8080

    Exit code 1: a worker, or the broker, was not reached at the last look.
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        asked = [metrics_of(url) for url in urls or [_local(settings)]]
        live = not (once or as_json) and sys.stdout.isatty()
        try:
            last = asyncio.run(_watch(settings, asked, every, live=live, kafka=kafka))
        except KeyboardInterrupt:
            return
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode(last)))
        else:
            _show(last)
        if last.kafka or any(worker.problem for worker in last.workers):
            raise typer.Exit(WRONG)


def _local(settings: Settings) -> str:
    """Give where the worker of these settings answers on this machine."""
    if settings.web_port == 0:
        raise SettingsError(
            ["URL: web_port is 0, any port: name the one that the worker's log says"]
        )
    host = "127.0.0.1" if settings.web_host in ANYWHERE else settings.web_host
    return f"http://{host}:{settings.web_port}"


async def _watch(
    settings: Settings, urls: list[str], every: float, *, live: bool, kafka: bool
) -> "Picture":
    """Look once, or until Ctrl-C; give the last picture."""
    from stream.top.watch import watch
    from stream.worker.connection import connection

    topics = [*settings.topics.sources, settings.topics.usage]
    link = connection(settings) if kafka else None
    async with aclosing(watch(urls, link, settings.app_id, topics, every)) as pictures:
        if not live:
            return await anext(pictures)
        from rich.console import Console
        from rich.live import Live

        from stream.top.screen import screen

        with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as shown:
            async for found in pictures:
                shown.update(screen(found), refresh=True)
    raise AssertionError("it watches for ever")


def _show(found: "Picture") -> None:
    """Write one picture; as wide as eighty columns where nobody says how wide."""
    from rich.console import Console

    from stream.top.screen import screen

    width = None if sys.stdout.isatty() else 80
    Console(highlight=False, width=width).print(screen(found))
