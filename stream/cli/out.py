"""Commands on what comes out: alerts as they are published, delivered, and described."""

# ruff: noqa: PLC0415 - a command imports what it needs: `slipaway --help` waits for nothing

import asyncio
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stream.cli import words
from stream.cli.errors import INTERRUPTED, WRONG, reported
from stream.cli.given import policy_file_of, settings_of
from stream.cli.options import Assign, Brokers, Config, PolicyPath
from stream.settings import SettingsError

if TYPE_CHECKING:
    from rich.text import Text

    from stream.tap.wanted import Wanted, WantedOfAccounts
    from stream.tap.worklist import Said

    Word = TypeVar("Word", bound=StrEnum)

cli = typer.Typer()
contract_cli = typer.Typer(help="The contract of the alerts, for programs.", no_args_is_help=True)
cli.add_typer(contract_cli, name="contract")


class Report(StrEnum):
    """What has a report."""

    BACKTEST = "backtest"
    REPLAY = "replay"


@cli.command()
def tap(
    *,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="What is still in the topic, first.")
    ] = False,
    customer: Annotated[
        list[str] | None, typer.Option("--customer", metavar="ID", help="Of this one only.")
    ] = None,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Alerts on accounts instead.")
    ] = False,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="ID", help="On this account only."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind", autocompletion=words.kinds, help="opened, escalated, recovered ... only."
        ),
    ] = None,
    trigger: Annotated[
        list[str] | None,
        typer.Option(
            "--trigger", autocompletion=words.triggers, help="silence, decline, warning ... only."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, one a line; a pipe gets that anyway.")
    ] = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Follow the alerts: a line each on a terminal, JSON in a pipe; Ctrl-C ends it.

    slipaway tap --kind opened --kind escalated

    slipaway tap --from-beginning --accounts --limit 10 --json
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        accounts = accounts or bool(account)
        if accounts and customer:
            raise SettingsError(["--customer and --accounts exclude each other"])
        wanted = _wanted(customer, kind, trigger) if not accounts else None
        wanted_of_accounts = _wanted_of_accounts(account, kind, trigger) if accounts else None
        from stream.tap import follow
        from stream.tap.account_line import account_line
        from stream.tap.line import line
        from stream.wire.account_alerts import decode_account_alert
        from stream.wire.alerts import decode_alert
        from stream.worker.connection import connection
        from stream.worker.logs import to_stderr

        to_stderr(settings.log_level, settings.log_format)
        topic = settings.topics.account_alerts if accounts else settings.topics.alerts
        found = follow.records(connection(settings), topic, from_beginning=from_beginning)
        in_json = as_json or not sys.stdout.isatty()
        if wanted_of_accounts is not None:
            show_account = _as_json if in_json else _in_words(account_line)
            shown = follow.tap(
                found,
                wanted_of_accounts,
                show_account,
                _complain,
                limit,
                decode=decode_account_alert,
            )
        else:
            assert wanted is not None
            show = _as_json if in_json else _in_words(line)
            shown = follow.tap(found, wanted, show, _complain, limit, decode=decode_alert)
        try:
            asyncio.run(shown)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Who read the pipe has enough; nothing more may be written, not even at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@cli.command()
def worklist(
    *,
    policy: PolicyPath = None,
    accounts: Annotated[bool, typer.Option("--accounts", help="Of accounts instead.")] = False,
    owner: Annotated[str | None, typer.Option(metavar="NAME", help="Of this one only.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, one alert a line; a pipe gets that anyway.")
    ] = False,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Say whom to talk to first, owner by owner: open episodes by risk times value.

    Of accounts by what has gone quiet of each, times value.

    slipaway worklist --policy policy.toml --owner mia@example.com

    slipaway worklist --policy policy.toml --accounts
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        from stream.engine.present import present
        from stream.tap.account_line import account_line
        from stream.tap.line import line, shown
        from stream.tap.worklist import open_episodes, worklists
        from stream.wire.account_alerts import decode_account_alert, encode_account_alert
        from stream.wire.alerts import decode_alert, encode_alert
        from stream.worker.connection import connection

        daily = {one.name: one.daily for one in policy_file_of(policy or settings.policy).owners}
        in_words = sys.stdout.isatty() and not as_json

        def show(
            topic: str,
            decode: "Callable[[bytes], Said]",
            encode: "Callable[[Said], bytes]",
            say: "Callable[[Said], Text]",
        ) -> None:
            found = present(connection(settings), topic)
            write = _in_words(say) if in_words else _as_json
            for name, alerts in worklists(asyncio.run(open_episodes(found, decode)), daily).items():
                if owner not in (None, name):
                    continue
                if in_words:
                    typer.echo(f"{shown(name) or '(no owner)'}: {len(alerts):,}", err=True)
                for alert in alerts:
                    write(alert, encode(alert))

        if accounts:
            topic = settings.topics.accounts
            show(topic, decode_account_alert, encode_account_alert, account_line)
        else:
            show(settings.topics.customers, decode_alert, encode_alert, line)


@cli.command()
def deliver(
    endpoints: Annotated[Path, typer.Argument(metavar="ENDPOINTS.toml", help="Who gets which.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with it.")] = False,
    enable: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only undo that it was disabled by a 410.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="Metrics and health there, at web_host; 0: any free one."
        ),
    ] = None,
    config: Config = None,
    assign: Assign = None,
    bootstrap_servers: Brokers = None,
) -> None:
    """Deliver alerts by signed webhooks, until it is stopped.

    slipaway deliver endpoints.toml --port 8081

    slipaway deliver endpoints.toml --check

    slipaway deliver endpoints.toml --enable crm

    Exit code 1: an endpoint is disabled: it has said that it is gone.
    """
    with reported():
        settings = settings_of(config, assign, bootstrap_servers)
        from stream.delivery.endpoints import load

        found = load(endpoints)
        if check:
            typer.echo(f"{endpoints}: valid, {len(found)} endpoints")
            return
        names = [endpoint.name for endpoint in found]
        if enable is not None and enable not in names:
            raise SettingsError([f"--enable: {enable}: there is only {', '.join(names)}"])
        from stream.delivery import run
        from stream.engine.exits import Fatal
        from stream.worker.logs import to_stderr

        to_stderr(settings.log_level, settings.log_format)
        try:
            if enable is not None:
                asyncio.run(run.enable(settings, enable))
                return
            disabled = asyncio.run(run.deliver(settings, found, port=port))
        except Fatal as fatal:
            typer.echo(fatal.reason, err=True)
            raise typer.Exit(fatal.code) from fatal
        raise typer.Exit(WRONG if disabled else 0)


@contract_cli.command("asyncapi")
def contract_asyncapi(config: Config = None, assign: Assign = None) -> None:
    """Print the topic of alerts as an AsyncAPI 3 document (YAML).

    slipaway contract asyncapi > asyncapi.yaml
    """
    with reported():
        topics = settings_of(config, assign).topics
        import yaml

        from stream.contract.asyncapi import document

        found = document(
            alerts=topics.alerts,
            customers=topics.customers,
            account_alerts=topics.account_alerts,
            accounts=topics.accounts,
        )
        typer.echo(yaml.safe_dump(found, sort_keys=False, width=100, allow_unicode=True), nl=False)


@contract_cli.command("schema")
def contract_schema(
    *,
    accounts: Annotated[bool, typer.Option("--accounts", help="Of alerts on accounts.")] = False,
) -> None:
    """Print the alert's data as a JSON Schema (2020-12).

    slipaway contract schema --accounts > account-alert.schema.json
    """
    import orjson

    from stream.contract import account_schema, alert_schema

    found = account_schema.document() if accounts else alert_schema.document()
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))


@contract_cli.command("figures")
def contract_figures(
    of: Annotated[Report, typer.Argument(help="Whose figures: of which command's report.")],
) -> None:
    """Print the figures of a report as a JSON Schema (2020-12).

    slipaway contract figures backtest > backtest.schema.json
    """
    import msgspec
    import orjson

    from stream.backtest.findings import Findings
    from stream.report import schema
    from stream.report.replayed import Replayed

    kind: type[msgspec.Struct] = Findings if of is Report.BACKTEST else Replayed
    found = schema.document(kind, of.value, f"What a {of.value} of slipaway came to")
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))


def _wanted(
    customers: list[str] | None, kinds: list[str] | None, triggers: list[str] | None
) -> "Wanted":
    """Read which alerts are asked for."""
    from stream.detector.alerts import Kind, Trigger
    from stream.tap.wanted import Wanted

    return Wanted(
        customers=frozenset(customers or ()),
        kinds=_words("--kind", kinds, Kind),
        triggers=_words("--trigger", triggers, Trigger),
    )


def _words(option: str, given: list[str] | None, known: "type[Word]") -> "frozenset[Word]":
    """Read words that have to be some of those known."""
    unknown = sorted(set(given or ()) - {word.value for word in known})
    if unknown:
        possible = ", ".join(word.value for word in known)
        raise SettingsError([f"{option}: {word}: there is only {possible}" for word in unknown])
    return frozenset(known(word) for word in given or ())


def _wanted_of_accounts(
    accounts: list[str] | None, kinds: list[str] | None, triggers: list[str] | None
) -> "WantedOfAccounts":
    """Read which alerts on accounts are asked for."""
    from stream.detector.alerts import Kind
    from stream.detector.stages import AccountTrigger
    from stream.tap.wanted import WantedOfAccounts

    return WantedOfAccounts(
        accounts=frozenset(accounts or ()),
        kinds=_words("--kind", kinds, Kind),
        triggers=_words("--trigger", triggers, AccountTrigger),
    )


def _as_json(_: object, line: bytes) -> None:
    """Write an alert as a line of JSON, at once: who reads the pipe waits for it."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _in_words(in_words: "Callable[[Said], Text]") -> "Callable[[Said, bytes], None]":
    """Give what writes an alert as a line for people."""
    from rich.console import Console

    screen = Console(highlight=False, soft_wrap=True)

    def show(alert: "Said", _: bytes) -> None:
        screen.print(in_words(alert))

    return show


def _complain(problem: str) -> None:
    """Say what is wrong, where data is not written."""
    typer.echo(problem, err=True)
